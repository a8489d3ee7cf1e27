package agent

import (
	"slices"
	"sync"
	"time"
)

// Loops tells which of the loops that must never stop still move: each says by
// when it moves again, whatever happens outside. To wait is to move, for a
// network that is away or for a driver that hangs; to be held up inside the
// program for longer than said is to be stuck. The zero value is ready, nil
// takes everything and knows nothing. Its methods may be called from any goroutine.
type Loops struct {
	mu  sync.Mutex
	due map[string]time.Time // by when each loop moves again
}

// Moved says that a loop moves, and that it does so again within a time.
func (l *Loops) Moved(name string, within time.Duration) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due == nil {
		l.due = make(map[string]time.Time)
	}
	l.due[name] = time.Now().Add(within)
}

// Ended takes a loop off that has ended as it should.
func (l *Loops) Ended(name string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.due, name)
}

// Stuck returns the names of the loops that have not moved in time, sorted.
func (l *Loops) Stuck() []string {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var stuck []string
	for name, due := range l.due {
		if time.Now().After(due) {
			stuck = append(stuck, name)
		}
	}
	slices.Sort(stuck)
	return stuck
}
