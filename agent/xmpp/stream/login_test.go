package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	noLeaks(t)
	var before, after, mechanism string
	s := serve(t, func(p *peer) {
		before = p.header(offerTLS)
		p.expect("<starttls")
		p.send("<proceed xmlns='%s'/>", nsTLS)
		p.handshake()
		after = p.header(offerSASL("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "X-OTHER"))
		p.scram(scramServer{inSuccess: true, got: &mechanism})
		p.header(offerBind)
		p.bind()
		p.expect("<message")
		p.send("<message><body>welcome</body></message>")
		p.end()
	})
	c, err := dial(t, dialerFor(t, s.addr))
	if err != nil {
		t.Fatal(err)
	}
	if c.JID() != testJID+"/pipit" {
		t.Errorf("bound %s", c.JID())
	}
	if err := c.Send([]byte("<message><body>hello</body></message>")); err != nil {
		t.Error(err)
	}
	got := make(chan string, 1)
	served := make(chan error)
	go func() { served <- c.Serve(t.Context(), func(name string, raw []byte) { got <- name + string(raw) }) }()
	if m := <-got; m != "message<message><body>welcome</body></message>" {
		t.Errorf("received %s", m)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if strings.Contains(before, "from=") || !strings.Contains(after, "from='"+testJID+"'") {
		t.Errorf("the account is told outside TLS, or not inside:\n%s\n%s", before, after)
	}
	if mechanism != "SCRAM-SHA-256" {
		t.Errorf("mechanism %s", mechanism)
	}
}

func TestLoginInPieces(t *testing.T) {
	noLeaks(t)
	s := serve(t, func(p *peer) { p.login(); p.end() })
	d := dialerFor(t, s.addr)
	tcp := d.tcp
	d.tcp = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := tcp(ctx, network, addr)
		return piecemeal{c}, err
	}
	if _, err := dial(t, d); err != nil {
		t.Fatal(err)
	}
}

// piecemeal reads single bytes.
type piecemeal struct{ net.Conn }

func (c piecemeal) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

func TestDirectTLS(t *testing.T) {
	for _, protocols := range [][]string{{"xmpp-client"}, nil} {
		noLeaks(t)
		var negotiated, offered string
		s := serve(t, func(p *peer) {
			p.handshake()
			negotiated = p.conn.(*tls.Conn).ConnectionState().NegotiatedProtocol
			p.header(offerSASL("SCRAM-SHA-1"))
			p.scram(scramServer{})
			p.header(offerBind)
			p.bind()
			p.end()
		})
		s.tls.NextProtos = protocols
		s.tls.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			offered = h.ServerName + " " + strings.Join(h.SupportedProtos, ",")
			return nil, nil
		}
		d := dialerFor(t, s.addr)
		d.cfg.DirectTLS = true
		if _, err := dial(t, d); err != nil {
			t.Fatal(err)
		}
		if offered != testDomain+" xmpp-client" || negotiated != strings.Join(protocols, "") {
			t.Errorf("offered %q, negotiated %q", offered, negotiated)
		}
	}
}

// What comes behind <proceed/> in plain text must not count as said inside TLS.
func TestSTARTTLSInjection(t *testing.T) {
	for _, injected := range []string{
		testHeader + "<stream:features>" + offerSASL("PLAIN") + "</stream:features>",
		"<stream:error><conflict xmlns='" + nsStreamErrors + "'/></stream:error>",
		"<message><body>half a",
		"</stream:stream>",
	} {
		noLeaks(t)
		s := serve(t, func(p *peer) {
			p.header(offerTLS + offerSASL("PLAIN") + offerExporter)
			p.expect("<starttls")
			p.send("<proceed xmlns='%s'/>%s", nsTLS, injected)
			p.handshake()
			p.header(offerSASL("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1")) // no exporter is announced here
			var mechanism string
			p.scram(scramServer{got: &mechanism})
			if mechanism != "SCRAM-SHA-1" {
				p.t.Errorf("mechanism %s", mechanism)
			}
			p.header(offerBind)
			p.bind()
			p.end()
		})
		if _, err := dial(t, dialerFor(t, s.addr)); err != nil {
			t.Errorf("%s: %v", injected, err)
		}
	}
}

// A server that does not offer STARTTLS is asked for it all the same, and
// never gets a password without.
func TestSTARTTLSRefused(t *testing.T) {
	noLeaks(t)
	for _, reply := range []string{"<failure xmlns='" + nsTLS + "'/>", "<proceed xmlns='urn:other'/>", "<success xmlns='" + nsSASL + "'/>"} {
		s := serve(t, func(p *peer) {
			p.header(offerSASL("PLAIN"))
			p.expect("<starttls")
			p.send("%s", reply)
			p.expect(streamEnd)
		})
		d := dialerFor(t, s.addr)
		d.cfg.AllowPlain = true
		dialError(t, d, KindTLS)
	}
}

