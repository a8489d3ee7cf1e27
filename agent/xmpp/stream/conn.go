package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"pipit/agent/xmpp/wire"
)

// PingID begins the id of each request that a Conn makes for itself. Requests
// of others must not begin so: the replies would not reach them.
const PingID = "pipit-keepalive-"

// errEnding is the cause in the error of a Send after Close.
var errEnding = errors.New("the stream is being closed")

// A Conn is a stream that is ready: logged in, with a resource bound. Whoever
// got it from Dial must call Close, also when Serve has returned an error.
type Conn struct {
	jid    string
	on     string // the server, for errors
	domain string
	log    *slog.Logger
	timing timing
	turn   func() // told before each read; may be nil

	raw net.Conn // below TLS: closing it ends every read and write at once
	in  *reader
	out *writer

	peer Peer // what the login has found of it

	manager manager     // nil: without stream management
	early   []wire.Unit // stanzas that came before stream management was on

	closing  atomic.Bool   // Close was called
	reading  atomic.Bool   // Serve or Close reads
	readDone chan struct{} // closed when it does not any more
	pings    int           // sent so far
	pinged   bool          // the reply to one is awaited
}

// A manager is told what comes in on a Conn, from the goroutine of Serve.
type manager interface {
	received()                       // a stanza came in
	nonza(u wire.Unit) (ended error) // an element that is no stanza, of stream management
	probe()                          // nothing came in for long: ask for a sign of life
}

func newConn(raw net.Conn, on string, log *slog.Logger, t timing) *Conn {
	c := &Conn{on: on, log: log, timing: t, raw: raw, readDone: make(chan struct{})}
	c.move(raw)
	return c
}

// move puts another transport under the reader and the writer: TLS over raw.
func (c *Conn) move(t net.Conn) {
	if c.in == nil {
		c.in = newReader(t)
	}
	c.in.from = t
	c.out = newWriter(t, c.timing.write, func(err error) { c.fail(c.lost(err)) })
}

// start ends the negotiation: from now on stanzas flow.
func (c *Conn) start() {
	c.in.lexer.MaxBytes, c.in.lexer.MaxSkip = MaxStanza, maxSkip
	go c.out.run() // Close waits for it
}

// JID returns the full JID that was bound.
func (c *Conn) JID() string { return c.jid }

// Send sends one whole stanza. It may be called from any goroutine; the order
// of calls is the order on the wire. It returns when the stanza is in the
// buffer of at most MaxUnsent bytes, not when it is sent, and waits for room
// there up to 20 s (KindTimeout; the stream goes on). Any other error means
// that the stream has ended and says why. The bytes are copied.
func (c *Conn) Send(stanza []byte) error {
	return c.ended(c.out.send(stanza, c.on))
}

// offer queues a stanza if there is room, and else returns a channel that is
// closed when it is worth another try.
func (c *Conn) offer(stanza []byte) (room <-chan struct{}, err error) {
	room, err = c.out.offer(stanza)
	return room, c.ended(err)
}

func (c *Conn) ended(err error) error {
	if err == errEnding {
		return &Error{Kind: KindClosed, On: c.on, Err: errEnding}
	}
	return err
}

// closing tells whether the error of a send comes from Close.
func closing(err error) bool { return errors.Is(err, errEnding) }

// Serve reads until the stream ends and calls handle for each stanza, in
// order: name is message, presence or iq, raw belongs to handle. A stanza over
// a limit comes as its start tag alone, an empty element: strangers can send
// such a thing through the server, and it must not cost the stream. While
// handle runs nothing is read. It must not call Close.
//
// Serve may be called once. It returns nil after Close, the cause of ctx when
// that ends (the transport is closed at once, use Close for a clean end), and
// else an *Error: KindSilent when the server gave no sign of life for 45 s,
// KindConflict, KindPolicy for XML that is not allowed, KindStream or
// KindClosed. The transport is closed in each case.
func (c *Conn) Serve(ctx context.Context, handle func(name string, raw []byte)) error {
	if !c.reading.CompareAndSwap(false, true) {
		if c.closing.Load() {
			return nil // Close was first, and reads to the end itself
		}
		return &Error{Kind: KindClosed, On: c.on, Text: "it is read already"}
	}
	defer close(c.readDone)
	stop := context.AfterFunc(ctx, func() { c.fail(context.Cause(ctx)) })
	defer stop()
	return c.finish(c.read(handle))
}

// Close ends the stream: it sends what waits, then the end tag, waits for that
// of the server until ctx ends, and closes the transport. While Serve runs, it
// goes on handing out stanzas until then. An error says that the server did
// not answer in time. It may be called more than once, from any goroutine but
// that of handle.
func (c *Conn) Close(ctx context.Context) error {
	if c.out.cause() != nil {
		<-c.out.done
		return nil // it has ended before
	}
	c.closing.Store(true)
	c.out.end("", errEnding)
	late := func() {
		c.fail(&Error{Kind: KindTimeout, On: c.on, Text: "the server did not end the stream in time", Err: context.Cause(ctx)})
	}
	stop := context.AfterFunc(ctx, late)
	defer stop()
	if c.reading.CompareAndSwap(false, true) {
		c.finish(c.read(func(string, []byte) {}))
		close(c.readDone)
	}
	select {
	case <-c.readDone:
	case <-ctx.Done(): // a handler that hangs must not hang Close
		late()
	}
	<-c.out.done
	if err := c.out.cause(); err != errEnding {
		return err
	}
	return nil
}

// fail ends the stream at once, from any goroutine. The first cause counts.
func (c *Conn) fail(cause error) {
	c.out.stop(cause)
	c.raw.Close()
}

