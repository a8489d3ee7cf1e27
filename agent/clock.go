package agent

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	clockSlack = time.Minute      // a difference or a step of no more is none
	clockWatch = time.Second      // between two looks until the clock is believed
	clockGuard = 10 * time.Second // and afterwards
)

// A Clock decides whether the time of day may be believed, and keeps readings
// with a false time out of the Record: a board without a battery-backed clock
// starts in 1970, or when it was last switched off.
//
//	   ┌── a step, or Compare disagrees, and the kernel is not synchronised ──┐
//	   v                                                                      │
//	unknown ── the kernel is synchronised, a step, or Compare agrees ──────> sane
//	   └──Wait──> uncertain ── the same ──────────────────────────────────────^
//
// While it is unknown, readings go to the Board marked uncertain and wait for
// the Record in order of acceptance. When it is sane they are dated by the time
// that has passed since on the monotonic clock, all with one offset, so that
// none overtakes another; and what the Board shows is dated as well. While it is
// uncertain they are recorded at once, with the mark. Nothing before Newest is
// ever sane, unless the kernel and another clock agree on it: then it is the
// record that is wrong.
//
// A step is a move of the time of day by more than a minute against the
// monotonic clock: somebody set it. The monotonic clock stops while the machine
// is suspended, so that a resume looks like a step.
//
// A Clock serves one Agent. Set the fields before the first call of a method. A
// nil Clock is always sane. The methods may be called from any goroutine.
type Clock struct {
	Synced func() bool   // whether the kernel's clock is synchronised; nil: KernelSynced
	Newest time.Time     // the newest time in the record at the start: an earlier clock is wrong
	Wait   time.Duration // how long readings wait before they are recorded as uncertain
	Log    *slog.Logger  // nil: silent

	read func() (wall, mono time.Time) // nil: the system's; wall has no monotonic part

	mu         sync.Mutex
	state      clockState
	settled    chan struct{} // closed unless the state is unknown; nil before the first look
	wall, mono time.Time     // at the last look
	since      time.Time     // mono, when the clock became unknown
	newest     time.Time     // Newest until it is refuted
	doubts     string        // what speaks against the clock, "": only that nobody set it
	agent      *Agent        // whose readings these are
	held       []Reading     // they wait; their times have a monotonic part
	dropped    uint64        // because too many waited
}

type clockState uint8

const (
	clockUnknown clockState = iota
	clockSane
	clockUncertain
)

// Run watches the clock until ctx ends. Readings that still wait are then
// recorded as uncertain, not lost. It returns nil.
func (c *Clock) Run(ctx context.Context) error {
	if c == nil {
		return nil
	}
	for every := clockWatch; sleep(ctx, every); {
		c.mu.Lock()
		c.look()
		if every = clockWatch; c.state == clockSane {
			every = clockGuard
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp()
	return nil
}

// Compare weighs the time that another trusted clock shows now: that of the
// XMPP server (XEP-0202, over TLS). One that agrees within a minute makes the
// clock sane. One that does not makes it unknown, unless the kernel vouches for it.
func (c *Clock) Compare(theirs time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	synced, ahead := c.synced(), theirs.Sub(c.wall).Round(time.Second)
	switch {
	case ahead.Abs() <= clockSlack:
		if synced {
			c.newest = time.Time{}
		}
		if !c.early() {
			c.believe("the server's clock agrees")
		}
	case synced:
		c.log().Warn("the server's clock differs from this one, which the kernel says is synchronised", "ahead", ahead)
	case ahead > 0:
		c.doubt("the server's clock is " + ahead.String() + " ahead of it")
	default:
		c.doubt("the server's clock is " + (-ahead).String() + " behind it")
	}
}

// Sane tells whether the time of day may be believed.
func (c *Clock) Sane() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	return c.state == clockSane
}

// Settled waits until the clock is sane or uncertain, so that readings do not
// wait any more. It reports false when ctx ended first.
func (c *Clock) Settled(ctx context.Context) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	c.look()
	settled := c.settled
	c.mu.Unlock()
	select {
	case <-settled:
		return true
	case <-ctx.Done():
		return false
	}
}

// Status tells in lines for people what is wrong with the clock; none when all is well.
func (c *Clock) Status() (lines []string) {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	switch c.state {
	case clockUnknown:
		lines = append(lines, fmt.Sprintf("clock: not set, %d readings wait: %s", len(c.held), c.why()))
	case clockUncertain:
		lines = append(lines, "clock: not set, readings are marked uncertain: "+c.why())
	}
	if c.dropped > 0 {
		lines = append(lines, fmt.Sprintf("clock: %d readings dropped, too many waited for it to be set", c.dropped))
	}
	return lines
}

// look reads the clocks and decides anew when there is anything to decide.
func (c *Clock) look() {
	wall, mono := c.now()
	first := c.settled == nil
	if first {
		c.settled = make(chan struct{})
		c.wall, c.mono, c.since, c.newest = wall, mono, mono, c.Newest
	}
	moved := wall.Sub(c.wall) - mono.Sub(c.mono)
	c.wall, c.mono = wall, mono
	if c.state == clockSane && moved.Abs() <= clockSlack {
		return
	}
	c.judge(moved)
	if first && c.state == clockUnknown {
		c.log().Info("readings wait until the clock is set", "at_most", c.Wait, "because", c.why())
	}
}

// judge decides after the clock moved against the monotonic one.
func (c *Clock) judge(moved time.Duration) {
	stepped := moved.Abs() > clockSlack
	switch {
	case c.early():
		c.doubt("")
	case c.synced():
		c.believe("the kernel says that it is synchronised")
	case stepped && c.state == clockSane:
		c.doubt("it was moved by " + moved.Round(time.Second).String() + ", and nothing confirms that")
	case stepped:
		c.believe("it was set")
	}
	if c.state == clockUnknown && c.mono.Sub(c.since) >= c.Wait {
		c.giveUp()
	}
}

// early tells whether the record has readings from what would be the future.
func (c *Clock) early() bool { return c.wall.Before(c.newest.Add(-clockSlack)) }

func (c *Clock) why() string {
	if c.early() {
		return "it is before the newest reading of the record, " + Stamp(c.newest)
	}
	return cmp.Or(c.doubts, "no time server has set it")
}

// doubt notes what speaks against the clock; one that was sane is unknown then.
func (c *Clock) doubt(why string) {
	c.doubts = why
	if c.state != clockSane {
		return
	}
	c.state, c.since, c.settled = clockUnknown, c.mono, make(chan struct{})
	c.log().Warn("the clock is not believed any more, readings wait", "at_most", c.Wait, "because", c.why())
}

// believe makes the clock sane and dates what waits and what the board shows.
func (c *Clock) believe(why string) {
	if c.state == clockSane {
		return
	}
	c.log().Info("the clock is set", "because", why, "readings_waited", len(c.held), "dropped", c.dropped)
	c.doubts = ""
	c.settle(clockSane)
	c.dateBoard()
}

// giveUp ends the wait of an unknown clock.
func (c *Clock) giveUp() {
	if c.state != clockUnknown {
		return
	}
	c.log().Warn("the clock is not set, readings are marked uncertain: let an NTP client set it, or write clock = \"trust\" if it is right",
		"because", c.why(), "readings_waited", len(c.held), "dropped", c.dropped)
	c.settle(clockUncertain)
}

func (c *Clock) now() (wall, mono time.Time) {
	if c.read != nil {
		return c.read()
	}
	t := time.Now()
	return t.Round(0), t
}

func (c *Clock) synced() bool {
	if c.Synced != nil {
		return c.Synced()
	}
	return KernelSynced()
}

func (c *Clock) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
