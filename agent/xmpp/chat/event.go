package chat

import (
	"context"
	"strings"
	"time"

	"pipit/agent"
)

// Reactions (XEP-0444) that mean something on an alert, without the marks that
// make an emoji colourful or give it a tone of skin.
var (
	ackEmoji     = []string{"✅", "✔", "👍"}
	silenceEmoji = []string{"🔕", "🔇"}
)

const (
	nsReceipts   = "urn:xmpp:receipts"
	nsReactions  = "urn:xmpp:reactions:0"
	maxReactions = 16  // of one message
	maxReacted   = 256 // messages whose reactions are remembered
	maxReason    = 200 // bytes of an error's text
)

// A reacted message is one of ours that somebody reacted to.
type reacted struct{ bare, id string }

// event takes what is not a text: receipts, errors and reactions. It reports
// true when the message was one of these and needs nothing else.
func (r *Responder) event(ctx context.Context, in *message) bool {
	if in.typ == "error" {
		if r.Events != nil && in.id != "" {
			r.Events.Unreachable(in.id, in.bare, in.failure())
		}
		return true
	}
	if in.child("http://jabber.org/protocol/muc#user", "x") != nil {
		return false
	}
	for _, n := range notForUs {
		if n.space != nsReactions && in.child(n.space, n.local) != nil {
			return false // ignored, as a text would be
		}
	}
	if e := in.child(nsReceipts, "received"); e != nil {
		if id, _ := attr(e.Attrs, "id"); r.Events != nil && id != "" && bounded(id) != "" {
			r.Events.Delivered(id, in.bare)
		}
		return in.body == ""
	}
	if e := in.child(nsReactions, "reactions"); e != nil && in.typ != "groupchat" && in.typ != "headline" {
		id, _ := attr(e.Attrs, "id")
		r.react(ctx, agent.Request{From: in.bare, Via: agent.ViaChat, Re: id}, e)
		return true
	}
	return false
}

// failure returns the condition of an error (RFC 6120 section 8.3).
func (m *message) failure() string {
	e := m.own("error")
	if e == nil {
		return "undefined-condition"
	}
	for _, c := range e.Children {
		if c.XMLName.Space == "urn:ietf:params:xml:ns:xmpp-stanzas" && c.XMLName.Local != "text" {
			return c.XMLName.Local[:min(len(c.XMLName.Local), maxReason)]
		}
	}
	return "undefined-condition"
}

// react does what a change of somebody's reactions to an alert means. The set
// that comes is the whole of them (XEP-0444 section 4.2). One that came late counts: it
// is about the alert, whenever that was. It is not answered in words; the alert
// itself changes.
func (r *Responder) react(ctx context.Context, req agent.Request, e *element) {
	if agent.FiringOf(req.Re) == 0 || bounded(req.Re) == "" || len(e.Children) > maxReactions {
		return
	}
	now := reactions(e)
	before, known := r.reactions(reacted{req.From, req.Re}, now)
	var names []string
	switch {
	case now.ack && !before.ack:
		names = append(names, "ack")
	case !now.ack && (before.ack || !known && now.none):
		names = append(names, "unack")
	}
	if now.silence && !before.silence {
		names = append(names, "silence")
	}
	for _, name := range names {
		req.Name = name
		if _, err := r.Agent.Do(ctx, req); err != nil {
			r.log().Info("a reaction did nothing", "from", req.From, "command", name, "error", err)
		}
	}
}

// Reaction takes a reaction of an occupant of a room, as Line takes a line. alert
// returns the id of the alert that the room gave a stanza id, "" for none.
func (r *Responder) Reaction(ctx context.Context, l RoomLine, alert func(stanzaID string) string) {
	in, err := decode(l.Stanza, l.From)
	if err != nil || r.Agent.Role(l.From) == agent.Stranger {
		return
	}
	for _, n := range notForUs {
		if n.space != nsReactions && in.child(n.space, n.local) != nil {
			return
		}
	}
	if e := in.child(nsReactions, "reactions"); e != nil {
		id, _ := attr(e.Attrs, "id")
		r.react(ctx, agent.Request{From: l.From, Via: l.Via, Room: l.Room, Re: alert(id)}, e)
	}
}

// A reaction set is what matters of one.
type reactionSet struct{ ack, silence, none bool }

func reactions(e *element) (set reactionSet) {
	set.none = true
	for _, c := range e.Children {
		if c.XMLName.Space != nsReactions || c.XMLName.Local != "reaction" {
			continue
		}
		set.none = false
		emoji := plain(c.Text)
		for _, a := range ackEmoji {
			set.ack = set.ack || emoji == a
		}
		for _, s := range silenceEmoji {
			set.silence = set.silence || emoji == s
		}
	}
	return set
}

// plain takes variation selectors and tones of skin off an emoji.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\uFE0E' || c == '\uFE0F' || c >= 0x1F3FB && c <= 0x1F3FF {
			return -1
		}
		return c
	}, strings.TrimSpace(s[:min(len(s), 64)]))
}

// reactions remembers a set and returns the one before.
func (r *Responder) reactions(key reacted, now reactionSet) (before reactionSet, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known = r.reacted[key]
	if r.reacted == nil {
		r.reacted = make(map[reacted]reactionSet)
	}
	if !known && len(r.reacted) >= maxReacted {
		for old := range r.reacted { // any: to forget one costs a person a second tap
			delete(r.reacted, old)
			break
		}
	}
	r.reacted[key] = now
	return before, known
}

// A Mark is the newest message that somebody got from us, as far as it can be
// corrected.
type Mark struct {
	ID string // of the first version
	At time.Time
}

// Sent notes a message of ours to somebody: id is that of its first version.
// What corrects it comes as a message of its own once another one followed.
func (r *Responder) Sent(bare, id string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marks == nil || len(r.marks) > maxReacted {
		r.marks = make(map[string]Mark)
	}
	r.marks[bare] = Mark{id, at}
}

// Newest returns the newest message of ours to somebody.
func (r *Responder) Newest(bare string) Mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.marks[bare]
}