func TestNegotiationRefused(t *testing.T) {
	inTLS := func(script func(*peer)) func(*peer) { return func(p *peer) { p.starttls(); script(p) } }
	inSASL := func(script func(*peer)) func(*peer) {
		return inTLS(func(p *peer) { p.header(offerSASL("SCRAM-SHA-1")); p.scram(scramServer{}); script(p) })
	}
	bound := func(reply string) func(*peer) {
		return inSASL(func(p *peer) {
			p.header(offerBind)
			p.expect("<resource>pipit</resource>")
			p.send("%s", reply)
			p.expect(streamEnd)
		})
	}
	streamError := func(condition string) string {
		return "<stream:error><" + condition + " xmlns='" + nsStreamErrors + "'/><text xmlns='" + nsStreamErrors + "'>so sorry\n</text></stream:error></stream:stream>"
	}
	tests := []struct {
		name   string
		script func(*peer)
		kind   Kind
		text   string
	}{
		{"not XMPP", func(p *peer) { p.send("HTTP/1.1 400 Bad Request\r\n\r\n") }, KindPolicy, "check the port"},
		{"for servers", func(p *peer) { p.send("%s", strings.Replace(testHeader, nsClient, "jabber:server", 1)) }, KindStream, "no stream for clients"},
		{"other namespace", func(p *peer) { p.send("<stream xmlns='urn:x' id='1' version='1.0'>") }, KindStream, "no stream for clients"},
		{"old version", func(p *peer) { p.send("%s", strings.Replace(testHeader, "version='1.0'>", "version='0.9'>", 1)) }, KindStream, "unsupported-version"},
		{"other domain", func(p *peer) {
			p.send("%s", strings.Replace(testHeader, "from='example.org'", "from='evil.example'", 1))
		}, KindStream, "evil.example"},
		{"closed", func(p *peer) { p.read(); p.raw.Close() }, KindClosed, "check the port"},
		{"error before features", func(p *peer) { p.send("%s%s", testHeader, streamError("host-unknown")) }, KindStream, "host-unknown (so sorry)"},
		{"end before features", func(p *peer) { p.send("%s%s", testHeader, streamEnd) }, KindClosed, "ended the stream"},
		{"comment", func(p *peer) { p.send("%s<!-- x -->", testHeader) }, KindPolicy, "forbids"},
		{"endless features", func(p *peer) { p.send("%s<stream:features>%s", testHeader, strings.Repeat("<x/>", maxUnbound)) }, KindPolicy, "longer than"},
		{"element for features", func(p *peer) { p.send("%s<message/>", testHeader) }, KindStream, "broke the rules"},
		{"nothing in TLS", inTLS(func(p *peer) { p.header("") }), KindNoMechanism, "no login"},
		{"bind without login", inTLS(func(p *peer) { p.header(offerBind) }), KindStream, "broke the rules"},
		{"no bind", inSASL(func(p *peer) { p.header("") }), KindBind, "offers no resource binding"},
		{"bind conflict", bound("<iq type='error' id='bind'><error type='cancel'><conflict xmlns='" + nsStanzaErrors + "'/></error></iq>"), KindConflict, testJID + "/pipit: the server refuses it: conflict"},
		{"bind refused", bound("<iq type='error' id='bind'><error type='cancel'><not-allowed xmlns='" + nsStanzaErrors + "'/></error></iq>"), KindBind, "not-allowed"},
		{"bind of a stranger", bound("<iq type='result' id='bind'><bind xmlns='" + nsBind + "'><jid>eve@example.org/pipit</jid></bind></iq>"), KindBind, "eve@example.org/pipit, which is not ours"},
		{"bind without resource", bound("<iq type='result' id='bind'><bind xmlns='" + nsBind + "'><jid>dev@example.org</jid></bind></iq>"), KindBind, "not ours"},
		{"bind not answered", bound("<message/>"), KindBind, "did not answer"},
		{"conflict for bind", bound(streamError("conflict")), KindConflict, "give each device its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			s := serve(t, func(p *peer) {
				tt.script(p)
				if p.conn == p.raw {
					p.in.next(20 * time.Second) // so that closing is no reset
				}
			})
			if e := dialError(t, dialerFor(t, s.addr), tt.kind); !strings.Contains(e.Error(), tt.text) {
				t.Errorf("error %q lacks %q", e, tt.text)
			}
		})
	}
}

