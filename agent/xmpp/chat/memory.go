package chat

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"time"

	"pipit/agent"
)

const (
	burst        = 10               // messages at once
	refill       = 3 * time.Second  // for one more: 20 a minute
	maxRefusals  = 3                // in a row that are answered
	forgiveAfter = 10 * time.Minute // pause after which refusals are answered again
	repeatWindow = 10 * time.Minute // in which the same id and text are the same message
	maxRecent    = 256              // messages remembered
	maxKnown     = 256              // people, before those who have no role any more are forgotten
)

// A person is what is remembered of somebody who writes to us.
type person struct {
	spent    time.Duration // of the burst, at the time last
	last     time.Time
	warned   bool // told that it was too much; until the burst is whole again
	refusals int  // in a row
	refused  time.Time
	notice   time.Time // of the last notice about encryption
}

// person returns what is known of somebody; the caller holds r.mu.
func (r *Responder) person(bare string) *person {
	if r.people == nil {
		r.people = make(map[string]*person)
	}
	p := r.people[bare]
	if p == nil && len(r.people) >= maxKnown {
		maps.DeleteFunc(r.people, func(jid string, _ *person) bool { return r.Agent.Role(jid) == agent.Stranger })
	}
	if p == nil {
		p = &person{}
		r.people[bare] = p
	}
	return p
}

type verdict uint8

const (
	welcome  verdict = iota
	lastWord         // too much: say so
	silence          // too much, and it was said
)

// admit counts a message against the sender's rate.
func (r *Responder) admit(bare string, now time.Time) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.person(bare)
	p.spent = max(0, p.spent-now.Sub(p.last))
	p.last = now
	switch {
	case p.spent <= (burst-1)*refill:
		p.warned = p.warned && p.spent > 0
		p.spent += refill
		return welcome
	case !p.warned:
		p.warned = true
		return lastWord
	}
	return silence
}

// noticeDue tells, once a day for each sender, that it is time for the notice
// about encryption.
func (r *Responder) noticeDue(bare string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.person(bare)
	if !p.notice.IsZero() && now.Sub(p.notice) < noticeEvery {
		return false
	}
	p.notice = now
	return true
}

// refuse answers a message whose command was not run, unless that happened too
// often in a row: who goes on like this is likely to be a program.
func (r *Responder) refuse(in *message, why error) {
	if why == silent {
		return
	}
	r.mu.Lock()
	p, now := r.person(in.bare), time.Now()
	if now.Sub(p.refused) > forgiveAfter {
		p.refusals = 0
	}
	p.refused = now
	p.refusals++
	n := p.refusals
	r.mu.Unlock()
	switch {
	case n == maxRefusals:
		r.answer(in, why.Error()+"\nI stay silent now until a command works.")
	case n < maxRefusals:
		r.answer(in, why.Error())
	}
}

// A memory holds the newest messages that were handled.
type memory struct {
	ring [maxRecent]handled
	next int
}

type handled struct {
	from, bare, id string
	at             time.Time
	sum            [sha256.Size]byte // of the text
	line           string            // what was run, "" when nothing was
}

func (m *memory) add(h handled) {
	m.ring[m.next] = h
	m.next = (m.next + 1) % maxRecent
}

// repeated tells whether a message came before: the same id and text from the
// same full JID (a server that repeats, a client that resends). The text counts
// because a client that starts again may count its ids from one again.
func (r *Responder) repeated(in *message, line string, now time.Time) bool {
	sum := sha256.Sum256([]byte(line))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.recent.ring[:] {
		if in.id != "" && h.id == in.id && h.from == in.from && h.sum == sum && now.Sub(h.at) < repeatWindow {
			return true
		}
	}
	return false
}

// remember notes a message that was handled, and what it ran. A correction
// stands for the message that it replaced, too: clients name the first one
// when they correct again.
func (r *Responder) remember(in *message, line string, ran bool) {
	h := handled{from: in.from, bare: in.bare, id: in.id, at: time.Now(), sum: sha256.Sum256([]byte(line))}
	if ran {
		h.line = clip(line, 80)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ran {
		r.person(in.bare).refusals = 0
	}
	if h.id != "" {
		r.recent.add(h)
	}
	if in.replaces != "" && ran {
		h.id = in.replaces
		r.recent.add(h)
	}
}

// corrects tells whether a message corrects one that was run already, and what
// to answer then. Corrections may come from another device of the same person.
func (r *Responder) corrects(in *message) (text string, ok bool) {
	if in.replaces == "" {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.recent.ring[:] {
		if h.line == "" || h.id != in.replaces || h.bare != in.bare {
			continue
		}
		if in.id != "" {
			r.recent.add(handled{from: in.from, bare: in.bare, id: in.id, at: time.Now(), sum: sha256.Sum256([]byte(in.line())), line: h.line})
		}
		return fmt.Sprintf("Already done at %s UTC: %s\nA correction does not run again; send a new message.",
			h.at.UTC().Format("15:04"), h.line), true
	}
	return "", false
}
