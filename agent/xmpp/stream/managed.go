package stream

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// MaxUnacked bounds the bytes of stanzas that the server has not
	// acknowledged, and of those carried over to a new stream; MaxKept the
	// number of the latter. The oldest are dropped.
	MaxUnacked = 1 << 20
	MaxKept    = 512

	maxEntries = 4096 // stanzas not acknowledged
	askAfter   = 16   // stanzas until their acknowledgement is asked for
)

const askElement = "<r xmlns='" + nsSM + "'/>"

// A Managed is a stream that may outlive its transport (XEP-0198). Between the
// end of one transport and the next Open, Send only queues. Without stream
// management at the server it is a Conn and ends with it.
//
// Stanzas that the server has not acknowledged are sent again, in order, when
// the stream is resumed. When it cannot be, messages, subscriptions and answers
// to requests are carried to the next stream, with their ids and the time of
// their first try; see Redeliver. Requests and presence are not: their senders
// know what is true then.
type Managed struct {
	jid    string
	domain string
	log    *slog.Logger
	timing timing

	mu      sync.Mutex
	conn    *Conn   // nil: no transport
	ledger  *ledger // nil: no stream management
	tok     token
	over    error         // why this stream will not go on; nil while it may
	change  chan struct{} // closed at the next change; nil when nobody waits
	unsent  int           // entries of the queue that no transport has seen
	kept    []entry       // of an older stream, for Redeliver
	asked   int           // requests without an answer
	unasked int           // stanzas since the last request
	askLate *time.Timer   // asks when no other stanza does; nil when not armed
	ackLate *time.Timer   // ends the transport when the server does not answer; nil likewise
}

// Open logs in. Where old can be resumed it is, and Open returns old itself:
// call Serve again. Else it returns a new stream to which the stanzas that old
// had to keep have moved, and old is over. old may be nil, and must not be
// served while Open runs. Errors and times are those of Dial; old is as before
// then, but for a server that cannot count.
func Open(ctx context.Context, cfg Config, old *Managed) (*Managed, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	return d.open(ctx, old)
}

func (d *dialer) open(ctx context.Context, old *Managed) (*Managed, error) {
	d.manage, d.old = true, resumeToken(old)
	if d.old != nil {
		d.resumed = old.jid
	}
	c, sm, err := d.run(ctx)
	if err != nil {
		return nil, err
	}
	if sm.resumed {
		if err := old.adopt(c, sm.h); err != nil {
			return nil, err
		}
		return old, nil
	}
	m := &Managed{jid: c.jid, domain: c.domain, log: d.log, timing: d.timing, conn: c, tok: sm.token}
	if sm.enabled {
		m.ledger = &ledger{}
		c.manager = &transport{m, c}
	}
	if old != nil {
		m.kept = old.abandon(sm)
	}
	c.start()
	return m, nil
}

// JID returns the full JID that was bound.
func (m *Managed) JID() string { return m.jid }

// Resumable tells whether the stream may be resumed after its transport was
// lost. Its goroutines and requests should wait for that.
func (m *Managed) Resumable() bool {
	_, ok := m.token()
	return ok
}

// Acknowledges tells whether the server acknowledges stanzas: Sync needs it.
func (m *Managed) Acknowledges() bool { return m.ledger != nil }

// Unacked returns how many stanzas the server has not acknowledged.
func (m *Managed) Unacked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ledger == nil {
		return 0
	}
	return len(m.ledger.queue)
}

// token tells how to resume the stream, while it has no transport.
func (m *Managed) token() (t token, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over != nil || m.conn != nil || m.ledger == nil || m.tok.id == "" {
		return t, false
	}
	t = m.tok
	t.in = m.ledger.in
	return t, true
}

// Send sends one whole stanza, as Conn.Send does; room is also that for
// MaxUnacked bytes that the server has not acknowledged. Without a transport it
// queues. The bytes are copied.
func (m *Managed) Send(stanza []byte) error { return m.send(stanza, classify(stanza)) }

// SendOnce is Send for a stanza that its sender repeats by himself on the next
// stream: it is not carried over.
func (m *Managed) SendOnce(stanza []byte) error { return m.send(stanza, repeated) }

func (m *Managed) send(stanza []byte, class class) error {
	if len(stanza) > MaxUnsent {
		return &Error{Kind: KindPolicy, On: m.jid, Text: "a stanza of more than 1 MiB cannot be sent"}
	}
	e := entry{raw: stanza, at: time.Now(), class: class}
	var expired <-chan time.Time
	for {
		room, err := m.offer(e)
		if room == nil {
			return err
		}
		if expired == nil {
			t := time.NewTimer(m.timing.write)
			defer t.Stop()
			expired = t.C
		}
		select {
		case <-room:
		case <-expired:
			return &Error{Kind: KindTimeout, On: m.jid, Text: "the server does not take what is sent", Hint: "check the network, or send less"}
		}
	}
}

