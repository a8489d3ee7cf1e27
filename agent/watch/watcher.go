package watch

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pipit/agent"
)

const (
	gather = time.Second     // so that readings of one moment make one message
	again  = 5 * time.Second // between two looks whether the link is back
)

// A Watcher keeps the watches of all persons and tells what they see. Its
// methods may be called from any goroutine. See never waits for a disk; the
// others may.
type Watcher struct {
	agent   *agent.Agent
	state   agent.PeopleState // nil: watches end with the process
	offline func() time.Time  // nil: the link is always there
	log     *slog.Logger

	watches atomic.Int64 // of all persons
	wake    chan struct{}

	seeing sync.Mutex
	seen   map[string]struct{} // names since Run looked

	mu     sync.Mutex // held while the disk is waited for
	people map[string]*person
}

// New takes the watches of the state. offline tells since when the link is
// away, the zero time while it is there, and may be nil. The error tells what
// was left out; the Watcher is usable all the same.
func New(a *agent.Agent, state agent.PeopleState, offline func() time.Time) (*Watcher, error) {
	w := &Watcher{
		agent: a, state: state, offline: offline, log: a.Log, wake: make(chan struct{}, 1),
		seen: make(map[string]struct{}), people: make(map[string]*person),
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	return w, w.load()
}

// See notes that there is a newer reading on the board. It belongs into Agent.Seers.
func (w *Watcher) See(r agent.Reading) {
	if w.watches.Load() == 0 {
		return
	}
	w.seeing.Lock()
	if len(w.seen) < agent.MaxReadings {
		w.seen[r.Name] = struct{}{}
	}
	w.seeing.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watcher) take() []string {
	w.seeing.Lock()
	defer w.seeing.Unlock()
	names := slices.Collect(maps.Keys(w.seen))
	clear(w.seen)
	return names
}

// Run tells people what they watch until ctx ends. It returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	var next time.Duration
	for w.wait(ctx, next) {
		next = w.look(time.Now())
	}
	return nil
}

// wait waits for readings, or until next has passed unless it is 0. It reports
// false when ctx ended.
func (w *Watcher) wait(ctx context.Context, next time.Duration) bool {
	var due <-chan time.Time
	if next > 0 {
		timer := time.NewTimer(next)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return true
	case <-w.wake:
	}
	timer := time.NewTimer(gather)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// look tells what is due and returns how long nothing else will be, 0 when
// nothing waits.
func (w *Watcher) look(now time.Time) (next time.Duration) {
	names := w.take()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.people {
		p.mark(names)
		w.tell(p, now)
		if rest, some := p.rest(now); some {
			rest = max(rest, gather)
			if w.away() {
				rest = max(rest, again)
			}
			if next == 0 || rest < next {
				next = rest
			}
		}
	}
	return next
}

func (w *Watcher) away() bool { return w.offline != nil && !w.offline().IsZero() }

// tell tells a person what is due. Who has no role any more watches nothing.
func (w *Watcher) tell(p *person, now time.Time) {
	if rest, some := p.rest(now); !some || rest > 0 || w.away() {
		return
	}
	if w.agent.Role(p.jid) == agent.Stranger {
		w.drop(p)
		return
	}
	lines := p.news(&w.agent.Board, now)
	if len(lines) == 0 {
		return
	}
	w.agent.Tell(p.jid, p.message(lines, now))
	if err := w.save(p); err != nil {
		w.log.Warn("what a watch told is not kept; it may be told again after a restart", "person", p.jid, "error", err)
	}
}

func (w *Watcher) drop(p *person) {
	w.watches.Add(-int64(len(p.entries)))
	p.entries = nil
	w.log.Info("watches removed", "person", p.jid, "reason", "not one of the people any more")
	if err := w.save(p); err != nil {
		w.log.Warn("watches of somebody who has no role any more are still on disk", "person", p.jid, "error", err)
	}
}
