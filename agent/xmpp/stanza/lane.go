package stanza

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	laneDepth  = 128         // stanzas waiting for one worker
	maxRefused = 4096        // requests waiting to be refused
	laneBytes  = 1 << 20     // bytes of either; one stanza may always wait
	laneWait   = time.Second // how long a full lane may hold up the reader
)

// A lane is the queue of one worker: one goroutine puts, one takes.
type lane struct {
	depth      int
	news, room chan struct{} // hold one when something came, or went

	mu     sync.Mutex
	queue  []*Stanza
	size   int           // bytes in the queue
	waited time.Duration // by put, since the queue was half empty
}

func newLane(depth int) *lane {
	return &lane{depth: depth, news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put queues a stanza. It waits for room until done is closed, but laneWait in
// all until the queue is half empty again: whoever keeps a lane full must not
// hold up the reader on and on. first tells that this refusal ends the wait.
func (l *lane) put(s *Stanza, done <-chan struct{}) (taken, first bool) {
	taken, left := l.offer(s)
	if taken || left <= 0 {
		return taken, false
	}
	start := time.Now()
	defer func() { l.count(time.Since(start)) }()
	t := time.NewTimer(left)
	defer t.Stop()
	for {
		select {
		case <-l.room:
			if taken, _ = l.offer(s); taken {
				return true, false
			}
		case <-done:
			return true, false
		case <-t.C:
			return false, true
		}
	}
}

// offer queues a stanza if there is room, and else tells how long to wait for it.
func (l *lane) offer(s *Stanza) (taken bool, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.queue); n >= l.depth || n > 0 && l.size+len(s.Raw) > laneBytes {
		return false, laneWait - l.waited
	}
	l.queue = append(l.queue, s)
	l.size += len(s.Raw)
	tell(l.news)
	return true, 0
}

func (l *lane) count(waited time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waited += waited
}

// work takes stanzas until ctx ends.
func (l *lane) work(ctx context.Context, handle func(*Stanza)) {
	for s := l.take(ctx); s != nil; s = l.take(ctx) {
		handle(s)
	}
}

// take returns the oldest stanza, nil when ctx ends.
func (l *lane) take(ctx context.Context) *Stanza {
	for ctx.Err() == nil {
		if s := l.pop(); s != nil {
			return s
		}
		select {
		case <-l.news:
		case <-ctx.Done():
		}
	}
	return nil
}

func (l *lane) pop() *Stanza {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	s := l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	l.size -= len(s.Raw)
	if len(l.queue) <= l.depth/2 && l.size <= laneBytes/2 {
		l.waited = 0
	}
	tell(l.room)
	return s
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
