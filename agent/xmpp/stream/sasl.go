package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/secure/precis"
	"mellium.im/sasl"
	"mellium.im/xmpp"

	"pipit/agent/xmpp/wire"
)

// mechanisms are those that are used, best first: with channel binding before
// without, the stronger hash before the weaker (RFC 5802, RFC 7677).
var mechanisms = []sasl.Mechanism{
	sasl.ScramSha256Plus, sasl.ScramSha1Plus, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain,
}

func bindsChannel(m sasl.Mechanism) bool { return strings.HasSuffix(m.Name, "-PLUS") }

// sasl is the stream feature of RFC 6120 section 6.
func (n *negotiation) sasl() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsSASL, Local: "mechanisms"},
		Necessary:  xmpp.Secure,
		Prohibited: xmpp.Authn,
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			var v struct {
				Mechanism []string `xml:"mechanism"`
			}
			err := d.DecodeElement(&v, start)
			n.offered.mechanisms = v.Mechanism
			return true, nil, err
		},
		Negotiate: func(context.Context, *xmpp.Session, any) (xmpp.SessionState, io.ReadWriter, error) {
			if err := n.login(); err != nil {
				return 0, nil, n.keep(err)
			}
			n.authenticated = true
			if stray := n.conn.in.restart(); stray > 0 {
				n.conn.log.Debug("the server sent more before the new stream than it may", "server", n.conn.on)
			}
			return xmpp.Authn, n, nil
		},
	}
}

// channelBindings reads which types of channel binding the server knows (XEP-0440).
func (n *negotiation) channelBindings() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name: xml.Name{Space: nsSASLCB, Local: "sasl-channel-binding"},
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			var v struct {
				Binding []struct {
					Type string `xml:"type,attr"`
				} `xml:"channel-binding"`
			}
			err := d.DecodeElement(&v, start)
			n.offered.announced = true
			for _, b := range v.Binding {
				n.offered.bindings = append(n.offered.bindings, b.Type)
			}
			return false, nil, err
		},
	}
}

// choose returns the mechanisms that may be tried, best first. Channel binding
// is only tried where it can work: over TLS 1.3 many servers offer it and know
// tls-unique alone, which TLS 1.3 does not have.
func choose(offered features, state tls.ConnectionState, plain bool) []sasl.Mechanism {
	binding := "tls-unique"
	works := len(state.TLSUnique) > 0 && (!offered.announced || slices.Contains(offered.bindings, binding))
	if state.Version >= tls.VersionTLS13 {
		binding = "tls-exporter" // RFC 9266
		works = slices.Contains(offered.bindings, binding)
	}
	var list []sasl.Mechanism
	for _, m := range mechanisms {
		switch {
		case !slices.Contains(offered.mechanisms, m.Name):
		case bindsChannel(m) && !works:
		case m.Name == sasl.Plain.Name && !plain:
		default:
			list = append(list, m)
		}
	}
	return list
}

// login authenticates, with channel binding if possible. When that fails in a
// way that channel binding may be the cause of, the best mechanism without it
// is tried once.
func (n *negotiation) login() error {
	state, ok := n.tlsState()
	if !ok {
		return &Error{Kind: KindTLS, On: n.conn.on, Text: "no password is sent without TLS"}
	}
	list := choose(n.offered, state, n.dialer.cfg.AllowPlain)
	if len(list) == 0 {
		return &Error{Kind: KindNoMechanism, On: n.conn.on, Text: "the server offers " + cmp.Or(clean(strings.Join(n.offered.mechanisms, ", ")), "nothing")}
	}
	password, err := n.password()
	if err != nil {
		return err
	}
	m := list[0]
	err = n.authenticate(m, password, state)
	if e := asError(err); e != nil && bindsChannel(m) && bindingFailed(e) {
		without := slices.IndexFunc(list, func(m sasl.Mechanism) bool { return !bindsChannel(m) })
		if without < 0 {
			return err
		}
		n.conn.log.Debug("channel binding failed", "server", n.conn.on, "mechanism", m.Name, "error", err)
		if e.Err != nil { // we ended the exchange, the server does not know yet
			if _, err := n.ask("<abort xmlns='" + nsSASL + "'/>"); err != nil {
				return err
			}
		}
		m = list[without]
		err = n.authenticate(m, password, state)
	}
	if err == nil {
		n.conn.peer.Mechanism, n.conn.peer.Offered = m.Name, n.offered.mechanisms
		n.conn.log.Info("logged in", "server", n.conn.on, "tls", tls.VersionName(state.Version), "mechanism", m.Name)
	}
	return err
}

