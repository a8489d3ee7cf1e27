package stream

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"pipit/agent/xmpp/wire"
)

// Sync waits until the server has acknowledged all that was sent before, also
// over the loss of a transport. It returns the cause of ctx when that ends, and
// else an error when the stream is over.
func (m *Managed) Sync(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ledger == nil {
		return &Error{Kind: KindPolicy, On: m.jid, Text: "the server does not acknowledge"}
	}
	goal := m.ledger.total
	if m.ledger.done < goal && m.conn != nil {
		m.requestAck()
	}
	for m.ledger.done < goal {
		if m.over != nil {
			return m.over
		}
		change := m.changed()
		m.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
		}
		m.mu.Lock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// wantAck sees to it that the stanza just sent is acknowledged: at once where
// somebody relies on it, else after some more or some time.
func (m *Managed) wantAck(class class) {
	m.unasked++
	switch {
	case class == keep, m.unasked >= askAfter:
		m.requestAck()
	default:
		m.askLater()
	}
}

// askLater sees to it that an acknowledgement is asked for in time.
func (m *Managed) askLater() {
	if m.askLate != nil {
		return
	}
	c := m.conn
	m.askLate = time.AfterFunc(m.timing.ask, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.conn == c {
			m.askLate = nil
			m.requestAck()
		}
	})
}

// requestAck sends <r/> and sets the time for the answer.
func (m *Managed) requestAck() {
	switch room, err := m.conn.offer([]byte(askElement)); {
	case err != nil:
		return // the transport is gone
	case room != nil:
		m.askLater()
		return
	}
	m.asked++
	m.unasked = 0
	if m.askLate != nil {
		m.askLate.Stop()
		m.askLate = nil
	}
	if m.ackLate == nil {
		m.awaitAck(m.conn)
	}
}

// awaitAck gives the server its time to answer, more while the request itself
// may wait to be sent.
func (m *Managed) awaitAck(c *Conn) {
	var t *time.Timer
	t = time.AfterFunc(m.timing.ack, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case m.conn != c || m.ackLate != t: // the answer came at the last moment
		case c.out.waiting():
			m.awaitAck(c)
		default:
			c.fail(&Error{Kind: KindSilent, On: c.on, Text: "no acknowledgement came in " + m.timing.ack.String(), lost: true})
		}
	})
	m.ackLate = t
}

func (m *Managed) stopTimers() {
	for _, t := range []**time.Timer{&m.askLate, &m.ackLate} {
		if *t != nil {
			(*t).Stop()
			*t = nil
		}
	}
	m.asked, m.unasked = 0, 0
}

// A transport tells a Managed what comes in on one Conn.
type transport struct {
	m *Managed
	c *Conn
}

func (t *transport) received() {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.m.ledger.in++
}

func (t *transport) probe() {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if t.m.conn == t.c {
		t.m.requestAck()
	}
}

func (t *transport) nonza(u wire.Unit) error {
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != t.c {
		return nil
	}
	if u.Name == "r" {
		// Without room the server asks again, or the write under way fails.
		_, err := t.c.offer(ackElement(m.ledger.in))
		if err != nil {
			t.c.log.Debug("not acknowledged", "error", err)
		}
		return nil
	}
	return m.acknowledged(t.c, u)
}

// countOf reads the attribute h of an element, whose tags the lexer has seen, as
// servers write it. It comes with every few stanzas, so it is worth to spare the
// parser.
func countOf(raw []byte) (h uint32, ok bool) {
	_, rest, _ := bytes.Cut(raw, []byte(" h="))
	if len(rest) == 0 {
		return 0, false
	}
	value, _, ended := bytes.Cut(rest[1:], rest[:1])
	n, err := strconv.ParseUint(string(value), 10, 32)
	return uint32(n), ended && err == nil && (rest[0] == '\'' || rest[0] == '"')
}

// acknowledged takes <a/>.
func (m *Managed) acknowledged(c *Conn, u wire.Unit) error {
	h, ok := countOf(u.Raw)
	if !ok { // as no server writes it, but may
		var a smReply
		if c.in.decode(u, &a) == nil {
			h, ok = a.count()
		}
	}
	if !ok || !m.ledger.ack(h) {
		return &Error{Kind: KindPolicy, On: c.on, Text: "stream management", Err: m.ledger.countError(h)}
	}
	m.asked = max(m.asked-1, 0)
	if m.ackLate != nil {
		m.ackLate.Stop()
		m.ackLate = nil
	}
	if m.asked > 0 {
		m.awaitAck(c)
	}
	m.tellChange()
	return nil
}
