package stanza

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

const (
	repeatTime  = 60 * time.Second // in which the same request is a copy
	maxAnswers  = 256              // kept
	maxAnswered = 1 << 20          // bytes of all of them
)

// repeats holds the answers to the newest requests of type set. Servers and
// clients send again what was not acknowledged on a connection that broke
// (XEP-0198), and a relay must not switch twice for that. A copy is the same
// bytes: the same full JID, id and content.
//
// The stanzas of one sender are served one after the other, so a copy is
// looked for when the first has been answered, never beside it.
type repeats struct {
	mu   sync.Mutex
	kept []answered // oldest first
	size int        // bytes of the answers
}

type answered struct {
	request [sha256.Size]byte
	answer  []byte
	at      time.Time
}

// find returns the answer that a copy of s was given, nil when there was none.
func (r *repeats) find(s *Stanza) []byte {
	if !mayRepeat(s) {
		return nil
	}
	sum := sha256.Sum256(s.Raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(time.Now())
	i := slices.IndexFunc(r.kept, func(a answered) bool { return a.request == sum })
	if i < 0 {
		return nil
	}
	return r.kept[i].answer
}

// keep notes the answer to s. The oldest make room for it.
func (r *repeats) keep(s *Stanza, answer []byte) {
	if !mayRepeat(s) || len(answer) > maxAnswered {
		return
	}
	a := answered{sha256.Sum256(s.Raw), answer, time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(a.at)
	for len(r.kept) >= maxAnswers || r.size+len(answer) > maxAnswered {
		r.dropOldest()
	}
	r.kept = append(r.kept, a)
	r.size += len(answer)
}

// mayRepeat tells whether it matters how often s is served. A get changes
// nothing, and without an id a request cannot be told from the next one.
func mayRepeat(s *Stanza) bool { return s.Type == "set" && s.ID != "" }

func (r *repeats) expire(now time.Time) {
	for len(r.kept) > 0 && now.Sub(r.kept[0].at) >= repeatTime {
		r.dropOldest()
	}
}

func (r *repeats) dropOldest() {
	r.size -= len(r.kept[0].answer)
	r.kept = slices.Delete(r.kept, 0, 1)
}
