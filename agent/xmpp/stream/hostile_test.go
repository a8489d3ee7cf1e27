package stream

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent/xmpp/wire"
)

// A server that says nothing useful but is never silent must not hold Dial, at
// no step of the login, beyond the time for all of it.
func TestTrickle(t *testing.T) {
	steps := map[string]func(*peer){
		"connected": func(*peer) {},
		"header":    func(p *peer) { p.expect("<stream:stream"); p.send("%s", testHeader) },
		"features":  func(p *peer) { p.starttls(); p.expect("<stream:stream"); p.send("%s", testHeader) },
		"auth":      func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); p.expect("<auth") },
		"restart":   func(p *peer) { p.starttls(); p.header(offerSASL("SCRAM-SHA-1")); p.scram(scramServer{}) },
		"bind": func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1"))
			p.scram(scramServer{})
			p.header(offerBind)
			p.expect("<bind")
		},
		"bind, half": func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1"))
			p.scram(scramServer{})
			p.header(offerBind)
			p.expect("<bind")
			p.send("<iq type='result' id='%s'", bindID)
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := serve(t, func(p *peer) {
				step(p)
				for { // until the client has gone
					p.send(" ")
					time.Sleep(5 * time.Millisecond)
				}
			})
			d := dialerFor(t, s.addr)
			d.timing.read, d.timing.negotiate = time.Minute, 300*time.Millisecond
			if e := dialError(t, d, KindTimeout); !strings.Contains(e.Error(), "did not let us in") {
				t.Errorf("error %v", e)
			}
		})
	}
}

// TestSilentServer has the other steps.
func TestSilentAfterResponse(t *testing.T) {
	noLeaks(t)
	s := serve(t, func(p *peer) {
		p.starttls()
		p.header(offerSASL("SCRAM-SHA-1"))
		nonce := between(decode64(between(p.expect("<auth"), ">", "<")), "r=", ",")
		p.send("<challenge xmlns='%s'>%s</challenge>", nsSASL, encode([]byte("r="+nonce+"s,s=c2FsdA==,i=4096")))
		p.expect("<response")
		p.in.next(time.Minute)
	})
	d := dialerFor(t, s.addr)
	d.timing.read = 300 * time.Millisecond
	dialError(t, d, KindTimeout)
}

// Half a stanza and then nothing is as dead as nothing.
func TestHalfAStanzaThenSilence(t *testing.T) {
	for _, half := range []string{"<", "<message from='a", "<message><body>co", "<message><![CDATA[", "</stream:str"} {
		synctest.Test(t, func(t *testing.T) {
			c, f := pair(t)
			start := time.Now()
			served := serveInto(c, func(_ string, raw []byte) { t.Errorf("handed out: %s", raw) })
			f.send(half)
			f.read() // the ping
			if err := <-served; kindOf(err) != KindSilent || time.Since(start) != 45*time.Second {
				t.Errorf("%q: %v after %v", half, err, time.Since(start))
			}
		})
	}
}

// A stream error may be as long as a stanza, but is not built in memory then.
func TestCrowdedStreamError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		served := serveInto(c, ignore)
		drained := make(chan struct{})
		go func() {
			for f.read() != "" {
			}
			close(drained)
		}()
		f.send("<stream:error>" + strings.Repeat("<a/>", maxUnbound/4) + "</stream:error>")
		if err := <-served; kindOf(err) != KindStream || !errors.Is(err, wire.ErrTooLong) {
			t.Errorf("error %v", err)
		}
		<-drained
	})
}
