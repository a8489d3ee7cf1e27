package agent

import (
	"fmt"
	"sync"
	"time"
)

// How often people may ask. Whoever asks more is refused, and runs nothing. Forms
// have a bound of their own: a program fills them in, too. All that comes by MQTT
// shares one of the same size.
var (
	askPace  = pace{10, 3 * time.Second} // lines of a person, and of a room: 20 a minute
	formPace = pace{60, time.Second}     // forms of a person (XEP-0050): 60 a minute
	rulePace = pace{60, 3 * time.Second} // of a rule
)

const maxAskers = 512 // that are remembered

// A pace is how many requests are taken at once, and after which time one more.
type pace struct {
	burst  int
	refill time.Duration
}

// A RateError says that somebody asks too often. Nothing was run.
type RateError struct {
	Wait  time.Duration // until one more is taken
	Again bool          // it was said before, and there was no calm since
}

func (e *RateError) Error() string {
	return fmt.Sprintf("too many requests at once: try again in %d s", (e.Wait+time.Second-1)/time.Second)
}

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
	told  bool // was refused; until the burst is whole again
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
	switch {
	case req.Via == ViaRule:
		return l.take("rule "+req.Rule, rulePace, now)
	case req.Via == ViaMQTT:
		return l.take("mqtt", formPace, now)
	case req.Via == ViaAdHoc:
		return l.take("form "+req.From, formPace, now)
	}
	if req.From != "" {
		if err := l.take("person "+req.From, askPace, now); err != nil {
			return err
		}
	}
	if req.Room == "" {
		return nil
	}
	return l.take("room "+req.Room, askPace, now)
}

func (l *Limits) take(who string, p pace, now time.Time) error {
	a := l.askers[who]
	if a == nil {
		l.forget(now)
		a = &asker{}
		l.askers[who] = a
	}
	a.spent = max(0, a.spent-now.Sub(a.last))
	a.last = now
	a.told = a.told && a.spent > 0
	if over := a.spent - time.Duration(p.burst-1)*p.refill; over > 0 {
		again := a.told
		a.told = true
		return &RateError{over, again}
	}
	a.spent += p.refill
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
