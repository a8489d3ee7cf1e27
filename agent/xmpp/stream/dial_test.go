package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCertificates(t *testing.T) {
	other := newAuthority("rogue authority")
	tests := []struct {
		name string
		cert tls.Certificate
		text string
	}{
		{"expired", testCA().issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "example.org expired on"},
		{"not yet valid", testCA().issue(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "the clock of this machine may be wrong"},
		{"other host", testCA().issue(func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "b.example", "c.example", "d.example"} }), "it is for a.example, b.example, c.example, ..., not for example.org"},
		{"the target's name", testCA().issue(func(c *x509.Certificate) { c.DNSNames = nil; c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }), "names no domain"},
		{"common name", testCA().issue(func(c *x509.Certificate) { c.DNSNames = nil; c.Subject.CommonName = testDomain }), "names no domain, only \"example.org\""},
		{"unknown authority", other.issue(nil), `issued by "CN=rogue authority", which is not trusted; set ca_file`},
	}
	for _, tt := range tests {
		for _, direct := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, direct), func(t *testing.T) {
				noLeaks(t)
				s := serve(t, func(p *peer) {
					if direct {
						p.handshake()
					} else {
						p.starttls()
					}
					p.t.Error("the handshake succeeded")
				})
				s.tls.Certificates = []tls.Certificate{tt.cert}
				d := dialerFor(t, s.addr)
				d.cfg.DirectTLS = direct
				e := dialError(t, d, KindCertificate)
				if !strings.HasPrefix(e.Error(), "certificate of 127.0.0.1:") || !strings.Contains(e.Error(), tt.text) || e.RetryAfter() != 2*time.Minute {
					t.Errorf("error %q, retry after %v", e, e.RetryAfter())
				}
			})
		}
	}
}

func TestTLSFailures(t *testing.T) {
	noLeaks(t)
	s := serve(t, func(p *peer) { p.send("%s", testHeader); p.in.next(time.Minute) })
	d := dialerFor(t, s.addr)
	d.cfg.DirectTLS = true
	if e := dialError(t, d, KindTLS); !strings.Contains(e.Error(), "does not speak TLS") {
		t.Errorf("error %v", e)
	}
	s = serve(t, func(p *peer) { p.starttls() })
	s.tls.MaxVersion = tls.VersionTLS11
	s.tls.MinVersion = tls.VersionTLS10
	dialError(t, dialerFor(t, s.addr), KindTLS)

	s = serve(t, func(p *peer) { p.starttls() })
	s.tls.Certificates = nil // the alert is that of a server for other domains
	if e := dialError(t, dialerFor(t, s.addr), KindTLS); !strings.Contains(e.Error(), "does not serve the domain of the JID") || e.RetryAfter() != 5*time.Minute {
		t.Errorf("error %v", e)
	}
}

func TestConnectFailures(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if e := dialError(t, dialerFor(t, l.Addr().String()), KindRefused); !strings.Contains(e.Error(), "connection refused; check that the server runs") {
		t.Errorf("error %v", e)
	}
	for _, tt := range []struct {
		err  error
		kind Kind
	}{
		{&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, KindDNS},
		{&net.OpError{Op: "dial", Err: errors.New("network is unreachable")}, KindUnreachable},
		{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, KindTimeout},
	} {
		d := dialerFor(t, "xmpp.example.org")
		d.tcp = func(context.Context, string, string) (net.Conn, error) { return nil, tt.err }
		if e := dialError(t, d, tt.kind); !strings.Contains(e.Error(), "xmpp.example.org:5222: ") {
			t.Errorf("error %v", e)
		}
	}
}

// A zone answers for SRV records: by service, nil means no such name.
type zone map[string]func() ([]*net.SRV, error)

func (z zone) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if proto != "tcp" || name != testDomain+"." {
		return "", nil, fmt.Errorf("unexpected lookup of %s %s", proto, name)
	}
	answer := z[service]
	if answer == nil {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if records, err := answer(); records != nil || err != nil {
		return "", records, err
	}
	<-ctx.Done() // a server that does not answer
	return "", nil, ctx.Err()
}

func records(r ...net.SRV) func() ([]*net.SRV, error) {
	list := make([]*net.SRV, len(r))
	for i := range r {
		list[i] = &r[i]
	}
	return func() ([]*net.SRV, error) { return list, nil }
}

