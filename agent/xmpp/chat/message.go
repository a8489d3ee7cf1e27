package chat

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

// maxID is the longest id or thread that is kept and echoed; a longer one is
// treated as absent.
const maxID = 512

// A message is an inbound message of somebody who may talk to us.
type message struct {
	from, bare, typ string
	id, thread      string      // "" when absent
	body            string      // the first one, as sent
	replaces        string      // id of the message that this one corrects (XEP-0308), "" for none
	re              string      // id of the message that this one answers (XEP-0461), "" for none
	file            *agent.File // of the answer, nil for none
	children        []element

	via agent.Via
	fromRoom
}

type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []child    `xml:",any"`
}

type child struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
}

func attr(attrs []xml.Attr, name string) (string, bool) {
	for _, a := range attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

func decode(m *stanza.Stanza, bare string) (*message, error) {
	var v struct {
		Children []element `xml:",any"`
	}
	if err := m.Decode(&v); err != nil {
		return nil, err
	}
	in := &message{from: m.From, bare: bare, typ: m.Type, id: bounded(m.ID), children: v.Children, via: agent.ViaChat}
	if e := in.own("body"); e != nil {
		in.body = e.Text
	}
	if e := in.own("thread"); e != nil {
		in.thread = bounded(e.Text)
	}
	if e := in.child("urn:xmpp:message-correct:0", "replace"); e != nil {
		id, _ := attr(e.Attrs, "id")
		in.replaces = bounded(id)
	}
	if e := in.child("urn:xmpp:reply:0", "reply"); e != nil {
		id, _ := attr(e.Attrs, "id")
		in.re = bounded(id)
	}
	return in, nil
}

func bounded(id string) string {
	if len(id) > maxID {
		return ""
	}
	return id
}

// child returns the first child element of that name, or nil.
func (m *message) child(space, local string) *element {
	for i, e := range m.children {
		if e.XMLName.Local == local && e.XMLName.Space == space {
			return &m.children[i]
		}
	}
	return nil
}

// own returns the first child in the namespace of the stream, which need not
// be declared on the stanza.
func (m *message) own(local string) *element {
	if e := m.child("", local); e != nil {
		return e
	}
	return m.child("jabber:client", local)
}

// notForUs are the elements that make a message something other than what a
// person wrote to us just now.
var notForUs = []struct{ space, local, what string }{
	{"urn:xmpp:carbons:2", "sent", "a carbon"},
	{"urn:xmpp:carbons:2", "received", "a carbon"},
	{"urn:xmpp:forward:0", "forwarded", "a forwarded message"},
	{"urn:xmpp:mam:1", "result", "from an archive"},
	{"urn:xmpp:mam:2", "result", "from an archive"},
	{"http://jabber.org/protocol/pubsub#event", "event", "an event"},
	{"jabber:x:conference", "x", "an invitation"},
	{"urn:xmpp:reactions:0", "reactions", "a reaction"},
	{"urn:xmpp:message-retract:0", "retract", "a retraction"},
	{"urn:xmpp:message-retract:1", "retract", "a retraction"},
}

// ciphers are the elements of the ways to encrypt: OMEMO, OpenPGP for XMPP
// (XEP-0373), legacy OpenPGP (XEP-0027) and the mark of any other (XEP-0380).
var ciphers = []xml.Name{
	{Space: "eu.siacs.conversations.axolotl", Local: "encrypted"},
	{Space: "urn:xmpp:omemo:1", Local: "encrypted"},
	{Space: "urn:xmpp:omemo:2", Local: "encrypted"},
	{Space: "urn:xmpp:openpgp:0", Local: "openpgp"},
	{Space: "jabber:x:encrypted", Local: "x"},
	{Space: "urn:xmpp:eme:0", Local: "encryption"},
}

// ignored tells why a message gets no answer of any kind, "" when it does.
func (m *message) ignored() string {
	switch m.typ {
	case "error", "groupchat", "headline":
		return "type " + m.typ
	}
	if m.child("http://jabber.org/protocol/muc#user", "x") != nil {
		return "from a room"
	}
	return m.notWritten()
}

// notWritten tells why a message is nothing that a person wrote to us just now,
// "" when it is.
func (m *message) notWritten() string {
	for _, n := range notForUs {
		if m.child(n.space, n.local) != nil {
			return n.what
		}
	}
	if m.automatic() {
		return "written by a program"
	}
	if m.body == "" && !m.encrypted() {
		return "no text"
	}
	return ""
}

// automatic tells whether a program says that it wrote the message (RFC 3834
// section 5, carried by XEP-0131).
func (m *message) automatic() bool {
	headers := m.child("http://jabber.org/protocol/shim", "headers")
	if headers == nil {
		return false
	}
	for _, h := range headers.Children {
		name, _ := attr(h.Attrs, "name")
		if strings.EqualFold(name, "Auto-Submitted") && !strings.EqualFold(strings.TrimSpace(h.Text), "no") {
			return true
		}
	}
	return false
}

// encrypted tells whether the text is hidden from us. What the body holds
// then is a notice of the sender's client and must not be run.
func (m *message) encrypted() bool {
	for _, n := range ciphers {
		if m.child(n.Space, n.Local) != nil {
			return true
		}
	}
	return strings.HasPrefix(m.body, "?OTR") // XEP-0364 marks only the body
}

// wantsReceipt tells whether a receipt is due (XEP-0184). A delayed message
// gets none: its sender has no use for it any more.
func (m *message) wantsReceipt() bool {
	return m.room == "" && m.id != "" && m.child("urn:xmpp:receipts", "request") != nil && m.child("urn:xmpp:delay", "delay") == nil
}

// markable tells whether a displayed marker is welcome (XEP-0333).
func (m *message) markable() bool {
	return m.room == "" && m.id != "" && m.child("urn:xmpp:chat-markers:0", "markable") != nil
}

// late tells why a message is too old to act on, "" when it is not.
//
// The mere presence of <delay/> (XEP-0203) says nothing: servers stamp what
// they repeat after a resume. Whoever stamped it, the oldest stamp counts: a
// sender can only make his own message look late. When the age cannot be told,
// because the stamp does not parse or lies ahead (one of the clocks is wrong),
// the message counts as late: a switch thrown hours later is worse than a
// command that has to be sent again.
func (m *message) late(now time.Time) string {
	var oldest time.Duration
	for _, e := range m.children {
		if e.XMLName.Space != "urn:xmpp:delay" || e.XMLName.Local != "delay" {
			continue
		}
		stamp, _ := attr(e.Attrs, "stamp")
		at, err := time.Parse(time.RFC3339, strings.TrimSpace(stamp))
		if err != nil || at.Sub(now) > maxAge {
			return "I cannot tell how late that came, so I did not run it; send it again."
		}
		oldest = max(oldest, now.Sub(at))
	}
	if oldest <= maxAge {
		return ""
	}
	return fmt.Sprintf("That came %s late, so I did not run it; send it again.", lateness(oldest))
}

// lateness writes a duration of more than a minute in its greatest unit.
func lateness(d time.Duration) string {
	for _, u := range []struct {
		unit      time.Duration
		one, many string
	}{{24 * time.Hour, "1 day", "days"}, {time.Hour, "1 hour", "hours"}, {time.Minute, "1 minute", "minutes"}} {
		switch n := d / u.unit; {
		case n == 1:
			return u.one
		case n > 1:
			return fmt.Sprintf("%d %s", n, u.many)
		}
	}
	return "more than a minute"
}
