package agent

import (
	"cmp"
	"strings"
	"time"
)

// ClockReason is the Reason of a good reading while the clock is not believed,
// and the end of the Reason of any other.
const ClockReason = "the clock is not set"

const maxHeld = 4096 // readings that wait; the oldest make room

// put takes a reading of an agent to its board and its record.
func (c *Clock) put(a *Agent, r Reading) {
	if c == nil {
		a.accept(r, r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agent = a
	c.look()
	if c.state == clockSane {
		r.Time = c.correct(r.Time)
		a.accept(r, r)
		return
	}
	if !monotonic(r.Time) {
		r.Time = c.mono
	}
	if c.state == clockUncertain {
		a.accept(mark(r), mark(c.date(r)))
		return
	}
	if a.show(mark(r)) && a.records(r) {
		c.hold(r)
	}
}

// refresh takes a reading of an agent to its board alone, dated or marked as
// put does it. The mark changes a good reading's quality, so a board that shows
// an unmarked one from before the clock was doubted is left as it is: such a
// change is told.
func (c *Clock) refresh(a *Agent, r Reading) {
	if c == nil {
		a.Board.Refresh(r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agent = a
	c.look()
	if c.state == clockSane {
		r.Time = c.correct(r.Time)
		a.Board.Refresh(r)
		return
	}
	if !monotonic(r.Time) {
		r.Time = c.mono
	}
	a.Board.Refresh(mark(r))
}

// hold keeps a reading until it can be dated.
func (c *Clock) hold(r Reading) {
	if len(c.held) >= maxHeld {
		c.held = c.held[1:]
		c.dropped++
	}
	c.held = append(c.held, r)
}

// settle records what waits, dated by the clock as it is.
func (c *Clock) settle(state clockState) {
	if c.state == clockUnknown {
		close(c.settled)
	}
	c.state = state
	for _, r := range c.held {
		if r = c.date(r); state == clockUncertain {
			r = mark(r)
		}
		c.agent.Record.Append(r)
	}
	c.held = nil
}

// dateBoard dates what the board shows with a mark.
func (c *Clock) dateBoard() {
	if c.agent == nil {
		return
	}
	for _, r := range c.agent.Board.All() {
		if r, marked := unmark(r); marked {
			c.agent.Board.Put(c.date(r))
		}
	}
}

// date returns a reading, whose time has a monotonic part, with the time of
// day that the clock shows now less the time that has passed, in milliseconds.
func (c *Clock) date(r Reading) Reading {
	r.Time = c.wall.Add(r.Time.Sub(c.mono)).Truncate(time.Millisecond)
	return r
}

// correct dates a time anew that was taken before the clock moved.
func (c *Clock) correct(t time.Time) time.Time {
	if !monotonic(t) {
		return t
	}
	if d := c.date(Reading{Time: t}).Time; d.Sub(t.Round(0)).Abs() > time.Second {
		return d
	}
	return t
}

// monotonic tells whether t has a monotonic part; Round strips it.
func monotonic(t time.Time) bool { return t != t.Round(0) }

// mark says with a reading that its time is not to be believed.
func mark(r Reading) Reading {
	if r.Quality == Good {
		r.Quality, r.Reason = Uncertain, ClockReason
		return r
	}
	r.Reason = cut(cmp.Or(r.Reason, r.Quality.String()), MaxReason) + "; " + ClockReason
	return r
}

// unmark is the inverse of mark.
func unmark(r Reading) (Reading, bool) {
	if r.Reason == ClockReason {
		r.Quality, r.Reason = Good, ""
		return r, true
	}
	reason, marked := strings.CutSuffix(r.Reason, "; "+ClockReason)
	r.Reason = reason
	return r, marked
}