func TestTargets(t *testing.T) {
	fails := func() ([]*net.SRV, error) {
		return nil, &net.DNSError{Err: "server misbehaving", Name: testDomain, IsTemporary: true}
	}
	silent := func() ([]*net.SRV, error) { return nil, nil }
	none := records(net.SRV{Target: "."})
	many := make([]net.SRV, 20)
	for i := range many {
		many[i] = net.SRV{Target: "x.example.", Port: 5222, Priority: uint16(i)}
	}
	tests := []struct {
		name    string
		zone    zone
		want    string
		warning string
		err     bool
	}{
		{"none", zone{}, "example.org:5222 example.org:5223/tls", "", false},
		{"both by priority", zone{
			"xmpp-client":  records(net.SRV{Target: "b.example.", Port: 5222, Priority: 5}, net.SRV{Target: "d.example.", Port: 443, Priority: 20}),
			"xmpps-client": records(net.SRV{Target: "c.example.", Port: 5223, Priority: 10}, net.SRV{Target: "a.example.", Port: 5223}),
		}, "a.example:5223/tls b.example:5222 c.example:5223/tls d.example:443", "", false},
		{"direct TLS refused", zone{"xmpps-client": none, "xmpp-client": records(net.SRV{Target: "a.example.", Port: 5222})}, "a.example:5222", "", false},
		{"STARTTLS refused", zone{"xmpp-client": none, "xmpps-client": records(net.SRV{Target: "a.example.", Port: 443})}, "a.example:443/tls", "", false},
		{"both refused", zone{"xmpp-client": none, "xmpps-client": none}, "", "", true},
		{"STARTTLS refused, no direct TLS", zone{"xmpp-client": none}, "", "", true},
		{"direct TLS refused alone", zone{"xmpps-client": none}, "example.org:5222", "", false},
		{"lookup fails", zone{"xmpp-client": fails, "xmpps-client": fails}, "example.org:5222", "SRV lookup failed: lookup example.org: server misbehaving", false},
		{"lookup times out", zone{"xmpp-client": silent}, "example.org:5222", "SRV lookup failed: context deadline exceeded", false},
		{"one lookup fails", zone{"xmpp-client": fails, "xmpps-client": records(net.SRV{Target: "a.example.", Port: 5223})}, "a.example:5223/tls", "", false},
		{"too many", zone{"xmpp-client": records(many...)}, strings.TrimSpace(strings.Repeat("x.example:5222 ", maxTargets)), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := dialerFor(t, "")
			d.cfg.Resolver = tt.zone
			d.timing.lookup = 50 * time.Millisecond
			list, warning, err := d.targets(t.Context())
			var got []string
			for _, x := range list {
				addr := x.addr
				if x.direct {
					addr += "/tls"
				}
				got = append(got, addr)
			}
			if d := cmp.Diff(tt.want, strings.Join(got, " ")); d != "" || warning != tt.warning || (err != nil) != tt.err {
				t.Errorf("warning %q, error %v\n%s", warning, err, d)
			}
		})
	}
}

func TestTargetsWithoutSRV(t *testing.T) {
	tests := []struct {
		jid, server string
		direct      bool
		want        string
	}{
		{testJID, "xmpp.example.org", false, "xmpp.example.org:5222"},
		{testJID, "xmpp.example.org:443", true, "xmpp.example.org:443"},
		{testJID, "::1", true, "[::1]:5223"},
		{"dev@127.0.0.1", "", false, "127.0.0.1:5222 127.0.0.1:5223"},
		{"dev@[::1]", "", false, "[::1]:5222 [::1]:5223"},
	}
	for _, tt := range tests {
		d, err := newDialer(Config{JID: tt.jid, Server: tt.server, DirectTLS: tt.direct, Resolver: zone{}})
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := d.targets(t.Context())
		var got []string
		for _, x := range list {
			got = append(got, x.addr)
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s %s: %v, %v", tt.jid, tt.server, got, err)
		}
	}
}

// Of one priority a target is drawn by weight: with the draws fixed, the order
// is the one that RFC 2782 describes.
func TestOrderByWeight(t *testing.T) {
	list := func() []target {
		return []target{{addr: "c", weight: 60, priority: 1}, {addr: "a", weight: 0, priority: 1}, {addr: "b", weight: 40, priority: 1}, {addr: "z", priority: 2}}
	}
	for draw, want := range map[int]string{0: "abcz", 1: "bcaz", 40: "bcaz", 41: "cbaz", 100: "cbaz"} {
		got := ""
		for _, x := range order(list(), func(n int) int { return min(draw, n-1) }) {
			got += x.addr
		}
		if got != want {
			t.Errorf("drawing %d gives %s, want %s", draw, got, want)
		}
	}
}

// route makes a dialer reach servers by name, and notes what it dials.
func route(d *dialer, hosts map[string]*server) *[]string {
	var mu sync.Mutex
	dialed := new([]string)
	tcp := d.tcp
	d.tcp = func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		*dialed = append(*dialed, addr)
		mu.Unlock()
		if s := hosts[addr]; s != nil {
			return tcp(ctx, network, s.addr)
		}
		return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
	}
	return dialed
}

func fourTargets(d *dialer) {
	d.cfg.Server = ""
	var list []net.SRV
	for i, name := range []string{"a", "b", "c", "d"} {
		list = append(list, net.SRV{Target: name + ".example.", Port: 5222, Priority: uint16(i)})
	}
	d.cfg.Resolver = zone{"xmpp-client": records(list...)}
}

