package stream

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	tls12 := tls.ConnectionState{Version: tls.VersionTLS12, TLSUnique: []byte("x")}
	tls13 := tls.ConnectionState{Version: tls.VersionTLS13}
	all := []string{"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "X-OAUTH2", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
	tests := []struct {
		name    string
		offered features
		state   tls.ConnectionState
		plain   bool
		want    string
	}{
		{"TLS 1.3 without announcement", features{mechanisms: all}, tls13, false, "SCRAM-SHA-256 SCRAM-SHA-1"},
		{"TLS 1.3 with tls-unique alone", features{mechanisms: all, announced: true, bindings: []string{"tls-unique", "tls-server-end-point"}}, tls13, false, "SCRAM-SHA-256 SCRAM-SHA-1"},
		{"TLS 1.3 with tls-exporter", features{mechanisms: all, announced: true, bindings: []string{"tls-exporter"}}, tls13, true, "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"TLS 1.2 without announcement", features{mechanisms: all}, tls12, false, "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1"},
		{"TLS 1.2 without tls-unique there", features{mechanisms: all, announced: true, bindings: []string{"tls-exporter"}}, tls12, false, "SCRAM-SHA-256 SCRAM-SHA-1"},
		{"TLS 1.2 without tls-unique here", features{mechanisms: all}, tls.ConnectionState{Version: tls.VersionTLS12}, false, "SCRAM-SHA-256 SCRAM-SHA-1"},
		{"weak only", features{mechanisms: []string{"PLAIN", "DIGEST-MD5"}}, tls13, false, ""},
		{"weak only, allowed", features{mechanisms: []string{"PLAIN", "DIGEST-MD5"}}, tls13, true, "PLAIN"},
	}
	for _, tt := range tests {
		var got []string
		for _, m := range choose(tt.offered, tt.state, tt.plain) {
			got = append(got, m.Name)
		}
		if d := cmp.Diff(tt.want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s:\n%s", tt.name, d)
		}
	}
}

func TestChannelBinding(t *testing.T) {
	for version, mechanism := range map[uint16]string{tls.VersionTLS12: "SCRAM-SHA-256-PLUS", tls.VersionTLS13: "SCRAM-SHA-256-PLUS"} {
		noLeaks(t)
		var got string
		s := serve(t, func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS") +
				strings.Replace(offerExporter, "</sasl", "<channel-binding type='tls-unique'/></sasl", 1))
			p.scram(scramServer{got: &got})
			p.header(offerBind)
			p.bind()
			p.end()
		})
		s.tls.MaxVersion = version
		if _, err := dial(t, dialerFor(t, s.addr)); err != nil || got != mechanism {
			t.Errorf("%s: mechanism %s, %v", tls.VersionName(version), got, err)
		}
	}
}

// Channel binding that fails is given up once, on the same stream.
func TestChannelBindingFallback(t *testing.T) {
	fail := func(condition string) func(*peer) {
		return func(p *peer) {
			p.expect("mechanism='SCRAM-SHA-1-PLUS'")
			p.send("<failure xmlns='%s'><%s/><text>Invalid channel binding</text></failure>", nsSASL, condition)
		}
	}
	say := func(final string) func(*peer) {
		return func(p *peer) {
			p.scramUntilFinal(final)
			p.expect("<abort")
			p.send("<failure xmlns='%s'><aborted/></failure>", nsSASL)
		}
	}
	tests := []struct {
		name     string
		first    func(*peer)
		fallback bool
	}{
		{"ejabberd 23.01", fail("not-authorized"), true},
		{"malformed", fail("malformed-request"), true},
		{"mechanism unknown after all", fail("invalid-mechanism"), true},
		{"do not match", say("e=channel-bindings-dont-match"), true},
		{"unsupported type", say("e=unsupported-channel-binding-type,x=y"), true},
		{"disabled", fail("account-disabled"), false},
		{"later", fail("temporary-auth-failure"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			var got string
			s := serve(t, func(p *peer) {
				p.starttls()
				p.header(offerSASL("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1") + offerExporter)
				tt.first(p)
				p.scram(scramServer{got: &got, inSuccess: true})
				p.header(offerBind)
				p.bind()
				p.end()
			})
			_, err := dial(t, dialerFor(t, s.addr))
			if (err == nil) != tt.fallback || tt.fallback && got != "SCRAM-SHA-1" {
				t.Errorf("%v, then mechanism %q", err, got)
			}
		})
	}
}

