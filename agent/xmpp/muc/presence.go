package muc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
)

// Namespaces of XEP-0045, XEP-0421 and XEP-0359.
const (
	NS         = "http://jabber.org/protocol/muc"
	nsUser     = NS + "#user"
	nsOwner    = NS + "#owner"
	nsOccupant = "urn:xmpp:occupant-id:0"
	nsStanzaID = "urn:xmpp:sid:0"
)

const (
	maxID     = 512 // bytes of an occupant id, stanza id or message id
	maxReason = 200 // characters of a reason
)

// An Occupant is somebody in a room, by what the room says about them.
type Occupant struct {
	Nick        string
	RealJID     string // normalised bare JID, "" where the room does not show it
	Affiliation string // owner, admin, member, outcast or none; "" when unknown
	Role        string // moderator, participant or visitor; "" when unknown
	ID          string // XEP-0421, "" unless the room announces such ids

	seat uint64 // the same as long as they stay under this nick; 0 when not known
}

// errTwice is what a presence means in which somebody put a second item beside
// the room's own: nothing.
var errTwice = errors.New("more than one muc#user element, item or occupant id")

// A presence is what a room says about an occupant.
type presence struct {
	item    xmlItem
	id      string
	codes   []string
	destroy *xmlDestroy
}

type xmlItem struct {
	JID         string `xml:"jid,attr"`
	Nick        string `xml:"nick,attr"`
	Affiliation string `xml:"affiliation,attr"`
	Role        string `xml:"role,attr"`
	Reason      string `xml:"reason"`
}

type xmlDestroy struct {
	JID    string `xml:"jid,attr"`
	Reason string `xml:"reason"`
}

type xmlID struct {
	ID string `xml:"id,attr"`
	By string `xml:"by,attr"`
}

func parsePresence(s *stanza.Stanza) (p presence, err error) {
	var v struct {
		X []struct {
			Items []xmlItem `xml:"http://jabber.org/protocol/muc#user item"`
			Codes []struct {
				Code string `xml:"code,attr"`
			} `xml:"http://jabber.org/protocol/muc#user status"`
			Destroy *xmlDestroy `xml:"http://jabber.org/protocol/muc#user destroy"`
		} `xml:"http://jabber.org/protocol/muc#user x"`
		IDs []xmlID `xml:"urn:xmpp:occupant-id:0 occupant-id"`
	}
	if err := s.Decode(&v); err != nil {
		return p, err
	}
	if len(v.X) > 1 || len(v.X) == 1 && len(v.X[0].Items) > 1 || len(v.IDs) > 1 {
		return p, errTwice
	}
	if len(v.IDs) == 1 {
		p.id = bounded(v.IDs[0].ID)
	}
	for _, x := range v.X {
		if len(x.Items) == 1 {
			p.item = x.Items[0]
		}
		for _, c := range x.Codes {
			p.codes = append(p.codes, c.Code)
		}
		p.destroy = x.Destroy
	}
	return p, nil
}

// bounded returns "" for what is too long to keep.
func bounded(id string) string {
	if len(id) > maxID {
		return ""
	}
	return id
}

func (p presence) has(code string) bool { return slices.Contains(p.codes, code) }

func (p presence) occupant(nick string) Occupant {
	o := Occupant{Nick: nick, ID: p.id}
	if p.item.JID != "" {
		o.RealJID = jid.Bare(p.item.JID)
	}
	switch a := p.item.Affiliation; a {
	case "owner", "admin", "member", "outcast", "none":
		o.Affiliation = a
	}
	switch role := p.item.Role; role {
	case "moderator", "participant", "visitor":
		o.Role = role
	}
	return o
}

// Presence takes a presence. It reports whether it came from this room, and so
// is for nobody else.
func (r *Room) Presence(_ context.Context, s *stanza.Stanza) bool {
	nick, ours := r.nickOf(s.From)
	if !ours {
		return false
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.wake()
	if r.phase == gone || r.phase == offline {
		return true
	}
	if s.Type == "error" {
		r.refused(now, stanza.ErrorOf(s))
		return true
	}
	p, err := parsePresence(s)
	switch {
	case err != nil:
		r.log.Debug("presence dropped", "from", s.From, "error", err)
		delete(r.occupants, nick) // what was known of them may be wrong now
	case nick == "":
	case s.Type == "":
		r.heard(now)
		r.seen(now, nick, p)
	case s.Type == "unavailable":
		r.heard(now)
		r.left(now, nick, p)
	}
	return true
}

// heard notes that the room has sent something: then the device is in it.
func (r *Room) heard(now time.Time) { r.pingAt = now.Add(r.times.silence) }

func (r *Room) seen(now time.Time, nick string, p presence) {
	o := p.occupant(nick)
	r.seat(o)
	if !p.has("110") {
		return
	}
	r.nick, r.role, r.selfID = nick, o.Role, o.ID
	if r.phase == outside || r.phase == joining {
		r.enter(now, p.has("201"))
	}
	if o.Role == "visitor" {
		r.voiceless()
	}
}

// seat enters an occupant. The same nick with another address or id is somebody
// else.
func (r *Room) seat(o Occupant) {
	old, known := r.occupants[o.Nick]
	switch {
	case !known && len(r.occupants) >= maxOccupants:
		return
	case known && old.RealJID == o.RealJID && old.ID == o.ID:
		o.seat = old.seat
	default:
		r.seats++
		o.seat = r.seats
	}
	r.occupants[o.Nick] = o
}

// voiceless tells once that the device may not speak.
func (r *Room) voiceless() {
	r.tell("voice", "I have no voice there and cannot send; a moderator can give it to %q", r.nick)
}

// left takes note that somebody, perhaps the device, is no longer there under
// this nick.
func (r *Room) left(now time.Time, nick string, p presence) {
	delete(r.occupants, nick)
	in := r.phase == inside || r.phase == unlocking
	if !in && r.phase != joining || !p.has("110") && (!in || nick != r.nick) {
		return
	}
	reason := why(p.item.Reason)
	switch {
	case p.has("303"):
		r.nick = cmp.Or(bounded(p.item.Nick), r.nick)
	case p.destroy != nil:
		r.stop(destroyed(p.destroy))
	case p.has("301"):
		r.stop("I am banned from the room" + reason)
	case p.has("321"):
		r.stop("I was removed, because I am no longer a member" + reason)
	case p.has("322"):
		r.stop("I was removed, because the room is now for members only" + reason)
	case p.has("332"), p.has("333"):
		r.retry(now, firstWait, "the room's server put me out for technical reasons"+reason)
	case p.has("307"):
		r.kicked(now, reason)
	default:
		r.retry(now, firstWait, "the room says that I have left"+reason)
	}
}

func destroyed(d *xmlDestroy) string {
	text := "the room was closed for ever" + why(d.Reason)
	if d.JID != "" {
		text += fmt.Sprintf("; people may have moved to %q", cut(d.JID))
	}
	return text
}

// why returns a reason that somebody gave, to be appended to a text.
func why(reason string) string {
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", cut(reason))
}

func cut(s string) string {
	if runes := []rune(s); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return s
}