// read hands out stanzas until the stream ends and says why it did.
func (c *Conn) read(handle func(string, []byte)) error {
	for _, u := range c.early {
		handle(u.Name, u.Raw)
	}
	c.early = nil
	timeout := c.timing.idle
	for {
		for {
			u, ok := c.in.pop()
			if !ok {
				break
			}
			if err := c.deliver(u, handle); err != nil {
				return err
			}
		}
		if c.turn != nil {
			c.turn()
		}
		switch err := c.in.fill(timeout); {
		case err == nil:
			timeout = c.timing.idle
		case !isTimeout(err):
			err = c.readError(err)
			if streamErrorFor(err) == "" {
				c.fail(err) // nothing can be sent any more either
			}
			return err
		case timeout == c.timing.idle && !c.closing.Load() && !c.deaf():
			c.probe()
			timeout = c.timing.reply
		default:
			err = &Error{Kind: KindSilent, On: c.on, Text: fmt.Sprintf("nothing came in for %v", c.timing.idle+c.timing.reply), lost: true}
			c.fail(err)
			return err
		}
	}
}

// deliver handles one unit.
func (c *Conn) deliver(u wire.Unit, handle func(string, []byte)) error {
	switch {
	case u.Kind == wire.End:
		return &Error{Kind: KindClosed, On: c.on, Text: "the server ended the stream"}
	case isStanza(u):
		if c.manager != nil {
			c.manager.received() // before it is handled: an answer to <r/> covers it
		}
		if u.Cut {
			c.log.Debug("stanza over the limits cut to its start tag", "stanza", clean(string(u.Raw[:min(len(u.Raw), 200)])))
		}
		if !c.isPong(u) {
			handle(u.Name, u.Raw)
		}
	case u.Name == "error":
		if err := c.streamError(u); err != nil {
			return err
		}
	case c.manager != nil && isManagement(u):
		return c.manager.nonza(u)
	default:
		c.log.Debug("element ignored", "element", clean(u.Name), "server", c.on)
	}
	return nil
}

// isStanza tells whether u is a message, presence or iq in the namespace of
// the stream, which the header makes the default.
func isStanza(u wire.Unit) bool {
	switch u.Name {
	case "message", "presence", "iq":
		return len(u.Raw) > len(u.Name) && string(u.Raw[1:1+len(u.Name)]) == u.Name
	}
	return false
}

// isManagement tells whether u is an acknowledgement or a request for one
// (XEP-0198 section 4).
func isManagement(u wire.Unit) bool {
	return (u.Name == "r" || u.Name == "a") && len(u.Raw) < 512 && bytes.Contains(u.Raw, []byte(nsSM))
}

// deaf tells whether the last ping has no reply though bytes came: they all lie
// inside of a stanza that does not end.
func (c *Conn) deaf() bool { return c.pinged && c.in.lexer.Buffered() > 0 }

// probe asks for a sign of life.
func (c *Conn) probe() {
	if c.manager != nil {
		c.manager.probe()
		return
	}
	c.ping()
}

// ping asks the server for a sign of life. When there is no room to send it,
// the write under way will tell.
func (c *Conn) ping() {
	c.pings++
	b := []byte("<iq type='get'")
	b = wire.Attr(b, "id", PingID+strconv.Itoa(c.pings))
	b = wire.Attr(b, "to", c.domain)
	b = append(b, "><ping xmlns='urn:xmpp:ping'/></iq>"...)
	if room, err := c.out.offer(b); room == nil && err == nil {
		c.pinged = true
	}
}

// isPong tells whether u is the reply to a ping; an error is as good as a result.
func (c *Conn) isPong(u wire.Unit) bool {
	if !c.pinged || u.Name != "iq" || !bytes.Contains(u.Raw[:min(len(u.Raw), 1024)], []byte(PingID)) {
		return false
	}
	h, err := wire.Scan(u.Raw)
	if err != nil || h.ID != PingID+strconv.Itoa(c.pings) || h.Type != "result" && h.Type != "error" {
		return false
	}
	c.pinged = false
	return true
}

// finish closes the transport after the reading has ended with err, and
// returns what Serve returns. A stream that can still be written to gets its
// end, with a stream error if the server broke a rule.
func (c *Conn) finish(err error) error {
	if c.out.cause() == nil {
		why := err // err changes below
		c.out.end(streamErrorFor(why), why)
		t := time.AfterFunc(c.timing.end, func() { c.fail(why) })
		defer t.Stop()
		<-c.out.done
		if c.closing.Load() && asError(err).Kind == KindClosed {
			err = errEnding
		}
		if c.out.cause() == nil {
			_ = c.in.from.Close() // over TLS: says goodbye
		}
		c.fail(err)
	}
	<-c.out.done
	if c.closing.Load() {
		return nil
	}
	return err
}

// readError types the error of a read.
func (c *Conn) readError(err error) error {
	if cause := c.out.cause(); cause != nil {
		return cause // the transport was closed for this reason
	}
	if streamErrorFor(err) != "" {
		return &Error{Kind: KindPolicy, On: c.on, Text: "the server sent what it must not", Err: err}
	}
	return c.lost(err)
}

// lost types the failure of a transport.
func (c *Conn) lost(err error) error {
	if isTimeout(err) {
		return &Error{Kind: KindTimeout, On: c.on, Text: "the server does not take what is sent", Err: err, lost: true}
	}
	return &Error{Kind: KindClosed, On: c.on, Text: "the connection was lost", Err: err, lost: true}
}