// scramUntilFinal ends an exchange with a last message of its own.
func (p *peer) scramUntilFinal(final string) {
	auth := p.expect("<auth")
	nonce := between(decode64(between(auth, ">", "<")), "r=", ",")
	p.send("<challenge xmlns='%s'>%s</challenge>", nsSASL, base64.StdEncoding.EncodeToString([]byte("r="+nonce+"s,s=c2FsdA==,i=4096")))
	p.expect("<response")
	p.send("<challenge xmlns='%s'>%s</challenge>", nsSASL, base64.StdEncoding.EncodeToString([]byte(final)))
}

// A wrong password fails twice at most, with and without channel binding.
func TestWrongPassword(t *testing.T) {
	noLeaks(t)
	attempts := 0
	s := serve(t, func(p *peer) {
		p.starttls()
		p.header(offerSASL("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN") + offerExporter)
		for p.read().Name == "auth" {
			attempts++
			p.send("<failure xmlns='%s'><not-authorized/><text>no\x7f way\n</text></failure>", nsSASL)
		}
	})
	e := dialError(t, dialerFor(t, s.addr), KindAuth)
	if want := "login as dev@example.org: refused: not-authorized (no way); check the JID and the password"; e.Error() != want {
		t.Errorf("error %q, want %q", e, want)
	}
	if attempts != 2 || e.RetryAfter() != 5*time.Minute {
		t.Errorf("%d attempts, retry after %v", attempts, e.RetryAfter())
	}
}

func TestPlain(t *testing.T) {
	noLeaks(t)
	script := func(p *peer) {
		p.starttls()
		p.header(offerSASL("PLAIN", "LOGIN"))
		auth := p.expect("mechanism='PLAIN'")
		if got := decode64(between(auth, ">", "<")); got != "\x00dev\x00"+testPassword {
			p.t.Errorf("PLAIN sends %q", got)
		}
		p.send("<success xmlns='%s'/>", nsSASL)
		p.in.restart()
		p.header(offerBind)
		p.bind()
		p.end()
	}
	s := serve(t, script)
	d := dialerFor(t, s.addr)
	d.cfg.AllowPlain = true
	if _, err := dial(t, d); err != nil {
		t.Error(err)
	}
	s = serve(t, func(p *peer) { p.starttls(); p.header(offerSASL("PLAIN", "LOGIN")); p.expect(streamEnd) })
	e := dialError(t, dialerFor(t, s.addr), KindNoMechanism)
	if !strings.Contains(e.Error(), "PLAIN, LOGIN") || e.RetryAfter() != 15*time.Minute {
		t.Errorf("error %v, retry after %v", e, e.RetryAfter())
	}
}

// A server that does not prove that it knows the password is not logged in to.
func TestForgedServer(t *testing.T) {
	sasl1 := func(script func(*peer)) func(*peer) {
		return func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); script(p); p.expect(streamEnd) }
	}
	forged := "v=" + base64.StdEncoding.EncodeToString(make([]byte, 20))
	tests := map[string]func(*peer){
		"wrong signature":                func(p *peer) { p.scram(scramServer{final: forged, inSuccess: true}) },
		"wrong signature in a challenge": func(p *peer) { p.scramUntilFinal(forged) },
		"no signature":                   func(p *peer) { p.scram(scramServer{final: "=", inSuccess: true}) },
		"success at once":                func(p *peer) { p.expect("<auth"); p.send("<success xmlns='%s'/>", nsSASL) },
		"signature at once": func(p *peer) {
			p.expect("<auth")
			p.send("<success xmlns='%s'>%s</success>", nsSASL, encode([]byte(forged)))
		},
		"error":       func(p *peer) { p.scram(scramServer{final: "e=other-error", inSuccess: true}) },
		"other nonce": func(p *peer) { p.scram(scramServer{first: func(string) string { return "r=other,s=c2FsdA==,i=4096" }}) },
		"endless challenges": func(p *peer) {
			p.scramUntilFinal("v=")
		},
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			dialError(t, dialerFor(t, serve(t, sasl1(script)).addr), KindAuth)
		})
	}
}

