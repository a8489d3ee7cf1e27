package agent

import (
	"sync"
	"time"
)

// How often people may ask. Whoever asks more is refused, and runs nothing.
const (
	askBurst  = 10              // at once, of a person and of a room
	askRefill = 3 * time.Second // for one more: 20 a minute
	ruleBurst = 60              // at once, of a rule
	maxAskers = 512             // that are remembered
)

// A RateError says that somebody asks too often. Nothing was run.
type RateError struct{ Wait time.Duration }

func (e *RateError) Error() string { return "too many requests at once: 20 a minute are taken" }

// Limits bounds how often people, rooms and rules ask. The zero value is ready;
// nil bounds nothing. It may be used from any goroutine.
type Limits struct {
	mu     sync.Mutex
	askers map[string]*asker
}

// An asker has spent some of the burst at a time.
type asker struct {
	spent time.Duration
	last  time.Time
}

// admit counts a request. The error is a *RateError.
func (l *Limits) admit(req Request, now time.Time) error {
	if l == nil || req.Via == ViaLocal && req.From == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.askers == nil {
		l.askers = make(map[string]*asker)
	}
	if req.Via == ViaRule {
		return l.take("rule "+req.Rule, ruleBurst, now)
	}
	if err := l.take("person "+req.From, askBurst, now); req.From != "" && err != nil {
		return err
	}
	if req.Room == "" {
		return nil
	}
	return l.take("room "+req.Room, askBurst, now)
}

func (l *Limits) take(who string, burst int, now time.Time) error {
	a := l.askers[who]
	if a == nil {
		l.forget(now)
		a = &asker{}
		l.askers[who] = a
	}
	a.spent = max(0, a.spent-now.Sub(a.last))
	a.last = now
	if over := a.spent - time.Duration(burst-1)*askRefill; over > 0 {
		return &RateError{over}
	}
	a.spent += askRefill
	return nil
}

// forget makes room for one more: those who have spent nothing go, and when that
// is not enough, all: to be forgotten is to be welcome.
func (l *Limits) forget(now time.Time) {
	if len(l.askers) < maxAskers {
		return
	}
	for who, a := range l.askers {
		if a.spent <= now.Sub(a.last) {
			delete(l.askers, who)
		}
	}
	if len(l.askers) >= maxAskers {
		clear(l.askers)
	}
}
