package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxStrangers  = 16 // that are told by name
	maxAttempt    = 80 // bytes of what one tried
	strangerFirst = time.Minute
	strangerEvery = 24 * time.Hour
)

// Strangers tells the owners what people without a role tried, at most once a
// day in one message. Nobody else learns of it, least of all the strangers. It
// may be used from any goroutine; Note never blocks. nil tells nobody.
type Strangers struct {
	Tell func(to, text string) // see Agent.Tell
	To   func() []string       // the owners

	mu    sync.Mutex
	names map[string]*attempt // by bare JID
	order []string
	more  int // attempts of those who found no room
	noted chan struct{}
}

type attempt struct {
	what string // the first thing they tried
	n    int
}

// NewStrangers returns a Strangers that tells to.
func NewStrangers(tell func(to, text string), to func() []string) *Strangers {
	return &Strangers{Tell: tell, To: to, names: make(map[string]*attempt), noted: make(chan struct{}, 1)}
}

// Note says that somebody without a role tried something: "a message".
func (s *Strangers) Note(bareJID, what string) {
	if s == nil || bareJID == "" {
		return
	}
	s.mu.Lock()
	switch a := s.names[bareJID]; {
	case a != nil:
		a.n++
	case len(s.names) < maxStrangers:
		s.names[bareJID] = &attempt{what: cut(what, maxAttempt), n: 1}
		s.order = append(s.order, bareJID)
	default:
		s.more++
	}
	s.mu.Unlock()
	select {
	case s.noted <- struct{}{}:
	default:
	}
}

// Run tells until ctx ends: a minute after the first attempt, and then at most
// once a day.
func (s *Strangers) Run(ctx context.Context) error {
	wait := strangerFirst
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.noted:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if text := s.take(); text != "" {
			for _, to := range s.To() {
				s.Tell(to, text)
			}
		}
		wait = strangerEvery
	}
}

// take returns what to tell, and forgets it.
func (s *Strangers) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == 0 {
		return ""
	}
	var parts []string
	for _, jid := range s.order {
		a := s.names[jid]
		what := a.what
		if a.n > 1 {
			what = fmt.Sprintf("%d attempts, the first: %s", a.n, what)
		}
		parts = append(parts, cut(jid, maxAuditWho)+" ("+what+")")
	}
	text := fmt.Sprintf("Somebody who has no role here tried something, and got no answer: %s", strings.Join(parts, ", "))
	if s.more > 0 {
		text += fmt.Sprintf(", and %d more attempts of others", s.more)
	}
	clear(s.names)
	s.order, s.more = slices.Delete(s.order, 0, len(s.order)), 0
	return text + "."
}
