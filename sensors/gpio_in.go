package sensors

import (
	"context"
	"sync"
	"time"

	"pipit/agent"
)

func gpioKind() Kind {
	return Kind{
		Name: "gpio",
		Doc: "A digital input of a GPIO chip: a door contact or a button (told at once, with the kernel's time of the edge), " +
			"a flow meter or rain gauge (pulses counted since the start, and their rate), or a frequency.",
		Example: `[sensor.door]
kind = "gpio"
line = 17             # number of the line on its chip: on a Raspberry Pi that of GPIO17
line_name = ""        # instead of line: its name, as "pipit detect" shows it
chip = ""             # label of the chip, such as "pinctrl-bcm2711"; empty: the board's own
what = "state"        # or "counter" (fields total, rate, lost), or "frequency"
pull = "as-is"        # or "up", "down", "none"
active_low = false    # true: low means true
debounce = "10ms"     # shorter changes do not count; 0s to 1s
edge = "rising"       # of counter and frequency: or "falling", "both"
scale = 1.0           # of counter: so much for each pulse, such as 0.2794 mm of rain
unit = "count"        # of counter: the unit of total
rate_per = "1m"       # of counter: rate is per this time
rate_unit = ""        # of counter: the unit of rate, such as "mm/h"
`,
		New: newGPIO,
	}
}

type gpioConfig struct {
	Line      int           `toml:"line"`
	LineName  string        `toml:"line_name"`
	Chip      string        `toml:"chip"`
	What      string        `toml:"what"`
	Pull      string        `toml:"pull"`
	ActiveLow bool          `toml:"active_low"`
	Debounce  time.Duration `toml:"debounce"`
	Edge      string        `toml:"edge"`
	Scale     float64       `toml:"scale"`
	Unit      string        `toml:"unit"`
	RatePer   time.Duration `toml:"rate_per"`
	RateUnit  string        `toml:"rate_unit"`
}

func newGPIO(h *Host, decode func(any) error) (Built, error) {
	cfg := gpioConfig{Line: -1, What: "state", Pull: "as-is", Debounce: 10 * time.Millisecond,
		Edge: "rising", Scale: 1, Unit: "count", RatePer: time.Minute}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	var c checker
	place := c.place(cfg.Chip, cfg.Line, cfg.LineName)
	c.oneOf("what", cfg.What, "state", "counter", "frequency")
	c.oneOf("pull", cfg.Pull, "as-is", "up", "down", "none")
	c.oneOf("edge", cfg.Edge, "rising", "falling", "both")
	if cfg.Debounce < 0 || cfg.Debounce > time.Second {
		c.fail("debounce", "it must be between 0s and 1s")
	}
	c.finite("scale", cfg.Scale)
	if cfg.Scale == 0 {
		c.fail("scale", "0 would count nothing")
	}
	if cfg.RatePer < time.Second || cfg.RatePer > 24*time.Hour {
		c.fail("rate_per", "it must be between 1s and 24h")
	}
	cfg.Unit, cfg.RateUnit = c.unit("unit", cfg.Unit), c.unit("rate_unit", cfg.RateUnit)
	if err := c.err(); err != nil {
		return Built{}, err
	}
	in := &gpioIn{host: h, place: place, cfg: cfg, wake: make(chan struct{}, 1)}
	built := Built{Sensor: in, Fields: []string{""}, Every: 10 * time.Second}
	if cfg.What == "counter" {
		built.Fields = []string{"total", "rate", "lost"}
	}
	return built, nil
}

// gpioIn implements agent.Sensor, agent.Waker, agent.Troubled and io.Closer.
// The line is requested by the first Read and again after a failure; what was
// counted stays.
type gpioIn struct {
	host  *Host
	place linePlace
	cfg   gpioConfig
	wake  chan struct{}
	line  Line // nil: not requested
	patient

	mu     sync.Mutex // of what edge changes, from the line's goroutine
	seq    uint32     // of the last edge; 0: none since the request
	last   time.Time  // edge that counted; zero: none
	active bool       // what that edge made of the line
	told   bool       // that edge is in a reading
	settle *time.Timer
	count  uint64 // edges since the start
	lost   uint64 // of these, never seen

	since     time.Time // of the last Read that gave a rate; zero: none
	sinceEdge uint64    // count then
}

// Wake implements agent.Waker.
func (s *gpioIn) Wake() <-chan struct{} { return s.wake }