// offer sends an entry if there is room, and else returns a channel that is
// closed when it is worth another try.
func (m *Managed) offer(e entry) (room <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.ledger
	switch {
	case m.over != nil:
		return nil, m.over
	case l == nil:
		return m.conn.offer(e.raw)
	case e.class == state && m.conn == nil:
		m.unsent -= l.supersede(m.unsent)
	}
	if l.bytes+len(e.raw) > MaxUnacked || len(l.queue) >= maxEntries {
		return m.changed(), nil
	}
	if m.conn != nil {
		if room, err = m.conn.offer(e.raw); room != nil {
			return room, nil
		}
		if closing(err) {
			return nil, err
		}
	}
	e.raw = append([]byte(nil), e.raw...)
	l.add(e)
	if m.conn == nil || err != nil { // lost, though Serve may not have noticed yet
		m.unsent++
		return nil, nil
	}
	m.wantAck(e.class)
	return nil, nil
}

// changed returns a channel that is closed when something changes. The caller
// holds the lock, here and below.
func (m *Managed) changed() <-chan struct{} {
	if m.change == nil {
		m.change = make(chan struct{})
	}
	return m.change
}

func (m *Managed) tellChange() {
	if m.change != nil {
		close(m.change)
		m.change = nil
	}
}

// Serve reads until the transport is lost or the stream ends, and calls handle
// for each stanza, as Conn.Serve does. After an error, Resumable tells whether
// to call Open with this stream and then Serve again. One Serve runs at a time.
func (m *Managed) Serve(ctx context.Context, handle func(name string, raw []byte)) error {
	m.mu.Lock()
	c, over := m.conn, m.over
	m.mu.Unlock()
	if c == nil {
		return over
	}
	err := c.Serve(ctx, handle)
	m.lost(c, err)
	return err
}

// lost notes that a transport has ended.
func (m *Managed) lost(c *Conn, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != c {
		return
	}
	m.conn = nil
	m.stopTimers()
	if e := asError(err); m.over == nil && (e == nil || !e.lost || m.ledger == nil || m.tok.id == "") {
		m.over = err
		if err == nil {
			m.over = &Error{Kind: KindClosed, On: m.jid, Err: errEnding}
		}
	}
	m.tellChange()
}

// Close ends the stream for good, as Conn.Close does.
func (m *Managed) Close(ctx context.Context) error {
	m.mu.Lock()
	c := m.conn
	if c == nil && m.over == nil {
		m.over = &Error{Kind: KindClosed, On: m.jid, Err: errEnding}
	}
	m.stopTimers()
	m.tellChange()
	m.mu.Unlock()
	if c == nil {
		return nil
	}
	err := c.Close(ctx)
	m.lost(c, nil)
	return err
}

// adopt goes on with the stream on the transport where the server resumed it.
func (m *Managed) adopt(c *Conn, h uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.jid, c.domain = m.jid, m.domain
	if !m.ledger.ack(h) {
		wrong := m.ledger.countError(h)
		m.over = &Error{Kind: KindPolicy, On: c.on, Text: "the stream cannot be resumed", Err: wrong}
		c.out.timeout = m.timing.end
		_ = c.out.write([]byte(wrong.streamError() + streamEnd))
		c.raw.Close()
		return m.over
	}
	c.manager = &transport{m, c}
	m.conn, m.unsent = c, 0
	for _, e := range m.ledger.queue { // first: nothing may come between
		c.out.put(e.raw)
	}
	if len(m.ledger.queue) > 0 {
		m.requestAck()
	}
	m.tellChange()
	c.start()
	return nil
}

// abandon ends a stream that was not resumed and returns what the next one has
// to send for it.
func (m *Managed) abandon(sm management) []entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.kept
	if m.ledger != nil {
		if sm.known {
			m.ledger.ack(sm.h) // the server has handled so much, and says it though it gives up
		}
		for _, e := range m.ledger.queue {
			if e.class == keep {
				kept = append(kept, e)
			}
		}
		*m.ledger = ledger{}
	}
	m.kept, m.unsent = nil, 0
	if m.over == nil {
		m.over = &Error{Kind: KindClosed, On: m.jid, Text: "the stream could not be resumed"}
	}
	m.tellChange()
	size := 0
	for i := len(kept) - 1; i >= 0; i-- {
		if size += len(kept[i].raw); size > MaxUnacked || len(kept)-i > MaxKept {
			m.log.Warn("messages dropped: too many could not be sent", "dropped", i+1)
			return kept[i+1:]
		}
	}
	return kept
}

// Redeliver sends what was kept of the stream before this one, each with the
// time of its first try (XEP-0203). Call it once the device is online.
func (m *Managed) Redeliver() (n int, err error) {
	for {
		m.mu.Lock()
		if len(m.kept) == 0 {
			m.mu.Unlock()
			return n, nil
		}
		e := m.kept[0]
		m.mu.Unlock()
		if err := m.send(e.delayed(), keep); err != nil {
			return n, err // the rest moves on to the stream after this one
		}
		m.mu.Lock()
		m.kept = m.kept[1:]
		m.mu.Unlock()
		n++
	}
}
