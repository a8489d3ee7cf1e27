package stream

import (
	"context"
	"encoding/xml"
	"errors"
	"io"

	"mellium.im/xmpp"
)

// A Guest is on a stream with TLS on which nobody has logged in. It may not be
// used when the function that got it has returned.
type Guest struct{ negotiation *negotiation }

// Visit connects and encrypts as Dial does, and calls talk where Dial would log
// in: for what a server does for those without an account (XEP-0077). The stream
// is ended then. The password of cfg is not asked for.
//
// It takes at most 60 s, and talk has 30 s of them. The error is that of talk, or
// as of Dial when it did not get that far. Of several targets talk sees one.
func Visit(ctx context.Context, cfg Config, talk func(*Guest) error) error {
	d, err := newDialer(cfg)
	if err != nil {
		return err
	}
	var said error
	over := errors.New("the guest has left")
	d.talk = func(n *negotiation) error {
		said = talk(&Guest{n})
		return &Error{Kind: KindAuth, On: n.conn.on, Err: over} // final: no other target is tried
	}
	if _, _, err = d.run(ctx); errors.Is(err, over) {
		return said
	}
	if said != nil && ctx.Err() == nil {
		return said
	}
	return err
}

// Offers tells whether the server lists a feature of the stream.
func (g *Guest) Offers(space, name string) bool {
	return g.negotiation.offered.others[xml.Name{Space: space, Local: name}]
}

// Ask sends an element and reads the next one that comes into reply, as
// encoding/xml does. It waits 15 s between two reads; an answer has at most 64 KiB.
func (g *Guest) Ask(element []byte, reply any) error {
	u, err := g.negotiation.ask(string(element))
	if err != nil {
		return err
	}
	if err := g.negotiation.conn.in.decode(u, reply); err != nil {
		return &Error{Kind: KindStream, On: g.negotiation.conn.on, Text: "an answer cannot be read", Err: err}
	}
	return nil
}

// registrations are the features that tell whether an account can be made: by
// XEP-0077 section 8 and XEP-0445 section 3.
var registrations = []xml.Name{
	{Space: "http://jabber.org/features/iq-register", Local: "register"},
	{Space: "urn:xmpp:ibr-token:0", Local: "register"},
}

// visit are the features for a guest, in place of the login.
func (n *negotiation) visit() []xmpp.StreamFeature {
	login := n.sasl()
	login.Negotiate = func(context.Context, *xmpp.Session, any) (xmpp.SessionState, io.ReadWriter, error) {
		return 0, nil, n.keep(n.dialer.talk(n))
	}
	list := []xmpp.StreamFeature{n.startTLS(), login}
	for _, name := range registrations {
		list = append(list, xmpp.StreamFeature{
			Name: name,
			Parse: func(_ context.Context, d *xml.Decoder, _ *xml.StartElement) (bool, any, error) {
				if n.offered.others == nil {
					n.offered.others = make(map[xml.Name]bool)
				}
				n.offered.others[name] = true
				return false, nil, d.Skip()
			},
		})
	}
	return list
}