func (s *gpioIn) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// edge takes an edge of the line. The kernel has debounced it, but some chips
// claim to and do not: what comes within the debounce time after an edge that
// counted does not count, and then the line is looked at again.
func (s *gpioIn) edge(e LineEdge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gap := e.Seq - s.seq - 1; s.seq != 0 && gap > 0 && gap < 1<<31 {
		s.lost += uint64(gap)
		s.count += uint64(gap)
	}
	s.seq = e.Seq
	if !s.last.IsZero() && e.At.Sub(s.last) < s.cfg.Debounce {
		if s.cfg.What == "state" {
			s.lookAgain()
		}
		return
	}
	s.last, s.active, s.told = e.At, e.Rising, false
	s.count++
	if s.cfg.What == "state" {
		s.ring()
	}
}

// lookAgain has the line read when it has been quiet. It needs the lock.
func (s *gpioIn) lookAgain() {
	if s.settle == nil {
		s.settle = time.AfterFunc(s.cfg.Debounce, s.ring)
		return
	}
	s.settle.Reset(s.cfg.Debounce)
}

// Read implements agent.Sensor.
func (s *gpioIn) Read(ctx context.Context) ([]agent.Reading, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	s.begin()
	var active bool
	err := s.try(ctx, func() (err error) {
		active, err = s.line.Value()
		return err
	})
	if err != nil {
		s.Close()
		return nil, misread(s.place, err)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.cfg.What {
	case "counter":
		return s.counter(now), nil
	case "frequency":
		return []agent.Reading{s.rate(now, "", time.Second, 1, "Hz")}, nil
	}
	return []agent.Reading{s.state(now, active)}, nil
}

func misread(p linePlace, err error) error {
	return &lineError{p, err}
}

// A lineError says which line failed.
type lineError struct {
	place linePlace
	err   error
}

func (e *lineError) Error() string { return e.place.String() + ": " + e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// open requests the line unless that is done.
func (s *gpioIn) open() error {
	if s.line != nil {
		return nil
	}
	s.mu.Lock()
	s.seq, s.last, s.since = 0, time.Time{}, time.Time{}
	s.mu.Unlock()
	counts := s.cfg.What != "state"
	line, err := s.host.request(s.place, LineRequest{
		ActiveLow: s.cfg.ActiveLow, Pull: s.cfg.Pull, Debounce: s.cfg.Debounce, Edge: s.edge,
		Rising: !counts || s.cfg.Edge != "falling", Falling: !counts || s.cfg.Edge != "rising",
	})
	if err == nil {
		s.line = line
	}
	return err
}

// state tells the level: for the debounce time after an edge what that edge
// made of it, dated by it once.
func (s *gpioIn) state(now time.Time, active bool) agent.Reading {
	r := agent.Reading{Value: agent.Bool(active)}
	if s.last.IsZero() {
		return r
	}
	if now.Sub(s.last) < s.cfg.Debounce && active != s.active {
		active = s.active
		r.Value = agent.Bool(active)
		s.lookAgain() // the edge back may have come within the time, or not at all
	}
	if active == s.active && !s.told {
		r.Time, s.told = s.last, true
	}
	return r
}

func (s *gpioIn) counter(now time.Time) []agent.Reading {
	var l fieldList
	l.number("total", float64(s.count)*s.cfg.Scale, s.cfg.Unit)
	l.add(s.rate(now, "rate", s.cfg.RatePer, s.cfg.Scale, s.cfg.RateUnit))
	l.number("lost", float64(s.lost), "count")
	return l.readings
}

// rate tells the edges since the last Read per time. The first Read after a
// request has nothing to compare with.
func (s *gpioIn) rate(now time.Time, name string, per time.Duration, scale float64, unit string) agent.Reading {
	before, n := s.since, s.count-s.sinceEdge
	s.since, s.sinceEdge = now, s.count
	span := now.Sub(before)
	if before.IsZero() || span <= 0 {
		return agent.Reading{Name: name, Quality: agent.Missing, Reason: "not known before the second read"}
	}
	return agent.Reading{Name: name, Value: tidy(float64(n)*scale*float64(per)/float64(span), unit), Unit: unit}
}

// Close implements io.Closer. It must not be called while Read is under way.
func (s *gpioIn) Close() error {
	s.mu.Lock()
	if s.settle != nil {
		s.settle.Stop()
	}
	s.mu.Unlock()
	if s.line == nil {
		return nil
	}
	line := s.line
	s.line = nil
	return line.Close()
}
