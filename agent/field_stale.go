package agent

import (
	"context"
	"sync"
	"time"
)

// An alarm is the time at which Run looks for stale readings: no watched
// reading turns stale before. Later samples do not move it, so that they cost
// nothing and Run wakes about once in the shortest Stale.
type alarm struct {
	mu   sync.Mutex
	at   time.Time     // zero: none
	wake chan struct{} // holds one; at was moved
}

// before makes the alarm go off at t at the latest.
func (a *alarm) before(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.IsZero() && !t.Before(a.at) {
		return
	}
	a.at = t
	select {
	case a.channel() <- struct{}{}:
	default:
	}
}

// clear takes the alarm off.
func (a *alarm) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Time{}
}

// next returns the time of the alarm, zero when there is none, and a channel
// that tells when it has moved.
func (a *alarm) next() (at time.Time, moved <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at, a.channel()
}

func (a *alarm) channel() chan struct{} {
	if a.wake == nil {
		a.wake = make(chan struct{}, 1)
	}
	return a.wake
}

// Run publishes readings as stale, with the last good value and its time, once
// nothing good has come for as long as their field allows. It ends with ctx and
// returns nil.
func (f *Fields) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		at, moved := f.alarm.next()
		timer.Stop()
		if !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-moved:
		case <-timer.C:
			f.sweep(time.Now())
		}
	}
}

// sweep publishes what is stale and sets the alarm for the rest. The alarm is
// taken off before the tracks are looked at: one that comes to be watched
// meanwhile sets it by itself.
func (f *Fields) sweep(now time.Time) {
	f.alarm.clear()
	var next time.Time
	for _, t := range f.all() {
		if at := t.expire(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if !next.IsZero() {
		f.alarm.before(next)
	}
}

// watch lets the last good reading turn stale when nothing comes any more.
func (t *track) watch(now time.Time) {
	if t.Stale > 0 && !t.watched {
		t.watched = true
		t.stage.alarm.before(now.Add(t.Stale))
	}
}

// expire publishes the last good reading as stale when it is, else it returns
// when it will be; zero when it is not watched.
func (t *track) expire(now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.watched {
		return time.Time{}
	}
	if at := t.seen.Add(t.Stale); at.After(now) {
		return at
	}
	t.stage.log().Warn("reading stale", "reading", t.counts.Name, "after", t.Stale)
	t.fail(t.lastGood("no value for "+t.Stale.String(), now), now)
	return time.Time{}
}
