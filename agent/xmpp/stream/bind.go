package stream

import (
	"context"
	"encoding/xml"
	"io"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"pipit/agent/xmpp/wire"
)

const bindID = "bind"

// bind is the stream feature of RFC 6120 section 7. Unlike mellium's own it
// really asks for the resource, and resumes an older stream instead where it can.
func (n *negotiation) bind() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsBind, Local: "bind"},
		Necessary:  xmpp.Secure | xmpp.Authn,
		Prohibited: xmpp.Ready,
		Parse:      required,
		Negotiate: func(context.Context, *xmpp.Session, any) (xmpp.SessionState, io.ReadWriter, error) {
			if err := n.ready(); err != nil {
				return 0, nil, n.keep(err)
			}
			return xmpp.Ready, nil, nil
		},
	}
}

func (n *negotiation) bindResource() (full string, err error) {
	want := n.dialer.cfg.Resource
	b := []byte("<iq type='set' id='" + bindID + "'><bind xmlns='" + nsBind + "'>")
	if want != "" {
		b = append(b, "<resource>"...)
		b = wire.Escape(b, want)
		b = append(b, "</resource>"...)
	}
	u, err := n.ask(string(append(b, "</bind></iq>"...)))
	if err != nil {
		return "", err
	}
	var reply struct {
		XMLName xml.Name
		Type    string `xml:"type,attr"`
		ID      string `xml:"id,attr"`
		JID     string `xml:"urn:ietf:params:xml:ns:xmpp-bind bind>jid"`
		Error   struct {
			Any []struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"error"`
	}
	account := n.dialer.account
	fail := &Error{Kind: KindBind, On: account.String()}
	if want != "" {
		fail.On += "/" + want
	}
	err = n.conn.in.decode(u, &reply)
	if err != nil || reply.XMLName.Local != "iq" || reply.ID != bindID {
		fail.Text, fail.Err = "the server did not answer the request for it", err
		return "", fail
	}
	if reply.Type != "result" {
		fail.Text, fail.Condition = "the server refuses it", "undefined-condition"
		for _, a := range reply.Error.Any {
			if a.XMLName.Space == nsStanzaErrors && a.XMLName.Local != "text" {
				fail.Condition = clean(a.XMLName.Local)
			}
		}
		if fail.Condition == "conflict" {
			fail.Kind = KindConflict
		}
		return "", fail
	}
	bound, err := jid.Parse(reply.JID)
	if err != nil || !bound.Bare().Equal(account) || bound.Resourcepart() == "" {
		fail.Text, fail.Hint = "the server bound "+clean(reply.JID)+", which is not ours", "check the server"
		return "", fail
	}
	if want != "" && bound.Resourcepart() != want {
		n.conn.log.Warn("the server chose another resource than the one asked for", "asked", want, "bound", bound.String())
	}
	return bound.String(), nil
}