// password returns the password as RFC 8265 prepares it.
func (n *negotiation) password() (string, error) {
	fail := &Error{Kind: KindAuth, On: n.dialer.account.String(), Hint: "check the password's file or key in the config"}
	if n.dialer.cfg.Password == nil {
		fail.Text = "there is no password"
		return "", fail
	}
	p, err := n.dialer.cfg.Password()
	if err != nil {
		fail.Text, fail.Err = "the password cannot be read", err
		return "", fail
	}
	p, err = precis.OpaqueString.String(p)
	if err != nil { // its text could quote the password
		fail.Text = "the password is empty or holds characters that a password must not have"
		return "", fail
	}
	return p, nil
}

// bindingFailed tells whether a login with channel binding may do without.
func bindingFailed(e *Error) bool {
	switch e.Condition {
	case "not-authorized", "malformed-request", "incorrect-encoding", "invalid-mechanism", "aborted":
		return true
	}
	return errors.Is(e, errBinding) || strings.Contains(e.Condition, "channel-binding")
}

// A saslReply is a challenge, a success or a failure.
type saslReply struct {
	XMLName xml.Name
	Data    string `xml:",chardata"`
	Any     []struct {
		XMLName xml.Name
		Text    string `xml:",chardata"`
	} `xml:",any"`
}

// authenticate does one exchange with one mechanism.
func (n *negotiation) authenticate(m sasl.Mechanism, password string, state tls.ConnectionState) error {
	on := n.dialer.account.String()
	x := newExchange(m, n.dialer.account.Localpart(), password, n.offered.mechanisms, state)
	first, err := x.start()
	if err != nil {
		return x.failed(on, err)
	}
	u, err := n.ask("<auth xmlns='" + nsSASL + "' mechanism='" + m.Name + "'>" + encode(first) + "</auth>")
	for err == nil {
		var reply saslReply
		var data, response []byte
		if reply, data, err = n.saslReply(u); err != nil {
			return err
		}
		switch reply.XMLName.Local {
		case "failure":
			return failure(reply, on)
		case "success":
			if err := x.success(data); err != nil {
				return x.failed(on, err)
			}
			return nil
		}
		if response, err = x.challenge(data); err != nil {
			return x.failed(on, err)
		}
		u, err = n.ask("<response xmlns='" + nsSASL + "'>" + encode(response) + "</response>")
	}
	return err
}

func (n *negotiation) saslReply(u wire.Unit) (reply saslReply, data []byte, err error) {
	fail := &Error{Kind: KindStream, On: n.conn.on, Text: "the server broke the rules of the login"}
	if fail.Err = n.conn.in.decode(u, &reply); fail.Err != nil {
		return reply, nil, fail
	}
	switch name := reply.XMLName; {
	case name.Space == nsSASL && name.Local == "failure":
		return reply, nil, nil
	case name.Space != nsSASL, name.Local != "challenge" && name.Local != "success":
		fail.Text = "the server answered the login with " + clean(name.Local)
		return reply, nil, fail
	}
	text := strings.TrimSpace(reply.Data)
	if text == "=" {
		return reply, nil, nil
	}
	if data, err = base64.StdEncoding.DecodeString(text); err != nil {
		return reply, nil, fail
	}
	return reply, data, nil
}

// encode writes what goes into an auth or response element; nothing at all is
// written as "=" (RFC 6120 section 6.4.2).
func encode(data []byte) string {
	if len(data) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(data)
}

// failure types a SASL failure (RFC 6120 section 6.5).
func failure(reply saslReply, on string) error {
	e := &Error{Kind: KindAuth, On: on, Text: "refused", Condition: "not-authorized"}
	for _, a := range reply.Any {
		switch {
		case a.XMLName.Local == "text":
			e.Said = clean(a.Text)
		case a.XMLName.Space == nsSASL:
			e.Condition = clean(a.XMLName.Local)
		}
	}
	switch e.Condition {
	case "invalid-mechanism", "mechanism-too-weak", "encryption-required":
		e.Kind = KindNoMechanism
	}
	return e
}
