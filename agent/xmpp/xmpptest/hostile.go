package xmpptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
)

// A Stage is something that a server says while a client logs in.
type Stage string

// The stages in their order. With direct TLS the first two do not exist.
const (
	AtHeader   Stage = "header"   // the stream header with STARTTLS
	AtStartTLS Stage = "starttls" // <proceed/>
	AtLogin    Stage = "login"    // the header inside TLS, with the mechanisms
	AtAuth     Stage = "auth"     // the first answer to <auth/>
	AtSuccess  Stage = "success"  // <success/>
	AtFeatures Stage = "features" // the header after login, with bind
	AtBind     Stage = "bind"     // the result of resource binding
)

// A Behaviour is what a Hostile server does. The zero value is good behaviour.
type Behaviour struct {
	// Instead holds raw bytes, "" too, that are sent in place of the right
	// answer. After them the server reads on in silence, or hangs up.
	Instead map[Stage]string
	HangUp  bool

	// Flood follows the bytes of Instead, as often as it fits into FloodSize
	// bytes or until the client has gone.
	Flood     string
	FloodSize int

	// Times is how many of the first connections meet this behaviour, all if
	// 0. To later ones it behaves well: of this, Direct,
	// Cert, Manage and Answer are left.
	Times int

	Direct     bool     // direct TLS, not STARTTLS
	Cert       CertFunc // see BadCerts
	Mechanisms []string // offered; SCRAM-SHA-1 alone if nil. SCRAM-SHA-256 and PLAIN work too, others fail
	Iterations int64    // of SCRAM, if not 4096; the login then fails
	Features   string   // raw elements, offered after login beside bind
	BindJID    string   // bound in place of what the client asks for
	Manage     bool     // stream management (XEP-0198) without resumption

	// Answer replies to a request after login with a raw stanza, or not at
	// all when that is "". Without it, or if it returns false, every request
	// gets an empty result. It is called from a goroutine of the server.
	Answer func(iq string) (reply string, ok bool)
}

// A Hostile is an XMPP server inside the test: it logs clients in with TLS and
// SASL, for any account whose password is Password's, and then lets the test
// send them anything.
type Hostile struct {
	Addr   string // host:port on loopback
	Pool   *x509.CertPool
	CAFile string

	behaviour Behaviour
	tls       *tls.Config
	ctx       context.Context
	sessions  chan *Session
	wg        sync.WaitGroup

	mu       sync.Mutex
	accepted int
	tried    []string
}

// NewHostile starts a server that ends with the test.
func NewHostile(t testing.TB, b Behaviour) *Hostile {
	t.Helper()
	ca, err := server.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	if b.Cert == nil {
		b.Cert = func(ca *server.CA, domain string) (tls.Certificate, error) { return ca.Issue(domain, nil) }
	}
	cert, err := b.Cert(ca, Domain)
	if err != nil {
		t.Fatal(err)
	}
	h := &Hostile{
		Pool: ca.Pool(), CAFile: filepath.Join(t.TempDir(), "ca.pem"),
		behaviour: b, tls: &tls.Config{Certificates: []tls.Certificate{cert}}, sessions: make(chan *Session, 64),
	}
	if b.Direct {
		h.tls.NextProtos = []string{"xmpp-client"} // XEP-0368
	}
	if err := os.WriteFile(h.CAFile, ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	h.listen(t)
	return h
}

func (h *Hostile) listen(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Addr = l.Addr().String()
	var end context.CancelFunc
	h.ctx, end = context.WithCancel(context.Background())
	h.wg.Go(func() { h.accept(l) })
	t.Cleanup(func() {
		end()
		_ = l.Close()
		h.wg.Wait()
	})
}

func (h *Hostile) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		b := h.next()
		h.wg.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(h.ctx, func() { _ = conn.Close() })()
			h.serve(conn, b)
		})
	}
}

// next returns how to behave to the connection that was just made.
func (h *Hostile) next() Behaviour {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted++
	if b := h.behaviour; b.Times > 0 && h.accepted > b.Times {
		return Behaviour{Direct: b.Direct, Answer: b.Answer, Manage: b.Manage}
	}
	return h.behaviour
}

// Connections returns how many connections were made so far.
func (h *Hostile) Connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accepted
}

// Tried returns the SASL mechanisms that clients asked for so far.
func (h *Hostile) Tried() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.tried)
}

// Next returns the next session, in the order of login.
func (h *Hostile) Next(t testing.TB) *Session {
	t.Helper()
	select {
	case s := <-h.sessions:
		return s
	case <-time.After(clientWait):
		t.Fatalf("nobody logged in within %v; there were %d connections", clientWait, h.Connections())
		return nil
	}
}

// A Session is one client that is logged in.
type Session struct {
	JID       string // bound
	Mechanism string // of SASL

	behaviour Behaviour
	user      string // who logged in
	stream    *stream
	inbox     *inbox
	handled   uint32 // stanzas of the client, with stream management
	done      chan struct{}
}

// Send sends raw bytes. It waits for at most 30 seconds for the client to take
// them; the error may be ignored where the client is expected to go.
func (s *Session) Send(raw string) error { return s.stream.send(raw) }

// Flood sends head, then unit as often as it fits into size bytes, then tail,
// with nothing in between. The error is as that of Send.
func (s *Session) Flood(head, unit string, size int, tail string) error {
	return s.stream.flood(head, unit, size, tail)
}

// Expect returns the oldest stanza that matches, as the client sent it, and was
// not returned before. It waits for at most 30 seconds and fails when the
// client goes.
func (s *Session) Expect(t testing.TB, match func(xml string) bool) string {
	t.Helper()
	return s.inbox.expect(t, s.JID, match, clientWait)
}

// Inbox returns all that the client sent and Expect did not return, requests
// that were answered included.
func (s *Session) Inbox() []string { return s.inbox.all() }

// Take returns what Inbox does and forgets it.
func (s *Session) Take() []string { return s.inbox.empty() }

// Close closes the TCP connection without a word.
func (s *Session) Close() { _ = s.stream.conn.Close() }

// Done returns a channel that is closed when the connection has ended.
func (s *Session) Done() <-chan struct{} { return s.done }