func TestResourceChosenByServer(t *testing.T) {
	noLeaks(t)
	s := serve(t, func(p *peer) {
		p.starttls()
		p.header(offerSASL("SCRAM-SHA-1"))
		p.scram(scramServer{})
		p.header(offerBind)
		p.expect("<bind xmlns='" + nsBind + "'></bind>")
		p.send("<iq type='result' id='%s'><bind xmlns='%s'><jid>%s/chosen &amp; é</jid></bind></iq>", bindID, nsBind, testJID)
		p.end()
	})
	d := dialerFor(t, s.addr)
	d.cfg.Resource = ""
	c, err := dial(t, d)
	if err != nil || c.JID() != testJID+"/chosen & é" {
		t.Errorf("bound %v, %v", c, err)
	}
}

func TestPanicInNegotiation(t *testing.T) {
	noLeaks(t)
	s := serve(t, func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); p.expect(streamEnd) })
	d := dialerFor(t, s.addr)
	d.cfg.Password = func() (string, error) { panic("broken") }
	dialError(t, d, KindStream)
}

// A server that falls silent must not hold Dial: neither beyond the deadlines
// nor beyond the end of the context.
func TestSilentServer(t *testing.T) {
	phases := []struct {
		name   string
		script func(*peer)
	}{
		{"connected", func(p *peer) {}},
		{"header", func(p *peer) { p.expect("<stream:stream"); p.send("%s", testHeader) }},
		{"starttls", func(p *peer) { p.header(offerTLS); p.expect("<starttls") }},
		{"handshake", func(p *peer) { p.header(offerTLS); p.expect("<starttls"); p.send("<proceed xmlns='%s'/>", nsTLS) }},
		{"features", func(p *peer) { p.starttls(); p.expect("<stream:stream"); p.send("%s", testHeader) }},
		{"auth", func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); p.expect("<auth") }},
		{"restart", func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); p.scram(scramServer{}) }},
		{"bind", func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1"))
			p.scram(scramServer{})
			p.header(offerBind)
			p.expect("<bind")
		}},
	}
	for _, phase := range phases {
		t.Run(phase.name, func(t *testing.T) {
			noLeaks(t)
			reached := make(chan struct{}, 2)
			release := make(chan struct{})
			s := serve(t, func(p *peer) {
				phase.script(p)
				reached <- struct{}{}
				<-release
			})
			t.Cleanup(func() { close(release) })
			t.Run("context", func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-reached; cancel() }()
				if _, _, err := dialerFor(t, s.addr).run(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
			})
			t.Run("deadline", func(t *testing.T) {
				d := dialerFor(t, s.addr)
				d.timing.read, d.timing.negotiate = 300*time.Millisecond, time.Second
				dialError(t, d, KindTimeout)
			})
			t.Run("deadline of all", func(t *testing.T) {
				d := dialerFor(t, s.addr)
				d.timing.dial = 300 * time.Millisecond
				if e := dialError(t, d, KindTimeout); !errors.Is(e, errDialTimeout) {
					t.Errorf("error %v", e)
				}
			})
		})
	}
}

func TestBadConfig(t *testing.T) {
	for _, jid := range []string{"", "example.org", "@example.org", "a b@example.org"} {
		if _, err := Dial(t.Context(), Config{JID: jid}); asError(err) == nil {
			t.Errorf("%q: error %v", jid, err)
		}
	}
	noLeaks(t)
	for _, password := range []func() (string, error){
		nil,
		func() (string, error) { return "", nil },
		func() (string, error) { return testPassword + "\x00", nil },
		func() (string, error) { return "", fmt.Errorf("no such file") },
	} {
		s := serve(t, func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); p.expect(streamEnd) })
		d := dialerFor(t, s.addr)
		d.cfg.Password = password
		if e := dialError(t, d, KindAuth); !strings.Contains(e.Error(), "check the password") {
			t.Errorf("error %v", e)
		}
	}
}

// A read that times out must leave a TLS connection whole.
func TestKeepaliveOverTLS(t *testing.T) {
	noLeaks(t)
	s := serve(t, func(p *peer) {
		p.login()
		for range 3 {
			ping := p.expect("urn:xmpp:ping")
			p.send("<iq type='result' id='%s'/>", between(ping, "id='", "'"))
		}
		p.send("<message/>")
		p.end()
	})
	d := dialerFor(t, s.addr)
	d.timing.idle = 10 * time.Millisecond
	c, err := dial(t, d)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	got := make(chan string, 1)
	go func() { served <- c.Serve(t.Context(), func(name string, _ []byte) { got <- name }) }()
	if name := <-got; name != "message" {
		t.Errorf("got %s", name)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
