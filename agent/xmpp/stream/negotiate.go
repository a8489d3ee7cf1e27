package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"runtime/debug"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"pipit/agent/xmpp/wire"
)

// A negotiation takes one transport from the first header to a bound resource.
// It is the io.ReadWriter of mellium's Session, which therefore has no deadline
// to set and no connection to close.
type negotiation struct {
	dialer *dialer
	conn   *Conn
	ctx    context.Context // ends the TLS handshake of STARTTLS
	unread []byte          // of the unit that the Session is reading
	err    error           // the first one of ours: the Session's own would be vague

	offered       features
	authenticated bool
	bound         string // the full JID, once bound or resumed
	sm            management
}

// features holds what the server offers for the login on the present stream.
type features struct {
	mechanisms []string
	bindings   []string          // channel binding types (XEP-0440)
	announced  bool              // bindings were announced at all
	others     map[xml.Name]bool // for a guest
}

// negotiate runs mellium's Session until the stream is ready.
func (d *dialer) negotiate(ctx context.Context, c *Conn) (management, error) {
	n := &negotiation{dialer: d, conn: c, ctx: ctx, sm: management{wanted: d.manage, old: d.old}}
	err := n.session()
	if err == nil && n.bound == "" {
		err = n.incomplete()
	}
	if err != nil {
		n.giveUp(err)
		return management{}, err
	}
	c.jid, c.domain = n.bound, d.account.Domainpart()
	return n.sm, nil
}

func (n *negotiation) session() (err error) {
	defer func() {
		if p := recover(); p != nil {
			n.conn.log.Error("negotiation panicked", "panic", p, "stack", string(debug.Stack()))
			err = &Error{Kind: KindStream, On: n.conn.on, Text: "the negotiation failed inside Pipit", Hint: "the log has the details: report it"}
		}
	}()
	var state xmpp.SessionState
	var origin jid.JID // nobody, before TLS
	if _, secure := n.tlsState(); secure {
		state, origin = xmpp.Secure, n.dialer.account
	}
	list := []xmpp.StreamFeature{n.startTLS(), n.sasl(), n.channelBindings(), n.manageFeature(), n.bind()}
	if n.dialer.talk != nil {
		list = n.visit()
	}
	_, err = xmpp.NewSession(context.Background(), n.dialer.account.Domain(), origin, n, state,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: list}
		}))
	switch {
	case err == nil:
		return nil
	case n.err != nil:
		return n.err
	default:
		return &Error{Kind: KindStream, On: n.conn.on, Text: "the server broke the rules of the negotiation", Err: err}
	}
}

// incomplete types the end of a negotiation in which the Session was content
// with a list that offered nothing more.
func (n *negotiation) incomplete() error {
	if !n.authenticated {
		return &Error{Kind: KindNoMechanism, On: n.conn.on, Text: "the server offers no login"}
	}
	return &Error{Kind: KindBind, On: n.dialer.account.String(), Text: "the server offers no resource binding", Hint: "check the server"}
}

// giveUp ends a stream that failed, with the stream error that err calls for.
// Nobody waits for an answer.
func (n *negotiation) giveUp(err error) {
	n.conn.out.timeout = n.dialer.timing.end
	_ = n.conn.out.write([]byte(streamErrorFor(err) + streamEnd))
}

// keep remembers the first error of ours.
func (n *negotiation) keep(err error) error {
	if n.err == nil {
		n.err = err
	}
	return err
}

// Write sends what the Session writes: stream headers.
func (n *negotiation) Write(p []byte) (int, error) {
	if err := n.conn.out.write(p); err != nil {
		return 0, n.keep(n.conn.lost(err))
	}
	return len(p), nil
}

// Read gives the Session bytes of one unit at a time.
func (n *negotiation) Read(p []byte) (int, error) {
	if len(n.unread) == 0 {
		u, err := n.next()
		if err == nil && u.Kind == wire.Header {
			err = n.checkHeader(u)
		}
		if err != nil {
			return 0, n.keep(err)
		}
		n.unread = u.Raw
	}
	k := copy(p, n.unread)
	n.unread = n.unread[k:]
	return k, nil
}

// next returns the next unit that is neither a stream error nor the end.
func (n *negotiation) next() (wire.Unit, error) {
	u, err := n.conn.in.next(n.dialer.timing.read)
	switch {
	case err != nil && isTimeout(err):
		return u, n.atFirst(&Error{Kind: KindTimeout, On: n.conn.on, Text: "the server is silent"})
	case err != nil:
		return u, n.atFirst(n.conn.readError(err))
	case u.Kind == wire.End:
		return u, &Error{Kind: KindClosed, On: n.conn.on, Text: "the server ended the stream"}
	case u.Kind == wire.Element && u.Name == "error":
		return u, n.conn.streamError(u)
	}
	return u, nil
}

// atFirst adds what is likely when the server has not even sent a header.
func (n *negotiation) atFirst(err error) error {
	_, secure := n.tlsState()
	if e := asError(err); e != nil && !secure && n.conn.in.header == nil {
		e.Hint = hintPort
	}
	return err
}

// ask sends an element and returns the next one that comes in.
func (n *negotiation) ask(element string) (wire.Unit, error) {
	if err := n.conn.out.write([]byte(element)); err != nil {
		return wire.Unit{}, n.conn.lost(err)
	}
	return n.next()
}

// checkHeader refuses what is not the stream of a server for clients.
func (n *negotiation) checkHeader(u wire.Unit) error {
	var start xml.StartElement
	d := xml.NewDecoder(bytes.NewReader(u.Raw))
	for start.Name.Local == "" {
		tok, err := d.Token()
		if err != nil {
			return &Error{Kind: KindStream, On: n.conn.on, Text: "the stream header cannot be read", Err: err}
		}
		start, _ = tok.(xml.StartElement)
	}
	content := ""
	for _, a := range start.Attr {
		if a.Name == (xml.Name{Local: "xmlns"}) {
			content = a.Value
		}
	}
	if start.Name != (xml.Name{Space: nsStream, Local: "stream"}) || content != nsClient {
		return &Error{Kind: KindStream, On: n.conn.on, Text: fmt.Sprintf("%q in %q is no stream for clients", clean(start.Name.Local), clean(content)),
			Hint: "check the port: 5222 is usual, 5269 is for servers"}
	}
	n.offered, n.sm.offered = features{}, false // what was offered before TLS does not count
	return nil
}

// required parses a feature that has to be negotiated and says nothing more.
func required(_ context.Context, d *xml.Decoder, _ *xml.StartElement) (bool, any, error) {
	return true, nil, d.Skip()
}

// tlsState returns the state of the TLS connection; ok is false without one.
func (n *negotiation) tlsState() (state tls.ConnectionState, ok bool) {
	t, ok := n.conn.in.from.(*tls.Conn)
	if !ok {
		return state, false
	}
	return t.ConnectionState(), true
}
