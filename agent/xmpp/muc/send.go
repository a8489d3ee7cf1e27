package muc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	maxQueue  = 50 // messages that wait to be sent
	maxSent   = 32 // messages that the room has not repeated yet
	maxRate   = 20 // messages in a rateTime
	rateTime  = time.Minute
	slowFirst = 5 * time.Second // after a refusal for sending too much, doubled each time
	slowMost  = 5 * time.Minute
	maxSlow   = 6           // refusals of that kind that a message survives
	maxLost   = 3           // sessions that a message survives
	away      = time.Minute // until the room's server, which cannot be reached, is tried again
)

// What Done says of messages that were not delivered.
var (
	errPushedOut = errors.New("dropped: too many messages to the room wait")
	errNotIn     = errors.New("the room did not take it: it did not know the device")
	errLost      = errors.New("the room has not repeated it")
	errMoved     = errors.New("they are no longer in the room under that nick")
	errNoRoom    = errors.New("the room has not repeated it, nor the messages after it")
)

// A Message is what the device says.
type Message struct {
	ID    string   // not empty; also the origin-id (XEP-0359)
	Body  string   // may be empty when Extra is not, for a reaction
	To    Occupant // who alone gets it, as in a Line; the zero value means all
	Extra []byte   // further child elements
}

// A message is one of ours.
type message struct {
	Message
	seq     uint64
	refused int // by the room
	lost    int // with a session
	pings   int // that came back, though the message did not
}

// Send queues a message for when the device is in the room: at most 20 go out
// in a minute, and of more than 50 that wait the oldest is dropped. What is not
// seen to arrive is sent again under its id, a few times, in the next session
// too. The error says that it will not be sent; Done is not called then.
func (r *Room) Send(m Message) error {
	dropped, err := r.enqueue(m)
	if dropped != "" {
		r.cfg.Done(dropped, "", errPushedOut)
	}
	return err
}

func (r *Room) enqueue(m Message) (dropped string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m.ID == "" || m.Body == "" && len(m.Extra) == 0:
		return "", errors.New("a message to a room needs a text and an id")
	case r.phase == gone:
		return "", fmt.Errorf("not in room %s: %s", r.cfg.JID, r.problem)
	case r.role == "visitor":
		return "", fmt.Errorf("no voice in room %s: ask a moderator for it", r.cfg.JID)
	}
	if len(r.queue) >= maxQueue {
		dropped = r.queue[0].ID
		r.queue = r.queue[1:]
		r.tell("queue", "more messages for it wait than it takes; I drop the oldest")
	}
	r.seq++
	r.queue = append(r.queue, message{Message: m, seq: r.seq})
	r.wake()
	return dropped, nil
}

// insert puts a message where its seq belongs.
func insert(list []message, m message) []message {
	i, _ := slices.BinarySearchFunc(list, m.seq, func(a message, seq uint64) int { return cmp.Compare(a.seq, seq) })
	return slices.Insert(list, i, m)
}

// fail gives a message up.
func (r *Room) fail(m message, err error) {
	r.log.Warn("message to the room dropped", "id", m.ID, "error", err)
	r.done(m, "", err)
}

func (r *Room) done(m message, stanzaID string, err error) {
	r.notes = append(r.notes, func() { r.cfg.Done(m.ID, stanzaID, err) })
}

// again queues a message that was refused, but only so many times.
func (r *Room) again(m message, tries int, err error) {
	if m.refused++; m.refused > tries {
		r.fail(m, err)
		return
	}
	r.queue = insert(r.queue, m)
}

// reflected takes note that the room has sent one of our messages to all.
func (r *Room) reflected(id, stanzaID string) {
	if i := index(r.sent, id); i >= 0 {
		r.done(r.sent[i], stanzaID, nil)
		r.sent = slices.Delete(r.sent, i, i+1)
		r.slow = 0
	}
}

func index(list []message, id string) int {
	return slices.IndexFunc(list, func(m message) bool { return m.ID == id })
}

