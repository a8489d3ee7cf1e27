package muc

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"
	"time"
	"unicode"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	nsReactions = "urn:xmpp:reactions:0"
	nsReply     = "urn:xmpp:reply:0"
)

// A Line is what an occupant has just said that may concern the device: a text
// that is addressed to it, or one that replies or reacts to a message.
type Line struct {
	From      Occupant // only Nick is set when it is not certain who it was
	Text      string   // without the quote and the nick before it; "" for a mere reaction
	Addressed bool     // to the device, by its nick or as a private message
	Private   bool     // only the device has got it
	ID        string   // as its sender gave it, "" for none
	StanzaID  string   // as the room gave it (XEP-0359); "" for none
	Replaces  string   // the ID of the line that this one corrects (XEP-0308), "" for none
	Stanza    *stanza.Stanza
}

// Reply returns a message with a text in answer to a line, to where that was
// said: to all, or to its sender as long as they stay in the room under their
// nick. It names the line (XEP-0461) by the id that goes for such messages.
func (l Line) Reply(id, text string) Message {
	m := Message{ID: id, Body: text}
	to := l.StanzaID
	if l.Private {
		m.To, to = l.From, l.ID
	}
	if to != "" {
		b := wire.Attr([]byte("<reply xmlns='"+nsReply+"'"), "id", to)
		m.Extra = append(wire.Attr(b, "to", l.Stanza.From), "/>"...)
	}
	return m
}

type xmlMessage struct {
	IDs       []xmlID `xml:"urn:xmpp:occupant-id:0 occupant-id"`
	StanzaIDs []xmlID `xml:"urn:xmpp:sid:0 stanza-id"`
	Replaces  []xmlID `xml:"urn:xmpp:message-correct:0 replace"`
	Children  []struct {
		XMLName xml.Name
		Text    string `xml:",chardata"`
	} `xml:",any"`
}

func (x *xmlMessage) has(space, local string) bool {
	for _, c := range x.Children {
		if c.XMLName.Space == space && c.XMLName.Local == local {
			return true
		}
	}
	return false
}

// text returns the first body in the namespace of the stream.
func (x *xmlMessage) text() string {
	for _, c := range x.Children {
		if c.XMLName.Local == "body" && (c.XMLName.Space == "" || c.XMLName.Space == "jabber:client") {
			return c.Text
		}
	}
	return ""
}

// notForUs are the elements of a message that nobody wrote just now, or that
// cannot be read here.
var notForUs = []struct{ space, local string }{
	{"urn:xmpp:delay", "delay"},
	{"jabber:x:delay", "x"},
	{"urn:xmpp:forward:0", "forwarded"},
	{"urn:xmpp:carbons:2", "sent"},
	{"urn:xmpp:carbons:2", "received"},
	{"urn:xmpp:mam:2", "result"},
	{"urn:xmpp:eme:0", "encryption"},
	{"eu.siacs.conversations.axolotl", "encrypted"},
	{"urn:xmpp:omemo:2", "encrypted"},
}

func (x *xmlMessage) notForUs() bool {
	for _, n := range notForUs {
		if x.has(n.space, n.local) {
			return true
		}
	}
	return false
}

// Message takes a message. It reports whether it is a Line: said by somebody
// else in this room, just now, and to the device or in answer to something; not
// by the device itself, not from the history, not a new subject, not a notice
// of the room. Who said it is known from the presences before it, so pass
// presences and messages on in the order in which they came.
func (r *Room) Message(_ context.Context, s *stanza.Stanza) (Line, bool) {
	nick, ours := r.nickOf(s.From)
	if !ours {
		return Line{}, false
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase != inside && r.phase != unlocking {
		return Line{}, false
	}
	defer r.wake()
	switch s.Type {
	case "error":
		if nick == "" { // an occupant could name our ids too
			r.bounced(now, s)
		}
	case "groupchat":
		r.heard(now)
		return r.said(nick, s)
	case "chat":
		return r.said(nick, s)
	}
	return Line{}, false
}

func (r *Room) said(nick string, s *stanza.Stanza) (l Line, ok bool) {
	var v xmlMessage
	if err := s.Decode(&v); err != nil {
		r.log.Debug("message dropped", "error", err)
		return l, false
	}
	id := ""
	if r.ids && len(v.IDs) == 1 {
		id = bounded(v.IDs[0].ID)
	}
	l.Private = s.Type == "chat"
	if nick == r.nick || id != "" && id == r.selfID {
		r.reflected(s.ID, r.stanzaID(v.StanzaIDs)) // what we sent holds no such id
		return l, false
	}
	if nick == "" || v.notForUs() {
		return l, false
	}
	l.Text, l.Addressed = addressed(v.text(), r.nick)
	l.Addressed = l.Text != "" && (l.Addressed || l.Private)
	if !l.Addressed && !v.has(nsReactions, "reactions") && (l.Text == "" || !v.has(nsReply, "reply")) {
		return l, false
	}
	l.From = r.speaker(nick, id, l.Private)
	l.ID, l.Stanza = bounded(s.ID), s
	if r.sids {
		l.StanzaID = r.stanzaID(v.StanzaIDs)
	}
	if len(v.Replaces) > 0 {
		l.Replaces = bounded(v.Replaces[0].ID)
	}
	return l, true
}

// speaker returns who has said something under a nick. A private message need
// not carry an occupant id.
func (r *Room) speaker(nick, id string, private bool) Occupant {
	from := r.shown(r.occupants[nick])
	if from.ID != id && (id != "" || !private) {
		from = Occupant{} // somebody else had this nick a moment ago
	}
	from.Nick = nick
	return from
}

// addressed returns a text without the quote before it, and, if it begins with
// the nick as people write it to address somebody, without that.
func addressed(body, nick string) (text string, to bool) {
	text = trim(body)
	for strings.HasPrefix(text, ">") {
		_, text, _ = strings.Cut(text, "\n")
		text = trim(text)
	}
	rest, at := strings.CutPrefix(text, "@")
	rest, to = strings.CutPrefix(rest, nick)
	rest, mark := cutMark(rest)
	if !to || !mark && !at || rest != "" && !startsBlank(rest) {
		return text, false
	}
	return trim(rest), true
}

func cutMark(s string) (rest string, mark bool) {
	if s != "" && (s[0] == ':' || s[0] == ',') {
		return s[1:], true
	}
	return s, false
}

func startsBlank(s string) bool { return strings.IndexFunc(s, blank) == 0 }

func trim(s string) string { return strings.TrimFunc(s, blank) }

// blank tells whether a character cannot be seen: white space, no-break and
// zero width spaces, marks of direction.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// stanzaID returns the id that the room gave a message: certain if the room
// announces such ids, and takes out those of others.
func (r *Room) stanzaID(ids []xmlID) string {
	ids = slices.DeleteFunc(ids, func(i xmlID) bool { return i.By != r.cfg.JID })
	if len(ids) != 1 {
		return ""
	}
	return bounded(ids[0].ID)
}
