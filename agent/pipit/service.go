package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pipit/agent"
)

const (
	senseWait   = 30 * time.Second // for a first good reading: a board whose sensors are all broken is up as well
	statusEvery = 5 * time.Second  // at most, a line of status
	maxStatus   = 500              // bytes
)

// A service tells the service manager how the agent does: that it is ready, how
// the link stands, that it lives, and that it stops.
//
// It is ready when a sensor was read with success, or 30 s have passed without
// one (a restart mends no sensor; the faults are told to people), and the first
// try to connect has ended. It lives while no loop is stuck: one that is offline
// or waits for a driver is not.
type service struct {
	notify   func(assignments ...string) error
	watchdog time.Duration // see notifier
	watch    func() (line string, changed <-chan struct{})
	stuck    func() []string
	log      *slog.Logger

	first  <-chan struct{} // the first try to connect has ended
	sensed chan struct{}   // closed at the first good reading
	once   sync.Once

	said  string // the last status
	at    time.Time
	hung  bool // some loop is stuck, and that was logged
	muted bool // the service manager does not listen, and that was logged
}

// newService takes what the service manager wants to know out of the environment.
// sensors is how many there are.
func newService(watch func() (string, <-chan struct{}), stuck func() []string, sensors int, log *slog.Logger) *service {
	n, err := newNotifier()
	if err != nil {
		log.Warn("service manager not understood", "error", err)
	}
	s := &service{watch: watch, stuck: stuck, log: log, sensed: make(chan struct{})}
	if n == nil {
		s.sense()
		return s
	}
	s.notify, s.watchdog = n.tell, n.watchdog
	if sensors == 0 {
		s.sense()
	}
	return s
}

// begin is called once, before the link runs.
func (s *service) begin() { _, s.first = s.watch() }

// put returns a Put that notes the first good reading on its way to next.
func (s *service) put(next func(agent.Reading)) func(agent.Reading) {
	return func(r agent.Reading) {
		if r.Quality < agent.Stale {
			s.sense()
		}
		next(r)
	}
}

func (s *service) sense() { s.once.Do(func() { close(s.sensed) }) }

// Run tells until ctx ends, and then that the agent stops. It returns nil.
func (s *service) Run(ctx context.Context) error {
	if s.notify == nil {
		return nil
	}
	var alive <-chan time.Time
	if s.watchdog > 0 {
		t := time.NewTicker(s.watchdog / 2)
		defer t.Stop()
		alive = t.C
	}
	giveUp, pause := time.After(senseWait), time.NewTimer(0)
	defer pause.Stop()
	sensed, first := (<-chan struct{})(s.sensed), s.first
	var changed <-chan struct{} // of the status; nil during the pause
	for {
		select {
		case <-ctx.Done():
			s.say("STOPPING=1", "STATUS=stopping")
			return nil
		case <-alive:
			s.live()
			if changed != nil {
				changed = s.status() // of the link, which a reload may have exchanged
			}
		case <-pause.C:
			changed = s.status()
		case <-changed:
			changed = nil
			pause.Reset(statusEvery - time.Since(s.at)) // at once if that is over
		case <-giveUp:
			s.sense()
		case <-first:
			first = nil
			s.ready(first, sensed)
		case <-sensed:
			sensed, giveUp = nil, nil
			s.ready(first, sensed)
		}
	}
}

// ready says so when nothing is waited for any more.
func (s *service) ready(first, sensed <-chan struct{}) {
	if first == nil && sensed == nil {
		s.say("READY=1")
	}
}

// live says that the agent lives, unless it does not.
func (s *service) live() {
	stuck := s.stuck()
	if len(stuck) == 0 {
		if s.hung {
			s.hung = false
			s.status()
		}
		s.say("WATCHDOG=1")
		return
	}
	if !s.hung {
		s.hung = true
		s.log.Error("stuck: the service manager is no longer told that all is well, and will start the agent anew", "loops", stuck)
		s.say(statusLine("stuck: " + strings.Join(stuck, ", ")))
		s.said = ""
	}
}

// status tells how the link stands, and returns when to look again.
func (s *service) status() <-chan struct{} {
	line, changed := s.watch()
	if line != s.said && !s.hung {
		s.said, s.at = line, time.Now()
		s.say(statusLine(line))
	}
	return changed
}

// statusLine is an assignment: one line, of a bounded length.
func statusLine(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxStatus)], "")
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// say logs once that nobody listens: that must not stop the agent.
func (s *service) say(assignments ...string) {
	err := s.notify(assignments...)
	if err != nil && !s.muted {
		s.log.Warn("service manager not told", "error", err)
	}
	s.muted = err != nil
}
