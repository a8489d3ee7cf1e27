package xmpptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"pipit/agent/xmpp/server"
)

func TestHostileWithSlixmpp(t *testing.T) {
	h := NewHostile(t, Behaviour{})
	// All that the client needs to know of a server.
	c := Slixmpp(t, &server.Server{Addr: h.Addr, CAFile: h.CAFile}, "owner/phone")
	s := h.Next(t)
	if want := JID(Owner) + "/phone"; s.JID != want || c.JID != want || s.Mechanism != "SCRAM-SHA-1" {
		t.Errorf("bound %q with %s, the client says %q, want %q", s.JID, s.Mechanism, c.JID, want)
	}
	s.Expect(t, Has("<iq", "jabber:iq:roster"))
	s.Expect(t, Has("<presence"))
	c.SendRaw("<message to='a@b.example' id='x'><body>a &amp; b</body></message>")
	if got, want := s.Expect(t, Has("<message")), "<message to='a@b.example' id='x'><body>a &amp; b</body></message>"; got != want {
		t.Errorf("the server saw %s, want %s", got, want)
	}
	if got := c.IQ("pubsub."+Domain, "get", "<query xmlns='urn:example:x'/>"); !strings.Contains(got, `from="pubsub.`+Domain+`"`) {
		t.Errorf("the answer comes from elsewhere: %s", got)
	}
	for _, raw := range []string{"<message from='x@y.exam", "ple'><body>split</body></message>"} {
		if err := s.Send(raw); err != nil {
			t.Fatal(err)
		}
	}
	c.Wait(Has("<body>split</body>"), 10*time.Second)
	c.Close()
	<-s.Done()
}

// logIn logs in as Device with mellium.
func logIn(t *testing.T, h *Hostile, mechs ...sasl.Mechanism) (*xmpp.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	conf := &tls.Config{RootCAs: h.Pool, ServerName: Domain}
	features := []xmpp.StreamFeature{xmpp.StartTLS(conf), xmpp.SASL("", Password(Device), mechs...), xmpp.BindResource()}
	rw, state := io.ReadWriter(conn), xmpp.SessionState(0)
	if h.behaviour.Direct {
		conf.NextProtos = []string{"xmpp-client"}
		rw, state, features = tls.Client(conn, conf), xmpp.Secure, features[1:]
	}
	self := jid.MustParse(JID(Device))
	return xmpp.NewSession(ctx, self.Domain(), self, rw, state, xmpp.NewNegotiator(
		func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features}
		}))
}

