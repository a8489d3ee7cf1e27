package sensors

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"pipit/agent"
)

func simKind() Kind {
	return Kind{
		Name: "sim",
		Doc: "A simulated sensor, for trying things out: a made-up number, the same for the same seed, " +
			"and on request the failures that real sensors have. It measures nothing.",
		Example: `[sensor.simulated]
kind = "sim"
shape = "sine"      # or "square", "walk" (a random walk), "constant" (min)
min = 18.0
max = 24.0
period = "5m"       # of sine and square
step = 0.2          # of walk: the most that one reading differs from the one before
unit = "°C"
seed = 0            # of walk
fault = "none"      # or "fault", "missing", "stuck", "nan", "hang", "flap" (every other reading fails)
fault_after = "0s"  # from the first reading on
fault_for = "0s"    # 0s: for ever
`,
		New: newSim,
	}
}

type simConfig struct {
	Shape      string        `toml:"shape"`
	Min        float64       `toml:"min"`
	Max        float64       `toml:"max"`
	Period     time.Duration `toml:"period"`
	Step       float64       `toml:"step"`
	Unit       string        `toml:"unit"`
	Seed       int64         `toml:"seed"`
	Fault      string        `toml:"fault"`
	FaultAfter time.Duration `toml:"fault_after"`
	FaultFor   time.Duration `toml:"fault_for"`
}

// sim implements agent.Sensor.
type sim struct {
	cfg     simConfig
	random  *rand.Rand
	started time.Time // the first Read
	walked  float64   // where the walk is
	stuck   agent.Value
	reads   int // since the fault began
}

func newSim(_ *Host, decode func(any) error) (Built, error) {
	cfg := simConfig{Shape: "sine", Min: 18, Max: 24, Period: 5 * time.Minute, Step: 0.2, Unit: "°C", Fault: "none"}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	if err := cfg.check(); err != nil {
		return Built{}, err
	}
	s := &sim{cfg: cfg, random: rand.New(rand.NewPCG(uint64(cfg.Seed), 0)), walked: cfg.Min + (cfg.Max-cfg.Min)/2}
	return Built{Sensor: s, Fields: []string{""}}, nil
}

func (c *simConfig) check() error {
	var bad checker
	bad.oneOf("shape", c.Shape, "sine", "walk", "square", "constant")
	bad.oneOf("fault", c.Fault, "none", "fault", "missing", "stuck", "nan", "hang", "flap")
	bad.finite("min", c.Min)
	bad.finite("max", c.Max)
	bad.finite("step", c.Step)
	if c.Min > c.Max {
		bad.fail("min", "%g is above max, which is %g", c.Min, c.Max)
	}
	if c.Step < 0 {
		bad.fail("step", "it must not be below 0")
	}
	if c.Period <= 0 {
		bad.fail("period", "it must be longer than 0s")
	}
	if c.FaultAfter < 0 {
		bad.fail("fault_after", "it must not be below 0s")
	}
	if c.FaultFor < 0 {
		bad.fail("fault_for", "it must not be below 0s")
	}
	c.Unit = bad.unit("unit", c.Unit)
	return bad.err()
}

// Read implements agent.Sensor. With fault = "hang" it waits for the end of ctx.
func (s *sim) Read(ctx context.Context) ([]agent.Reading, error) {
	if s.started.IsZero() {
		s.started = time.Now()
	}
	passed := time.Since(s.started)
	v := agent.Number(s.shape(passed)).Round(3)
	if !s.failing(passed) {
		s.stuck, s.reads = v, 0
		return s.reading(v)
	}
	s.reads++
	if s.reads == 1 && s.stuck.Kind() == agent.None {
		s.stuck = v
	}
	return s.fail(ctx, v)
}

func (s *sim) reading(v agent.Value) ([]agent.Reading, error) {
	return []agent.Reading{{Value: v, Unit: s.cfg.Unit}}, nil
}

// failing tells whether the fault is on.
func (s *sim) failing(passed time.Duration) bool {
	after, length := s.cfg.FaultAfter, s.cfg.FaultFor
	return s.cfg.Fault != "none" && passed >= after && (length == 0 || passed-after < length)
}

func (s *sim) fail(ctx context.Context, v agent.Value) ([]agent.Reading, error) {
	switch s.cfg.Fault {
	case "missing":
		return nil, missing("simulated: not there")
	case "stuck":
		return s.reading(s.stuck)
	case "nan":
		return s.reading(agent.Number(math.NaN()))
	case "hang":
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case "flap":
		if s.reads%2 == 0 {
			return s.reading(v)
		}
	}
	return nil, errors.New("simulated fault")
}

// shape returns the number at a time since the first Read.
func (s *sim) shape(passed time.Duration) float64 {
	c, period := s.cfg, s.cfg.Period
	phase := float64(passed%period) / float64(period) // 0 to 1
	half := c.Max/2 - c.Min/2
	switch c.Shape {
	case "sine":
		return c.Min + half + half*math.Sin(2*math.Pi*phase)
	case "square":
		if phase < 0.5 {
			return c.Min
		}
		return c.Max
	case "walk":
		s.walked = min(max(s.walked+(2*s.random.Float64()-1)*c.Step, c.Min), c.Max)
		return s.walked
	}
	return c.Min
}
