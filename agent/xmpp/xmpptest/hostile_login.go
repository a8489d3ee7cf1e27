package xmpptest

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"mellium.im/sasl"
)

const (
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"

	scramRounds = 4096
	scramSalt   = "hostile-test-salt"
)

var (
	errInstead = errors.New("answered otherwise")
	errLogin   = errors.New("login refused")
)

// serve logs a client in and then answers it until it goes.
func (h *Hostile) serve(conn net.Conn) {
	s := &Session{inbox: newInbox(), done: make(chan struct{})}
	defer close(s.done)
	err := h.logIn(s, conn)
	if errors.Is(err, errInstead) && !h.behaviour.HangUp {
		s.stream.drain()
	}
	if err != nil {
		return
	}
	select {
	case h.sessions <- s:
	default: // nobody asks for so many
		return
	}
	h.answer(s)
}

func (h *Hostile) logIn(s *Session, conn net.Conn) error {
	s.stream = newStream(conn)
	if !h.behaviour.Direct {
		if err := h.startTLS(s); err != nil {
			return err
		}
	}
	secure := tls.Server(s.stream.conn, h.tls)
	if err := secure.HandshakeContext(h.ctx); err != nil {
		return err
	}
	s.stream = newStream(secure)
	if err := h.authenticate(s); err != nil {
		return err
	}
	return h.bind(s)
}

// say sends the right answer or what the behaviour has in its place.
func (h *Hostile) say(s *Session, at Stage, right string) error {
	if raw, ok := h.behaviour.Instead[at]; ok {
		_ = s.stream.send(raw)
		return errInstead
	}
	return s.stream.send(right)
}

// open reads the client's stream header and answers it with features.
func (h *Hostile) open(s *Session, at Stage, features string) error {
	if err := s.stream.open(); err != nil {
		return err
	}
	return h.say(s, at, "<?xml version='1.0'?><stream:stream from='"+Domain+"' id='hostile' version='1.0' xml:lang='en'"+
		" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"+
		"<stream:features>"+features+"</stream:features>")
}

func (h *Hostile) startTLS(s *Session) error {
	const ns = "urn:ietf:params:xml:ns:xmpp-tls"
	if err := h.open(s, AtHeader, "<starttls xmlns='"+ns+"'><required/></starttls>"); err != nil {
		return err
	}
	if raw, err := s.stream.element(); err != nil || !strings.Contains(raw, "starttls") {
		return errLogin
	}
	return h.say(s, AtStartTLS, "<proceed xmlns='"+ns+"'/>")
}

func (h *Hostile) mechanisms() []string {
	if h.behaviour.Mechanisms == nil {
		return []string{"SCRAM-SHA-1"}
	}
	return h.behaviour.Mechanisms
}

// authenticate runs SASL (RFC 6120 section 6).
func (h *Hostile) authenticate(s *Session) error {
	offer := "<mechanism>" + strings.Join(h.mechanisms(), "</mechanism><mechanism>") + "</mechanism>"
	if err := h.open(s, AtLogin, "<mechanisms xmlns='"+nsSASL+"'>"+offer+"</mechanisms>"); err != nil {
		return err
	}
	message, err := s.readSASL()
	if err != nil {
		return err
	}
	s.Mechanism = message.Mechanism
	mech, ok := h.negotiator(s, message.Mechanism)
	if !ok {
		return s.refuse("invalid-mechanism")
	}
	at := AtAuth
	for {
		more, reply, err := mech.Step(message.data)
		if err != nil {
			return s.refuse("not-authorized")
		}
		encoded := base64.StdEncoding.EncodeToString(reply)
		if !more {
			return h.say(s, AtSuccess, "<success xmlns='"+nsSASL+"'>"+encoded+"</success>")
		}
		if err := h.say(s, at, "<challenge xmlns='"+nsSASL+"'>"+encoded+"</challenge>"); err != nil {
			return err
		}
		if message, err = s.readSASL(); err != nil {
			return err
		}
	}
}

