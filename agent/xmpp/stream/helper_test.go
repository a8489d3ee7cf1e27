package stream

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pipit/agent/xmpp/wire"
)

const (
	testDomain   = "example.org"
	testJID      = "dev@example.org"
	testPassword = "swordfish with chips"
)

// An authority issues certificates for one test run.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

var testCA = sync.OnceValue(func() *authority { return newAuthority("test authority") })

func newAuthority(name string) *authority {
	a := &authority{key: newKey(), pool: x509.NewCertPool()}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}, a.key)
	a.pool.AddCert(a.cert)
	return a
}

func newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	parent := a.cert
	if parent == nil {
		parent = c
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// issue makes a server certificate that is valid around now; change may alter it.
func (a *authority) issue(change func(*x509.Certificate)) tls.Certificate {
	key := newKey()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{testDomain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	return tls.Certificate{Certificate: [][]byte{a.sign(c, key).Raw}, PrivateKey: key}
}

var goodCert = sync.OnceValue(func() tls.Certificate { return testCA().issue(nil) })

// A server runs a script for each connection to it, each in a goroutine that
// the end of the test waits for.
type server struct {
	t      *testing.T
	addr   string
	script func(*peer)
	tls    *tls.Config

	wg    sync.WaitGroup
	mu    sync.Mutex
	peers []*peer
}

func serve(t *testing.T, script func(*peer)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: l.Addr().String(), script: script, tls: &tls.Config{Certificates: []tls.Certificate{goodCert()}}}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.run(c)
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, p := range s.peers {
			p.raw.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *server) run(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &peer{server: s, raw: c, conn: c, in: newReader(c), number: len(s.peers)}
	s.peers = append(s.peers, p)
	s.wg.Go(func() {
		defer c.Close()
		s.script(p)
	})
}

// A peer is the server's side of one connection. Its methods end the script
// when the connection is gone.
type peer struct {
	*server
	number int // of the connection, from 0
	raw    net.Conn
	conn   net.Conn
	in     *reader
}

func (p *peer) send(format string, args ...any) {
	if _, err := fmt.Fprintf(p.conn, format, args...); err != nil {
		runtime.Goexit()
	}
}

// read returns the next unit, and ends the script when there is none.
func (p *peer) read() wire.Unit {
	u, err := p.in.next(20 * time.Second)
	if err != nil {
		runtime.Goexit()
	}
	return u
}

// expect reads a unit that contains all the parts.
func (p *peer) expect(parts ...string) string {
	u := p.read()
	raw := string(u.Raw)
	if u.Kind == wire.End && parts[0] != streamEnd {
		runtime.Goexit() // the client gave up: the test looks at its error
	}
	for _, part := range parts {
		if !strings.Contains(raw, part) {
			p.t.Errorf("the server got %s, which lacks %s", raw, part)
			runtime.Goexit()
		}
	}
	return raw
}

const testHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='" + testDomain + "' id='s1' version='1.0'>"

// header answers a stream header and lists features.
func (p *peer) header(features string) string {
	h := p.expect("<stream:stream", "to='"+testDomain+"'")
	p.send("%s<stream:features>%s</stream:features>", testHeader, features)
	return h
}

const (
	offerTLS  = "<starttls xmlns='" + nsTLS + "'><required/></starttls>"
	offerBind = "<bind xmlns='" + nsBind + "'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
)

func offerSASL(names ...string) string {
	return "<mechanisms xmlns='" + nsSASL + "'><mechanism>" + strings.Join(names, "</mechanism><mechanism>") + "</mechanism></mechanisms>"
}

const offerExporter = "<sasl-channel-binding xmlns='" + nsSASLCB + "'><channel-binding type='tls-server-end-point'/><channel-binding type='tls-exporter'/></sasl-channel-binding>"

// starttls does the first stream up to the end of the handshake.
func (p *peer) starttls() {
	p.header(offerTLS)
	p.expect("<starttls")
	p.send("<proceed xmlns='%s'/>", nsTLS)
	p.handshake()
}

func (p *peer) handshake() {
	c := tls.Server(p.raw, p.tls)
	if err := c.Handshake(); err != nil {
		runtime.Goexit()
	}
	p.conn, p.in = c, newReader(c)
}

// login does everything up to the bound resource.
func (p *peer) login() {
	p.starttls()
	p.header(offerSASL("SCRAM-SHA-1"))
	p.scram(scramServer{})
	p.header(offerBind)
	p.bind()
}

// bind grants what is asked for.
func (p *peer) bind() {
	ask := p.expect("<iq type='set'", "<bind xmlns='"+nsBind+"'>")
	_, resource, _ := strings.Cut(ask, "<resource>")
	resource, _, _ = strings.Cut(resource, "</resource>")
	p.send("<iq type='result' id='%s'><bind xmlns='%s'><jid>%s/%s</jid></bind></iq>", bindID, nsBind, testJID, resource)
	p.in.lexer.MaxBytes = 0
}

// end answers the end of the stream.
func (p *peer) end() {
	for p.read().Kind != wire.End {
	}
	p.send(streamEnd)
}

// dialerFor returns a dialer for one server, with a log that is searched for
// the password when the test ends.
func dialerFor(t *testing.T, addr string) *dialer {
	t.Helper()
	log := new(logBuffer)
	t.Cleanup(func() { noSecret(t, log.String()) })
	d, err := newDialer(Config{
		JID: testJID, Resource: "pipit", Server: addr, RootCAs: testCA().pool,
		Password: func() (string, error) { return testPassword, nil },
		Log:      slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// dial logs in and closes at the end of the test.
func dial(t *testing.T, d *dialer) (*Conn, error) {
	t.Helper()
	c, _, err := d.run(t.Context())
	if err != nil {
		noSecret(t, err.Error())
		return nil, err
	}
	c.start()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c.Close(ctx)
	})
	return c, nil
}

// failure dials, and returns the error that must come.
func dialError(t *testing.T, d *dialer, kind Kind) *Error {
	t.Helper()
	_, err := dial(t, d)
	e := asError(err)
	if e == nil || e.Kind != kind {
		t.Fatalf("error %v, want one of kind %d", err, kind)
	}
	return e
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{testPassword, "swordfish", encode([]byte("\x00dev\x00" + testPassword)), encode([]byte(testPassword))} {
		if strings.Contains(text, secret) {
			t.Errorf("the password is in %q", text)
		}
	}
}

// noLeaks fails the test when goroutines are left at its end. Call it first.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines instead of %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
			runtime.Gosched()
		}
	})
}
