package sensors

import (
	"context"
	"errors"
	"sync"
	"syscall"
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
debounce = "10ms"     # shorter changes do not count; 0s to 1s; if not given 10ms for a state, else 0s (a reed contact wants 20ms)
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

// notGiven stands for the debounce time that suits what is measured. What
// counts has none: the kernel rounds the time up to its tick, 4 to 10 ms, and
// a flow meter of 200 Hz would read 0 without a word.
const notGiven time.Duration = -1

func newGPIO(h *Host, decode func(any) error) (Built, error) {
	cfg := gpioConfig{Line: -1, What: "state", Pull: "as-is", Debounce: notGiven,
		Edge: "rising", Scale: 1, Unit: "count", RatePer: time.Minute}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	if cfg.Debounce == notGiven {
		if cfg.Debounce = 0; cfg.What == "state" {
			cfg.Debounce = 10 * time.Millisecond
		}
	}
	place, err := cfg.check()
	if err != nil {
		return Built{}, err
	}
	in := &gpioIn{host: h, place: place, cfg: cfg, wake: make(chan struct{}, 1)}
	built := Built{Sensor: in, Fields: []string{""}, Every: 10 * time.Second}
	if cfg.What == "counter" {
		built.Fields = []string{"total", "rate", "lost"}
	}
	return built, nil
}

func (cfg *gpioConfig) check() (linePlace, error) {
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
	return place, c.err()
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
	known  bool       // there was a reading since the request
	said   bool       // the state of that
	pulse  time.Time  // of the first edge since then that made it another; zero: none
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
	if gap := e.Seq - s.seq - 1; gap < 1<<31 {
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
	s.last, s.active = e.At, e.Rising
	s.count++
	if s.cfg.What != "state" {
		return
	}
	if s.known && e.Rising != s.said && s.pulse.IsZero() {
		s.pulse = e.At
	}
	s.ring()
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
	now := time.Now() // an edge that comes after the level was read is later
	err := s.try(ctx, func() (err error) {
		active, err = s.line.Value()
		return err
	})
	if err != nil {
		s.Close()
		return nil, &lineError{s.place, err}
	}
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

// A lineError says which line failed.
type lineError struct {
	place linePlace
	err   error
}

func (e *lineError) Error() string { return e.place.String() + ": " + e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// open requests the line unless that is done. A state whose line has no
// interrupt, as on many expanders, is seen at each Read only.
func (s *gpioIn) open() error {
	if s.line != nil {
		return nil
	}
	s.mu.Lock()
	s.seq, s.last, s.since = 0, time.Time{}, time.Time{}
	s.known, s.pulse = false, time.Time{}
	s.mu.Unlock()
	state := s.cfg.What == "state"
	req := LineRequest{ActiveLow: s.cfg.ActiveLow, Pull: s.cfg.Pull}
	edges := req
	edges.Debounce, edges.Edge = s.cfg.Debounce, s.edge
	edges.Rising, edges.Falling = state || s.cfg.Edge != "falling", state || s.cfg.Edge != "rising"
	line, err := s.host.request(s.place, edges)
	if state && errors.Is(err, syscall.ENXIO) {
		line, err = s.host.request(s.place, req)
	}
	if err == nil {
		s.line = line
	}
	return err
}

// state tells the level: for the debounce time after an edge what that edge
// made of it. A change is dated by its edge. A pulse that has come and gone
// since the last Read is told as well, and then the line is read again.
func (s *gpioIn) state(now time.Time, active bool) agent.Reading {
	if !s.last.IsZero() && active != s.active && now.Sub(s.last) < s.cfg.Debounce {
		active = s.active
		s.lookAgain() // the edge back may have come within the time, or not at all
	}
	at := now
	switch {
	case s.known && active == s.said && !s.pulse.IsZero():
		active, at = !s.said, s.pulse
		s.ring()
	case !s.last.IsZero() && active == s.active && (!s.known || active != s.said):
		at = s.last
	}
	s.known, s.said, s.pulse = true, active, time.Time{}
	return agent.Reading{Value: agent.Bool(active), Time: at}
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