func TestHostileLogin(t *testing.T) {
	tests := map[string]struct {
		behaviour Behaviour
		mechs     []sasl.Mechanism
		jid       string // "" if the login must fail
	}{
		"starttls":   {Behaviour{}, []sasl.Mechanism{sasl.ScramSha1}, JID(Device) + "/hostile"},
		"direct":     {Behaviour{Direct: true}, []sasl.Mechanism{sasl.ScramSha1}, JID(Device) + "/hostile"},
		"sha-256":    {Behaviour{Mechanisms: []string{"SCRAM-SHA-256"}}, []sasl.Mechanism{sasl.ScramSha256}, JID(Device) + "/hostile"},
		"plain":      {Behaviour{Mechanisms: []string{"PLAIN"}}, []sasl.Mechanism{sasl.Plain}, JID(Device) + "/hostile"},
		"another":    {Behaviour{BindJID: "other@" + Domain + "/x"}, []sasl.Mechanism{sasl.ScramSha1}, "other@" + Domain + "/x"},
		"expired":    {Behaviour{Cert: BadCerts()["expired"]}, []sasl.Mechanism{sasl.ScramSha1}, ""},
		"iterations": {Behaviour{Iterations: 5000}, []sasl.Mechanism{sasl.ScramSha1}, ""},
		"unknown":    {Behaviour{Mechanisms: []string{"PLAIN"}}, []sasl.Mechanism{sasl.ScramSha1}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := NewHostile(t, tt.behaviour)
			session, err := logIn(t, h, tt.mechs...)
			switch {
			case tt.jid == "" && err == nil:
				t.Error("logged in")
			case tt.jid == "":
			case err != nil:
				t.Error(err)
			case session.LocalAddr().String() != tt.jid || h.Next(t).JID != tt.jid:
				t.Errorf("bound %q, want %q", session.LocalAddr(), tt.jid)
			}
			if n := h.Connections(); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

func TestHostileBehavesWellAtLast(t *testing.T) {
	h := NewHostile(t, Behaviour{Mechanisms: []string{"PLAIN"}, Instead: map[Stage]string{AtSuccess: "<x>"}, Flood: "<y/>", FloodSize: 1e6, HangUp: true, Times: 2})
	for i, mech := range []sasl.Mechanism{sasl.ScramSha1, sasl.Plain, sasl.ScramSha1} {
		if _, err := logIn(t, h, mech); (err == nil) != (i == 2) {
			t.Errorf("login %d: %v", i, err)
		}
	}
	if got, want := strings.Join(h.Tried(), " "), "PLAIN SCRAM-SHA-1"; got != want {
		t.Errorf("tried %s, want %s", got, want)
	}
}

func TestHostileManages(t *testing.T) {
	h := NewHostile(t, Behaviour{Manage: true})
	session, err := logIn(t, h, sasl.ScramSha1)
	if err != nil {
		t.Fatal(err)
	}
	conn := session.Conn()
	if _, err := io.WriteString(conn, "<enable xmlns='urn:xmpp:sm:3'/><message id='1'/><presence/><r xmlns='urn:xmpp:sm:3'/><message id='2'/>"); err != nil {
		t.Fatal(err)
	}
	s := h.Next(t)
	s.Expect(t, Has("id='2'"))
	if got := s.Take(); len(got) != 2 || len(s.Inbox()) != 0 {
		t.Errorf("%d stanzas are left, want 2", len(got))
	}
	if err := s.Flood("<a>", "bc", 5, "</a>"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	all, _ := io.ReadAll(conn)
	if want := "<enabled xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='2'/><a>bcbc</a>"; string(all) != want {
		t.Errorf("answers %s, want %s", all, want)
	}
}

func TestHostileInstead(t *testing.T) {
	const gone = "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
	for _, at := range []Stage{AtHeader, AtStartTLS, AtLogin, AtAuth, AtSuccess, AtFeatures, AtBind} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			h := NewHostile(t, Behaviour{Instead: map[Stage]string{at: gone}, HangUp: true})
			if _, err := logIn(t, h, sasl.ScramSha1); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("login: %v, want another error", err)
			}
		})
	}
}

func TestHostileSilence(t *testing.T) {
	h := NewHostile(t, Behaviour{Instead: map[Stage]string{AtHeader: "<half"}})
	conn := dial(t, h.Addr)
	if _, err := io.WriteString(conn, "<stream:stream xmlns:stream='x'>"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "<half" {
		t.Fatalf("got %q, %v", got, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout net.Error
	if _, err := conn.Read(got); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("after the bytes: %v, want silence", err)
	}
}

func TestHostileAnswer(t *testing.T) {
	h := NewHostile(t, Behaviour{Answer: func(iq string) (string, bool) {
		if strings.Contains(iq, "jabber:iq:version") {
			return "<message from='a@b.example'><body>no answer</body></message>", true
		}
		return "", strings.Contains(iq, "jabber:iq:last")
	}})
	session, err := logIn(t, h, sasl.ScramSha1)
	if err != nil {
		t.Fatal(err)
	}
	conn := session.Conn()
	if _, err := io.WriteString(conn, "<iq type='get' id='1'><query xmlns='jabber:iq:last'/></iq>"+
		"<iq type='get' id='2'><query xmlns='jabber:iq:version'/></iq><iq type='set' id='3'/><iq type='result' id='4'/>"); err != nil {
		t.Fatal(err)
	}
	s := h.Next(t)
	s.Expect(t, Has("id='4'"))
	s.Close()
	all, _ := io.ReadAll(conn)
	want := "<message from='a@b.example'><body>no answer</body></message><iq type='result' id='3'/>"
	if !bytes.Equal(all, []byte(want)) {
		t.Errorf("answers %s, want %s", all, want)
	}
	if n := len(s.Inbox()); n != 3 {
		t.Errorf("%d stanzas left, want 3", n)
	}
}
