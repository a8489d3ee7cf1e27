package agent

import (
	"context"
	"sync"
)

// An Entry is a reading with its place in a record.
type Entry struct {
	Pos uint64 // greater than 0, growing by one with each accepted reading
	Reading
}

// A Record keeps accepted readings in order, so that each link can go on from
// its own position after an outage. The Journal is one in memory.
type Record interface {
	// Append adds a reading. It never blocks on a link.
	Append(Reading)
	// After returns up to limit (at least 1) entries behind pos, oldest first, and how
	// many behind pos are gone for good because the record is bounded.
	// It waits until there is one or ctx ends.
	After(ctx context.Context, pos uint64, limit int) (entries []Entry, lost uint64, err error)
	// Last returns the position of the newest entry, 0 when there is none.
	Last() uint64
}

// A Journal is a Record in memory: the newest readings up to a fixed number.
// Use NewJournal. It may be used from any goroutine.
type Journal struct {
	mu   sync.Mutex
	ring []Reading
	last uint64 // position of the newest; entry p stands in ring[p % len(ring)]
	grew chan struct{}
}

// NewJournal returns a journal of the newest size readings; size is at least 1.
func NewJournal(size int) *Journal {
	return &Journal{ring: make([]Reading, max(size, 1)), grew: make(chan struct{})}
}

// Append adds a reading and forgets the oldest when the journal is full.
func (j *Journal) Append(r Reading) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	j.ring[j.last%uint64(len(j.ring))] = r
	close(j.grew)
	j.grew = make(chan struct{})
}

// Last returns the position of the newest entry, 0 when there is none.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// After implements Record.
func (j *Journal) After(ctx context.Context, pos uint64, limit int) ([]Entry, uint64, error) {
	limit = max(limit, 1) // an empty answer would make the caller spin
	for {
		j.mu.Lock()
		last, grew, size := j.last, j.grew, uint64(len(j.ring))
		if pos < last {
			var lost uint64
			if last-pos > size {
				lost = last - pos - size
			}
			from := pos + lost + 1
			entries := make([]Entry, 0, min(uint64(limit), last-from+1))
			for p := from; p <= last && len(entries) < limit; p++ {
				entries = append(entries, Entry{p, j.ring[p%size]})
			}
			j.mu.Unlock()
			return entries, lost, nil
		}
		j.mu.Unlock()
		select {
		case <-grew:
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
}