// sendAt returns when the next message is due, far away when there is none.
func (r *Room) sendAt(now time.Time) time.Time {
	if len(r.queue) == 0 || r.role == "visitor" {
		return now.Add(idle)
	}
	at := r.hold
	if len(r.rate) == maxRate {
		if free := r.rate[0].Add(rateTime); free.After(at) {
			at = free
		}
	}
	return at
}

func (r *Room) sendNext(now time.Time) func() error {
	m := r.queue[0]
	r.queue = slices.Delete(r.queue, 0, 1)
	private := m.To.Nick != ""
	if private && r.occupants[m.To.Nick].seat != m.To.seat {
		r.fail(m, errMoved) // somebody else may have that nick now
		return func() error { return nil }
	}
	r.rate = append(r.rate[max(0, len(r.rate)-maxRate+1):], now)
	if private {
		r.done(m, "", nil)
	} else {
		r.expect(now, m)
	}
	b := m.xml(r.cfg.JID)
	return func() error { return r.conn.SendOnce(b) }
}

// expect waits for the room to repeat a message. When it is silent instead, a
// ping tells why.
func (r *Room) expect(now time.Time, m message) {
	if len(r.sent) >= maxSent {
		r.fail(r.sent[0], errNoRoom)
		r.sent = slices.Delete(r.sent, 0, 1)
	}
	m.pings = 0
	r.sent = insert(r.sent, m)
	if at := now.Add(joinWait); at.Before(r.pingAt) {
		r.pingAt = at
	}
}

// unheard takes note of a ping that has come back through the room. The room
// keeps the order of what it is sent, so a message before the ping that has not
// come back is not for all. Its time is up at the second ping: the reply to the
// first may have overtaken it on its way through the device.
func (r *Room) unheard(now time.Time) {
	r.sent = slices.DeleteFunc(r.sent, func(m message) bool {
		if m.pings > 0 {
			r.fail(m, errLost)
		}
		return m.pings > 0
	})
	for i := range r.sent {
		r.sent[i].pings++
		r.pingAt = now.Add(joinWait)
	}
}

func (m *message) xml(room string) []byte {
	typ, to := "groupchat", room
	if m.To.Nick != "" {
		typ, to = "chat", room+"/"+m.To.Nick
	}
	b := []byte("<message")
	b = wire.Attr(b, "type", typ)
	b = wire.Attr(b, "to", to)
	b = wire.Attr(b, "id", m.ID)
	b = append(b, '>')
	if m.Body != "" {
		b = append(b, "<body>"...)
		b = wire.Escape(b, m.Body)
		b = append(b, "</body>"...)
	}
	b = append(b, "<origin-id xmlns='"+nsStanzaID+"'"...)
	b = wire.Attr(b, "id", m.ID)
	b = append(b, "/>"...)
	if m.To.Nick != "" {
		b = append(b, "<x xmlns='"+nsUser+"'/>"...)
	}
	b = append(b, m.Extra...)
	return append(b, "</message>"...)
}

// bounced takes back a message that the room did not take.
func (r *Room) bounced(now time.Time, s *stanza.Stanza) {
	i := index(r.sent, s.ID)
	if i < 0 {
		return
	}
	e := stanza.ErrorOf(s)
	if e.Condition == "not-acceptable" {
		r.retry(now, firstWait, "the room no longer knows me") // takes back all
		return
	}
	m, tries := r.sent[i], 0
	r.sent = slices.Delete(r.sent, i, i+1)
	switch e.Condition {
	case "policy-violation", "resource-constraint":
		tries = maxSlow
		r.heard(now)
		r.hold = now.Add(min(slowMost, slowFirst<<min(r.slow, 8)))
		r.slow++
	case "remote-server-not-found", "remote-server-timeout":
		tries = 1
		r.hold, r.pingAt = now.Add(away), now
	case "forbidden":
		r.voiceless()
	}
	r.again(m, tries, e)
}