func TestRounds(t *testing.T) {
	for rounds, text := range map[string]string{"4095": "4095 rounds", "1000001": "1000001 rounds", "99999999999999999999": "99999999999999999999 rounds"} {
		noLeaks(t)
		s := serve(t, func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1"))
			p.scram(scramServer{first: func(nonce string) string { return "r=" + nonce + "s,s=c2FsdA==,i=" + rounds }})
		})
		e := dialError(t, dialerFor(t, s.addr), KindNoMechanism)
		if !strings.Contains(e.Error(), text) || !strings.Contains(e.Error(), "4096 to 1000000") {
			t.Errorf("error %v", e)
		}
	}
}

func TestUnexpectedInSASL(t *testing.T) {
	for _, reply := range []string{
		"<challenge xmlns='urn:other'/>", "<message/>", "<proceed xmlns='" + nsSASL + "'/>",
		"<challenge xmlns='" + nsSASL + "'>not base64!</challenge>", "<challenge xmlns='" + nsSASL + "'><a></b></challenge>",
	} {
		noLeaks(t)
		s := serve(t, func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1"))
			p.expect("<auth")
			p.send("%s", reply)
			p.expect(streamEnd)
		})
		dialError(t, dialerFor(t, s.addr), KindStream)
	}
}

func TestCheckServerFirst(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{"r=abcX,s=c2FsdA==,i=4096", true},
		{"r=abcX,s=c2FsdA==,i=1000000,d=abc,h=x", true},
		{"", false}, {"x", false}, {",", false}, {",,,", false},
		{"r=abcX,s=c2FsdA==,i=4096,", false}, // the library would loop for ever
		{"r=abcX,s=c2FsdA==,i=4096,x", false},
		{"r=abcX,s=c2FsdA==,i=4096,x=", false},
		{"r=abcX,s=c2FsdA==,i=4096,m=x", false},
		{"r=abcX,s=c2FsdA==,i=4096,i=10000", false},
		{"r=abcX,s=c2FsdA==,i=4096,r=abcY", false},
		{"m=x,r=abcX,s=c2FsdA==,i=4096", false},
		{"r=abc,s=c2FsdA==,i=4096", false}, // adds nothing to our nonce
		{"r=xabc,s=c2FsdA==,i=4096", false},
		{"r=abcX,s=,i=4096", false}, {"r=abcX,s=?,i=4096", false},
		{"r=abcX,s=c2FsdA==,i=", false}, {"r=abcX,s=c2FsdA==,i=-4096", false}, {"r=abcX,s=c2FsdA==,i=+4096", false}, {"r=abcX,s=c2FsdA==,i=0x1000", false},
		{"r=abcX,s=c2FsdA==,i=4096\x00", false}, {"r=abc X,s=c2FsdA==,i=4096", false},
		{"s=c2FsdA==,r=abcX,i=4096", false},
	}
	for _, tt := range tests {
		if err := checkServerFirst([]byte(tt.in), []byte("abc")); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.in, err)
		}
	}
	if checkServerFirst([]byte("r=X,s=c2FsdA==,i=4096"), nil) == nil {
		t.Error("an empty nonce is accepted")
	}
}

// Whatever a server sends, the exchange ends, with an error unless the server
// knows the password.
func FuzzExchange(f *testing.F) {
	for _, s := range []string{"x", "r=NONCEx,s=c2FsdA==,i=4096", "r=NONCEx,s=c2FsdA==,i=4096,", "r=NONCEx,s=c2FsdA==,i=4096,x=y", ",", "v=", "e=other-error"} {
		f.Add([]byte(s), []byte("v=AAAA"), byte(0))
		f.Add([]byte(s), []byte("e=invalid-proof"), byte(1))
	}
	f.Fuzz(func(t *testing.T, first, final []byte, how byte) {
		x := newExchange(sasl.ScramSha1, "dev", testPassword, nil, tls.ConnectionState{})
		if _, err := x.start(); err != nil {
			t.Fatal(err)
		}
		first = bytes.ReplaceAll(first, []byte("NONCE"), x.client.Nonce())
		_, err := x.challenge(first)
		if err == nil && how&1 == 0 {
			err = x.success(final)
		} else if err == nil {
			_, err = x.challenge(final)
		}
		if err == nil || x.verified {
			t.Fatalf("%q and %q are accepted", first, final)
		}
		if e := x.failed(testJID, err); asError(e) == nil || !errors.Is(e, err) {
			t.Fatalf("error %v", e)
		}
	})
}
