package xmpptest

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net"
	"slices"
	"strings"

	"mellium.im/sasl"
)

const (
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSM   = "urn:xmpp:sm:3"

	scramRounds = 4096
	scramSalt   = "hostile-test-salt"
)

var (
	errInstead = errors.New("answered otherwise")
	errLogin   = errors.New("login refused")
)

// serve logs a client in and then answers it until it goes.
func (h *Hostile) serve(conn net.Conn, b Behaviour) {
	s := &Session{behaviour: b, inbox: newInbox(), done: make(chan struct{})}
	defer close(s.done)
	err := h.logIn(s, conn)
	if errors.Is(err, errInstead) && !b.HangUp {
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
	s.answer()
}

func (h *Hostile) logIn(s *Session, conn net.Conn) error {
	s.stream = newStream(conn)
	if !s.behaviour.Direct {
		if err := s.startTLS(); err != nil {
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
	return s.bind()
}

// say sends the right answer or what the behaviour has in its place.
func (s *Session) say(at Stage, right string) error {
	if raw, ok := s.behaviour.Instead[at]; ok {
		_ = s.stream.flood(raw, s.behaviour.Flood, s.behaviour.FloodSize, "")
		return errInstead
	}
	return s.stream.send(right)
}

// open reads the client's stream header and answers it with features.
func (s *Session) open(at Stage, features string) error {
	if err := s.stream.open(); err != nil {
		return err
	}
	return s.say(at, "<?xml version='1.0'?><stream:stream from='"+Domain+"' id='hostile' version='1.0' xml:lang='en'"+
		" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"+
		"<stream:features>"+features+"</stream:features>")
}

func (s *Session) startTLS() error {
	const ns = "urn:ietf:params:xml:ns:xmpp-tls"
	if err := s.open(AtHeader, "<starttls xmlns='"+ns+"'><required/></starttls>"); err != nil {
		return err
	}
	if raw, err := s.stream.element(); err != nil || !strings.Contains(raw, "starttls") {
		return errLogin
	}
	return s.say(AtStartTLS, "<proceed xmlns='"+ns+"'/>")
}

func (s *Session) mechanisms() []string {
	if s.behaviour.Mechanisms == nil {
		return []string{"SCRAM-SHA-1"}
	}
	return s.behaviour.Mechanisms
}

// authenticate runs SASL (RFC 6120 section 6).
func (h *Hostile) authenticate(s *Session) error {
	offer := "<mechanism>" + strings.Join(s.mechanisms(), "</mechanism><mechanism>") + "</mechanism>"
	if err := s.open(AtLogin, "<mechanisms xmlns='"+nsSASL+"'>"+offer+"</mechanisms>"); err != nil {
		return err
	}
	message, err := s.readSASL()
	if err != nil {
		return err
	}
	s.Mechanism = message.Mechanism
	h.mu.Lock()
	h.tried = append(h.tried, s.Mechanism)
	h.mu.Unlock()
	mech, ok := s.negotiator(message.Mechanism)
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
			return s.say(AtSuccess, "<success xmlns='"+nsSASL+"'>"+encoded+"</success>")
		}
		if err := s.say(at, "<challenge xmlns='"+nsSASL+"'>"+encoded+"</challenge>"); err != nil {
			return err
		}
		if message, err = s.readSASL(); err != nil {
			return err
		}
	}
}

func (s *Session) negotiator(name string) (*sasl.Negotiator, bool) {
	known := map[string]sasl.Mechanism{"SCRAM-SHA-1": sasl.ScramSha1, "SCRAM-SHA-256": sasl.ScramSha256, "PLAIN": sasl.Plain}
	mech, ok := known[name]
	if !ok || !slices.Contains(s.mechanisms(), name) {
		return nil, false
	}
	plain := func(n *sasl.Negotiator) bool {
		user, password, _ := n.Credentials()
		s.user = string(user)
		return string(password) == Password(s.user)
	}
	scram := func(user, _ []byte, mechanism string) (salt, salted []byte, rounds int64, err error) {
		s.user = string(user)
		return []byte(scramSalt), saltPassword(mechanism, Password(s.user)), cmp.Or(s.behaviour.Iterations, scramRounds), nil
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
func (s *Session) bind() error {
	features := "<bind xmlns='" + nsBind + "'/>" + s.behaviour.Features
	if s.behaviour.Manage {
		features += "<sm xmlns='" + nsSM + "'/>"
	}
	if err := s.open(AtFeatures, features); err != nil {
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
	s.JID = cmp.Or(s.behaviour.BindJID, JID(s.user)+"/"+cmp.Or(iq.Bind.Resource, "hostile"))
	return s.say(AtBind, "<iq type='result' id='"+escape(iq.ID)+"'><bind xmlns='"+nsBind+"'><jid>"+escape(s.JID)+"</jid></bind></iq>")
}
