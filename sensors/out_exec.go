package sensors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// placeholder stands for the value in the words of a program.
const placeholder = "{value}"

// maxSetTime is the most that one program of an output may take.
const maxSetTime = 5 * time.Second

func execOutputKind() OutputKind {
	return OutputKind{
		Name: "exec",
		Doc: "An output that programs of yours set and read back. There is no shell, the programs have only PATH, HOME " +
			"and LANG in their environment, and they are run only if nobody else can change them.",
		Example: `[output.radio]
kind = "exec"
set = ["/usr/local/bin/radio", "volume", "{value}"] # {value} is on or off, or the number
get = ["/usr/local/bin/radio", "volume"] # writes the state; without it: what was last set
min = 0.0           # a number from min to max; without both: on and off
max = 100.0
unit = "%"          # of the number
timeout = "4s"      # of one program, at most 5s
`,
		New: newExecOutput,
	}
}

type execOutputConfig struct {
	Set     []string      `toml:"set"`
	Get     []string      `toml:"get"`
	Min     float64       `toml:"min"`
	Max     float64       `toml:"max"`
	Unit    string        `toml:"unit"`
	Timeout time.Duration `toml:"timeout"`
}

// execOutput implements agent.Output.
type execOutput struct {
	host  *Host
	cfg   execOutputConfig
	state agent.Value // as last set, where nothing can be read back
	err   error       // why there is no state
}

func newExecOutput(h *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := execOutputConfig{Timeout: 4 * time.Second}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	if err := cfg.check(); err != nil {
		return BuiltOutput{}, err
	}
	out := &execOutput{host: h, cfg: cfg, err: unset("not set yet")}
	b := BuiltOutput{Output: out, Min: cfg.Min, Max: cfg.Max, Unit: cfg.Unit}
	switch {
	case !cfg.ranged():
		b.Off = agent.Bool(false)
	case cfg.Min <= 0 && cfg.Max >= 0:
		b.Off = agent.Number(0)
	}
	return b, nil
}

func (c *execOutputConfig) ranged() bool { return c.Min < c.Max }

func (c *execOutputConfig) check() error {
	var bad checker
	if value := bad.argv("set", c.Set); !value && len(c.Set) > 0 {
		bad.fail("set", "no argument holds {value}")
	}
	if len(c.Get) > 0 && bad.argv("get", c.Get) {
		bad.fail("get", "{value} is for set")
	}
	bad.finite("min", c.Min)
	bad.finite("max", c.Max)
	c.Unit = bad.unit("unit", c.Unit)
	switch {
	case c.Min > c.Max || c.Min == c.Max && c.Min != 0:
		bad.fail("min", "%g is not below max, which is %g", c.Min, c.Max)
	case !c.ranged() && c.Unit != "":
		bad.fail("unit", "a unit is for a number: give min and max")
	}
	if c.Timeout <= 0 || c.Timeout > maxSetTime {
		bad.fail("timeout", "%s is not above 0s and at most %s", c.Timeout, maxSetTime)
	}
	return bad.err()
}

// Set implements agent.Output. A program that fails may have done its work or
// not: where nothing can be read back the state is not known then.
func (o *execOutput) Set(ctx context.Context, v agent.Value) error {
	word, err := o.word(v)
	if err != nil {
		return err
	}
	argv := slices.Clone(o.cfg.Set)
	for i := range argv[1:] {
		argv[i+1] = strings.ReplaceAll(argv[i+1], placeholder, word)
	}
	if _, err := o.run(ctx, argv); err != nil {
		o.state, o.err = agent.Value{}, errors.New("not known since it could not be set")
		return err
	}
	o.state, o.err = v, nil
	return nil
}

// word writes a value for a program.
func (o *execOutput) word(v agent.Value) (string, error) {
	if b, ok := v.Bool(); ok && !o.cfg.ranged() {
		return onOff(b), nil
	}
	if f, ok := v.Float(); ok && v.Kind() == agent.IsNumber && o.cfg.ranged() && f >= o.cfg.Min && f <= o.cfg.Max {
		return v.String(), nil
	}
	if o.cfg.ranged() {
		return "", fmt.Errorf("%s is not a number from %g to %g", quote(v.String()), o.cfg.Min, o.cfg.Max)
	}
	return "", fmt.Errorf("%s is neither on nor off", quote(v.String()))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Get implements agent.Output.
func (o *execOutput) Get(ctx context.Context) (agent.Value, error) {
	if len(o.cfg.Get) == 0 {
		return o.state, o.err
	}
	out, err := o.run(ctx, o.cfg.Get)
	if err != nil {
		return agent.Value{}, err
	}
	what := "bool"
	if o.cfg.ranged() {
		what = "number"
	}
	v, err := lineValue(what, out)
	if err != nil {
		return agent.Value{}, fmt.Errorf("%s: %w", o.cfg.Get[0], err)
	}
	return v, nil
}

func (o *execOutput) run(ctx context.Context, argv []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	return o.host.Run(ctx, argv, nil, maxStdout)
}

// Close implements agent.Output.
func (o *execOutput) Close() error { return nil }