// The next target is tried when the connection, TLS or the stream failed, but
// not when the login was refused.
func TestNextTarget(t *testing.T) {
	noLeaks(t)
	badCert := serve(t, func(p *peer) { p.starttls() })
	badCert.tls.Certificates = []tls.Certificate{newAuthority("rogue").issue(nil)}
	shut := serve(t, func(p *peer) {
		p.expect("<stream")
		p.send("%s<stream:error><system-shutdown xmlns='%s'/></stream:error>", testHeader, nsStreamErrors)
		p.in.next(time.Minute)
	})
	good := serve(t, func(p *peer) { p.login(); p.end() })
	refusing := serve(t, func(p *peer) {
		p.starttls()
		p.header(offerSASL("SCRAM-SHA-1"))
		p.expect("<auth")
		p.send("<failure xmlns='%s'><not-authorized/></failure>", nsSASL)
	})

	d := dialerFor(t, "")
	fourTargets(d)
	dialed := route(d, map[string]*server{"b.example:5222": badCert, "c.example:5222": shut, "d.example:5222": good})
	if _, err := dial(t, d); err != nil || len(*dialed) != 4 {
		t.Errorf("dialed %v: %v", *dialed, err)
	}

	d = dialerFor(t, "")
	fourTargets(d)
	dialed = route(d, map[string]*server{"b.example:5222": refusing, "c.example:5222": good})
	dialError(t, d, KindAuth)
	if len(*dialed) != 2 {
		t.Errorf("dialed %v", *dialed)
	}

	d = dialerFor(t, "")
	fourTargets(d)
	route(d, map[string]*server{"b.example:5222": badCert})
	dialError(t, d, KindCertificate) // it got further than the others
}

func TestLookupFailureIsTold(t *testing.T) {
	d := dialerFor(t, "")
	d.cfg.Resolver = zone{"xmpp-client": func() ([]*net.SRV, error) { return nil, errors.New("server misbehaving") }}
	route(d, nil)
	if e := dialError(t, d, KindDNS); !strings.Contains(e.Error(), "no such host; SRV lookup failed: server misbehaving") {
		t.Errorf("error %v", e)
	}
}

func TestSeeOtherHost(t *testing.T) {
	redirect := func(host string) string {
		return "<stream:error><see-other-host xmlns='" + nsStreamErrors + "'>" + host + "</see-other-host></stream:error>"
	}
	before := func(host string) func(*peer) {
		return func(p *peer) { p.expect("<stream"); p.send("%s%s", testHeader, redirect(host)); p.expect(streamEnd) }
	}
	inside := func(host string) func(*peer) {
		return func(p *peer) {
			p.starttls()
			p.expect("<stream")
			p.send("%s%s", testHeader, redirect(host))
			p.expect(streamEnd)
		}
	}
	good := func(p *peer) { p.login(); p.end() }
	tests := []struct {
		name          string
		first, second func(*peer)
		dialed        string
		kind          Kind
	}{
		{"before TLS", before("other.example:5299"), good, "xmpp.example:5222 other.example:5299", 0},
		{"inside TLS", inside("other.example"), good, "xmpp.example:5222 other.example:5222", 0},
		{"IPv6", inside("[2001:db8::1]:5299"), good, "xmpp.example:5222 [2001:db8::1]:5299", 0},
		{"twice", before("other.example"), before("third.example"), "xmpp.example:5222 other.example:5222", KindSeeOtherHost},
		{"nonsense", before("no such/host"), good, "xmpp.example:5222", KindSeeOtherHost},
		{"nothing", before(""), good, "xmpp.example:5222", KindSeeOtherHost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			d := dialerFor(t, "xmpp.example")
			second := serve(t, tt.second)
			dialed := route(d, map[string]*server{
				"xmpp.example:5222": serve(t, tt.first), "other.example:5299": second, "other.example:5222": second, "[2001:db8::1]:5299": second})
			if tt.kind == 0 {
				if _, err := dial(t, d); err != nil {
					t.Error(err)
				}
			} else {
				dialError(t, d, tt.kind)
			}
			if got := strings.Join(*dialed, " "); got != tt.dialed {
				t.Errorf("dialed %s", got)
			}
		})
	}
}

// A host that is named before TLS may be an attacker's choice: its certificate
// must be good for the domain all the same.
func TestSeeOtherHostCertificate(t *testing.T) {
	noLeaks(t)
	second := serve(t, func(p *peer) { p.starttls() })
	second.tls.Certificates = []tls.Certificate{testCA().issue(func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} })}
	first := serve(t, func(p *peer) {
		p.expect("<stream")
		p.send("%s<stream:error><see-other-host xmlns='%s'>other.example</see-other-host></stream:error>", testHeader, nsStreamErrors)
	})
	d := dialerFor(t, "xmpp.example")
	route(d, map[string]*server{"xmpp.example:5222": first, "other.example:5222": second})
	if e := dialError(t, d, KindCertificate); !strings.Contains(e.Error(), "it is for other.example, not for example.org") {
		t.Errorf("error %v", e)
	}
}
