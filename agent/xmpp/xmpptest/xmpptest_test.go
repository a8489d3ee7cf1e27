package xmpptest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
)

const (
	publish = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:example:node'>" +
		"<item id='current'><thing xmlns='urn:example:thing'/></item></publish></pubsub>"
	create = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='test'/></pubsub>"
)

func TestSlixmpp(t *testing.T) {
	Both(t, func(t *testing.T, s *server.Server) {
		owner, device := Slixmpp(t, s, "owner/phone"), Slixmpp(t, s, Device)
		if want := JID(Owner) + "/phone"; owner.JID != want {
			t.Errorf("bound as %q, want %q", owner.JID, want)
		}
		owner.Subscribe(JID(Device))
		owner.Wait(Has("<presence", `from="`+device.JID+`"`), 10*time.Second)
		device.Wait(Has("<presence", `from="`+owner.JID+`"`), 10*time.Second) // subscribed in return

		id := owner.Chat(device.JID, "a < b", "<x xmlns='urn:example:extra'/>")
		got := device.Wait(Has("<message", `id="`+id+`"`), 10*time.Second)
		if !strings.Contains(got, "<body>a &lt; b</body>") || !strings.Contains(got, "urn:example:extra") {
			t.Errorf("message arrived as %s", got)
		}

		owner.Notify("urn:example:node")
		reply := device.IQ("", "set", publish)
		if !strings.Contains(reply, `type="result"`) {
			t.Fatalf("publish: %s", reply)
		}
		owner.Wait(Has("<message", "urn:example:node", "urn:example:thing"), 10*time.Second)

		if reply := device.IQ(s.PubSub, "set", create); !strings.Contains(reply, `type="result"`) {
			t.Errorf("create at the service: %s", reply)
		}
		if reply := owner.IQ(device.JID, "get", "<query xmlns='urn:example:unknown'/>"); !strings.Contains(reply, `type="error"`) {
			t.Errorf("unknown request: %s", reply)
		}
		if had, left := owner.Take(), owner.Inbox(); len(had) == 0 || len(left) != 0 {
			t.Errorf("took %q, and left %q", had, left)
		}
		owner.Close()
		device.Wait(Has("<presence", `type="unavailable"`, `from="`+owner.JID+`"`), 10*time.Second)
	})
}

func TestWithout(t *testing.T) {
	Both(t, func(t *testing.T, s *server.Server) {
		if reply := Slixmpp(t, s, Device).IQ("", "set", publish); !strings.Contains(reply, `type="error"`) {
			t.Errorf("a server without PEP published: %s", reply)
		}
	}, func(o *server.Options) { o.Without = []string{"pep", "mod_pubsub"} })
}

// kindOf names the kind of error with which crypto/tls refuses a certificate.
func kindOf(err error) string {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host):
		return "host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "time"
	case errors.As(err, &unknown):
		return "authority"
	case err == nil:
		return ""
	}
	return err.Error()
}

func handshake(t *testing.T, ca *server.CA, cert tls.Certificate) error {
	t.Helper()
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: Domain})
	if err == nil {
		_ = conn.Close()
	}
	<-ended
	return err
}

var badCertKinds = map[string]string{
	"expired": "time", "future": "time", "wrong host": "host", "name only in CN": "host",
	"other CA": "authority", "self-signed": "authority",
}

func TestBadCerts(t *testing.T) {
	ca, err := server.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	good, err := ca.Issue(Domain, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, ca, good); err != nil {
		t.Errorf("good: %v", err)
	}
	if len(BadCerts()) != len(badCertKinds) {
		t.Errorf("%d bad certificates, %d kinds", len(BadCerts()), len(badCertKinds))
	}
	for name, issue := range BadCerts() {
		cert, err := issue(ca, Domain)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := kindOf(handshake(t, ca, cert)), badCertKinds[name]; got != want {
			t.Errorf("%s: refused for %q, want %q", name, got, want)
		}
	}
}

// The option reaches the server, which serves even what is bad.
func TestServerWithBadCert(t *testing.T) {
	Both(t, func(t *testing.T, s *server.Server) {
		t.Parallel()
		_, err := tls.Dial("tcp", s.TLSAddr, &tls.Config{RootCAs: s.Pool(), ServerName: Domain})
		if got := kindOf(err); got != "time" {
			t.Errorf("refused for %q: %v", got, err)
		}
	}, func(o *server.Options) { o.Cert = BadCerts()["expired"] })
}
