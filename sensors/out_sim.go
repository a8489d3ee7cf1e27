package sensors

import (
	"context"
	"errors"

	"pipit/agent"
)

func simOutputKind() OutputKind {
	return OutputKind{
		Name: "sim",
		Doc: "A simulated output, for trying things out: it remembers what it was set to, " +
			"and on request it fails as real outputs do. It drives nothing.",
		Example: `[output.lamp]
kind = "sim"
what = "switch"     # or "range": a number from min to max, off is min
min = 0.0
max = 100.0
unit = "%"          # of a range
fault = "none"      # or "fault" (every attempt to set it fails), "stuck" (it stays as it is), "hang" (it does not answer)
`,
		New: newSimOutput,
	}
}

type simOutputConfig struct {
	What  string  `toml:"what"`
	Min   float64 `toml:"min"`
	Max   float64 `toml:"max"`
	Unit  string  `toml:"unit"`
	Fault string  `toml:"fault"`
}

// simOutput implements agent.Output.
type simOutput struct {
	fault string
	value agent.Value
}

func newSimOutput(_ *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := simOutputConfig{What: "switch", Max: 100, Unit: "%", Fault: "none"}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	var bad checker
	bad.oneOf("what", cfg.What, "switch", "range")
	bad.oneOf("fault", cfg.Fault, "none", "fault", "stuck", "hang")
	bad.finite("min", cfg.Min)
	bad.finite("max", cfg.Max)
	if cfg.Min >= cfg.Max {
		bad.fail("min", "%g is not below max, which is %g", cfg.Min, cfg.Max)
	}
	b := BuiltOutput{Off: agent.Bool(false)}
	if unit := bad.unit("unit", cfg.Unit); cfg.What == "range" {
		b = BuiltOutput{Min: cfg.Min, Max: cfg.Max, Unit: unit, Off: agent.Number(cfg.Min)}
	}
	b.Output = &simOutput{fault: cfg.Fault, value: b.Off}
	return b, bad.err()
}

// Set implements agent.Output. With fault = "hang" it waits for the end of ctx.
func (s *simOutput) Set(ctx context.Context, v agent.Value) error {
	switch s.fault {
	case "fault":
		return errors.New("simulated fault")
	case "hang":
		<-ctx.Done()
		return context.Cause(ctx)
	case "none":
		s.value = v
	}
	return nil
}

// Get implements agent.Output.
func (s *simOutput) Get(context.Context) (agent.Value, error) { return s.value, nil }

// Close implements agent.Output.
func (s *simOutput) Close() error { return nil }