func (h *Hostile) negotiator(s *Session, name string) (*sasl.Negotiator, bool) {
	known := map[string]sasl.Mechanism{"SCRAM-SHA-1": sasl.ScramSha1, "SCRAM-SHA-256": sasl.ScramSha256, "PLAIN": sasl.Plain}
	mech, ok := known[name]
	if !ok || !slices.Contains(h.mechanisms(), name) {
		return nil, false
	}
	plain := func(n *sasl.Negotiator) bool {
		user, password, _ := n.Credentials()
		s.user = string(user)
		return string(password) == Password(s.user)
	}
	scram := func(user, _ []byte, mechanism string) (salt, salted []byte, rounds int64, err error) {
		s.user = string(user)
		return []byte(scramSalt), saltPassword(mechanism, Password(s.user)), cmp.Or(h.behaviour.Iterations, scramRounds), nil
	}
	return sasl.NewServer(mech, plain, sasl.SaltedCredentials(scram)), true
}

func saltPassword(mechanism, password string) []byte {
	newHash := sha1.New
	if mechanism == "SCRAM-SHA-256" {
		newHash = sha256.New
	}
	return sasl.SCRAMSaltPassword(newHash, []byte(password), []byte(scramSalt), scramRounds)
}

type saslMessage struct {
	XMLName   xml.Name
	Mechanism string `xml:"mechanism,attr"`
	Text      string `xml:",chardata"`
	data      []byte
}

func (s *Session) readSASL() (m saslMessage, err error) {
	raw, err := s.stream.element()
	if err != nil {
		return m, err
	}
	if err := xml.Unmarshal([]byte(raw), &m); err != nil {
		return m, err
	}
	if m.XMLName.Space != nsSASL || m.XMLName.Local == "abort" {
		return m, errLogin
	}
	m.data, err = base64.StdEncoding.DecodeString(m.Text)
	return m, err
}

// refuse sends a SASL failure and lets the client go.
func (s *Session) refuse(condition string) error {
	_ = s.stream.send("<failure xmlns='" + nsSASL + "'><" + condition + "/></failure>")
	s.stream.drain()
	return errLogin
}

// bind runs resource binding (RFC 6120 section 7).
func (h *Hostile) bind(s *Session) error {
	if err := h.open(s, AtFeatures, "<bind xmlns='"+nsBind+"'/>"+h.behaviour.Features); err != nil {
		return err
	}
	raw, err := s.stream.element()
	if err != nil {
		return err
	}
	var iq struct {
		ID   string `xml:"id,attr"`
		Bind struct {
			Resource string `xml:"resource"`
		} `xml:"urn:ietf:params:xml:ns:xmpp-bind bind"`
	}
	if err := xml.Unmarshal([]byte(raw), &iq); err != nil {
		return err
	}
	s.JID = cmp.Or(h.behaviour.BindJID, JID(s.user)+"/"+cmp.Or(iq.Bind.Resource, "hostile"))
	return h.say(s, AtBind, "<iq type='result' id='"+escape(iq.ID)+"'><bind xmlns='"+nsBind+"'><jid>"+escape(s.JID)+"</jid></bind></iq>")
}

// answer takes what the client sends until it goes.
func (h *Hostile) answer(s *Session) {
	for {
		raw, err := s.stream.element()
		if err != nil {
			why := "the client has gone"
			if !errors.Is(err, io.EOF) {
				why = err.Error()
			}
			_ = s.stream.send("</stream:stream>")
			s.inbox.end(why)
			return
		}
		s.inbox.put(raw)
		if reply := h.replyTo(raw); reply != "" {
			_ = s.stream.send(reply)
		}
	}
}

func (h *Hostile) replyTo(raw string) string {
	var iq struct {
		XMLName xml.Name
		ID      string `xml:"id,attr"`
		To      string `xml:"to,attr"`
		Type    string `xml:"type,attr"`
	}
	if xml.Unmarshal([]byte(raw), &iq) != nil || iq.XMLName.Local != "iq" || iq.Type != "get" && iq.Type != "set" {
		return ""
	}
	if h.behaviour.Answer != nil {
		if reply, ok := h.behaviour.Answer(raw); ok {
			return reply
		}
	}
	from := ""
	if iq.To != "" {
		from = " from='" + escape(iq.To) + "'"
	}
	return "<iq type='result' id='" + escape(iq.ID) + "'" + from + "/>"
}
