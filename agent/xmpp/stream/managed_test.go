package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// managedPair returns a managed stream and the server's end of its transport.
func managedPair(t *testing.T) (*Managed, *far) {
	t.Helper()
	m := &Managed{
		jid: testJID + "/pipit", domain: testDomain, log: slog.New(slog.DiscardHandler), timing: defaultTiming(),
		ledger: &ledger{}, tok: token{id: "x"},
	}
	c, f := rawPair(t)
	m.conn, c.manager = c, &transport{m, c}
	c.start()
	return m, f
}

// again puts a new transport under m, as Open does when the server resumes.
func again(t *testing.T, m *Managed, h uint32) (*far, error) {
	t.Helper()
	c, f := rawPair(t)
	return f, m.adopt(c, h)
}

func serveManaged(m *Managed, handle func(string, []byte)) <-chan error {
	served := make(chan error, 1)
	go func() { served <- m.Serve(context.Background(), handle) }()
	synctest.Wait()
	return served
}

func message(id int) string { return fmt.Sprintf("<message id='%d'><body>x</body></message>", id) }
func request(id int) string { return fmt.Sprintf("<iq type='set' id='%d'/>", id) }
func ackOf(h uint32) string { return fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, h) }

func (f *far) expect(want ...string) {
	f.t.Helper()
	for _, w := range want {
		if got := f.read(); got != w {
			f.t.Errorf("the server got %s, want %s", got, w)
		}
	}
}

// What is sent is acknowledged: at once where it matters, else after 16 stanzas
// or 15 s; the counters of both sides hold.
func TestAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		start := time.Now()
		m.Send([]byte(message(1)))
		f.expect(message(1), askElement)
		f.send(ackOf(1))
		m.Send([]byte(request(2)))
		f.expect(request(2), askElement)
		if d := time.Since(start); d != 15*time.Second {
			t.Errorf("asked after %v", d)
		}
		f.send(ackOf(2))
		for i := range 16 {
			m.Send([]byte(request(i)))
			f.expect(request(i))
		}
		f.expect(askElement)
		if d := time.Since(start); d != 15*time.Second {
			t.Errorf("asked after %v", d)
		}
		if n := m.Unacked(); n != 16 {
			t.Errorf("%d not acknowledged", n)
		}
		f.send(ackOf(18) + "<message/><iq type='get' id='1'/> <presence/><r xmlns='" + nsSM + "'/>")
		f.expect(ackOf(3))
		f.send("<sm:r xmlns:sm='" + nsSM + "'/><a h = '18'\n xmlns='" + nsSM + "'/>")
		f.expect(ackOf(3))
		if n := m.Unacked(); n != 0 {
			t.Errorf("%d not acknowledged", n)
		}
		go m.Close(t.Context())
		f.answer()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := m.Send([]byte(message(1))); kindOf(err) != KindClosed || m.Resumable() {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A server that does not acknowledge is dead, though it sends; the stream may
// be resumed.
func TestAcknowledgementLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		go func() {
			for f.read() != "" {
			}
		}()
		start := time.Now()
		m.Send([]byte(message(1)))
		for range 3 {
			time.Sleep(5 * time.Second)
			f.send("<message/>")
		}
		if err := <-served; kindOf(err) != KindSilent || time.Since(start) != 20*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if !m.Resumable() {
			t.Error("not resumable")
		}
		m.Close(t.Context())
	})
}

// An idle stream is probed with <r/>, and dead without an answer.
func TestManagedHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		start := time.Now()
		f.expect(askElement)
		if d := time.Since(start); d != 25*time.Second {
			t.Errorf("probe after %v", d)
		}
		f.send(ackOf(0))
		f.expect(askElement)
		if err := <-served; kindOf(err) != KindSilent || time.Since(start) != 70*time.Second || !m.Resumable() {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		m.Close(t.Context())
	})
}

// A resume sends what the server has not handled, in order and before anything
// new, and nothing twice.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		got := 0
		served := serveManaged(m, func(string, []byte) { got++ })
		for i := range 5 {
			m.Send([]byte(request(i)))
		}
		f.send(ackOf(1) + "<message/><message/>")
		synctest.Wait()
		f.conn.Close()
		if err := <-served; kindOf(err) != KindClosed || !m.Resumable() {
			t.Fatalf("lost: %v", err)
		}
		if err := m.Serve(t.Context(), ignore); err != nil {
			t.Errorf("serve without a transport: %v", err)
		}
		m.Send([]byte(message(5)))
		if tok, ok := m.token(); !ok || tok.in != 2 || tok.id != "x" {
			t.Errorf("token %+v, %v", tok, ok)
		}
		f, err := again(t, m, 3)
		if err != nil {
			t.Fatal(err)
		}
		m.Send([]byte(request(6)))
		f.expect(request(3), request(4), message(5), askElement, request(6))
		served = serveManaged(m, func(string, []byte) { got++ })
		f.send("<r xmlns='" + nsSM + "'/>")
		f.expect(ackOf(2))
		f.send("<presence/>" + ackOf(7))
		synctest.Wait()
		if n := m.Unacked(); n != 0 || got != 3 {
			t.Errorf("%d not acknowledged, %d stanzas", n, got)
		}
		f.conn.Close()
		<-served
		m.Close(t.Context())
		if m.Resumable() {
			t.Error("resumable after Close")
		}
	})
}

// Without a transport only the newest presence waits; directed presence,
// requests and messages all do.
func TestQueueWithoutTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		sent := "<presence><status>sent</status></presence>"
		m.Send([]byte(sent))
		f.expect(sent)
		f.conn.Close()
		<-served
		directed := "<presence to='a@example.org'/>"
		for i := range 50 {
			for _, s := range []string{fmt.Sprintf("<presence><status>%d</status></presence>", i), request(i), directed} {
				if err := m.Send([]byte(s)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := m.Unacked(); n != 1+1+100 {
			t.Errorf("%d stanzas wait", n)
		}
		f, _ = again(t, m, 0)
		f.expect(sent)
		for i := range 49 {
			f.expect(request(i), directed)
		}
		f.expect("<presence><status>49</status></presence>", request(49), directed, askElement)
		f.conn.Close()
		m.Serve(t.Context(), ignore)
		m.Close(t.Context())
	})
}

// The queue is bounded; there is room again when the server acknowledges.
func TestUnackedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		go func() {
			for f.read() != "" {
			}
		}()
		big := []byte("<iq type='set' id='1'>" + strings.Repeat("x", MaxUnacked/2-32) + "</iq>")
		for range 2 {
			if err := m.Send(big); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { f.send(ackOf(1)) })
		if err := m.Send(big); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		f.conn.Close()
		<-served
		if err := m.Send(big); kindOf(err) != KindTimeout || time.Since(start) != 23*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		m.Close(t.Context())
	})
}

// A count that cannot be ends the stream with the error of XEP-0198, on <a/>
// as on <resumed/>, and is not resumed.
func TestWrongCount(t *testing.T) {
	tooHigh := func(h, sent int) string {
		return fmt.Sprintf("<stream:error><undefined-condition xmlns='%s'/><handled-count-too-high xmlns='%s' h='%d' send-count='%d'/></stream:error>",
			nsStreamErrors, nsSM, h, sent)
	}
	for name, a := range map[string]string{
		"too high": ackOf(3), "taken back": ackOf(0), "negative": "<a xmlns='" + nsSM + "' h='-1'/>",
		"none": "<a xmlns='" + nsSM + "'/>", "too large": "<a xmlns='" + nsSM + "' h='4294967297'/>",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, f := managedPair(t)
				served := serveManaged(m, ignore)
				m.Send([]byte(request(1)))
				m.Send([]byte(request(2)))
				f.expect(request(1), request(2))
				f.send(ackOf(1))
				go f.send(a)
				if got := f.answerEnd(); !strings.HasPrefix(got, "<stream:error><undefined-condition") || !strings.HasSuffix(got, streamEnd) {
					t.Errorf("the server was told %s", got)
				}
				if err := <-served; kindOf(err) != KindPolicy || m.Resumable() {
					t.Errorf("error %v", err)
				}
				if err := m.Send([]byte(request(3))); kindOf(err) != KindPolicy {
					t.Errorf("send: %v", err)
				}
			})
		})
	}
	t.Run("resumed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, f := managedPair(t)
			m.Send([]byte(message(1)))
			f.conn.Close()
			m.Serve(t.Context(), ignore)
			done := make(chan string)
			c, f := rawPair(t)
			go func() { done <- f.answerEnd() }()
			if err := m.adopt(c, 2); kindOf(err) != KindPolicy || m.Resumable() {
				t.Errorf("error %v", err)
			}
			if got := <-done; got != tooHigh(2, 1)+streamEnd {
				t.Errorf("the server was told %s", got)
			}
			if kept := m.abandon(management{}); len(kept) != 1 {
				t.Errorf("%d kept", len(kept))
			}
		})
	})
}

func TestCountersWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		m.ledger.in, m.ledger.acked = math.MaxUint32, math.MaxUint32-1
		served := serveManaged(m, ignore)
		for i := range 3 {
			m.Send([]byte(request(i)))
			f.expect(request(i))
		}
		f.send("<message/><r xmlns='" + nsSM + "'/>")
		f.expect(ackOf(0))
		f.send(ackOf(math.MaxUint32))
		synctest.Wait()
		if n := m.Unacked(); n != 2 {
			t.Errorf("%d not acknowledged", n)
		}
		f.send(ackOf(0))
		synctest.Wait()
		f.conn.Close()
		<-served
		f, err := again(t, m, 1)
		if err != nil || m.Unacked() != 0 {
			t.Errorf("%d not acknowledged, %v", m.Unacked(), err)
		}
		f.conn.Close()
		m.Close(t.Context())
	})
}

func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		if err := m.Sync(t.Context()); err != nil {
			t.Errorf("nothing to wait for: %v", err)
		}
		m.Send([]byte(request(1)))
		synced := make(chan error, 1)
		go func() { synced <- m.Sync(t.Context()) }()
		f.expect(request(1), askElement)
		f.conn.Close() // over the loss of a transport
		<-served
		f, _ = again(t, m, 0)
		served = serveManaged(m, ignore)
		f.expect(request(1), askElement)
		f.send(ackOf(1))
		if err := <-synced; err != nil {
			t.Error(err)
		}
		m.Send([]byte(request(2)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		go func() { synced <- m.Sync(t.Context()) }()
		synctest.Wait()
		go func() { f.answerEnd() }()
		f.send(streamEnd)
		<-served
		if err := <-synced; kindOf(err) != KindClosed || m.Resumable() {
			t.Errorf("the stream has ended: %v", err)
		}
	})
}

// What must not be lost moves to the next stream, and the one after: with its
// id and the time of its first try.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		keep := []string{
			"<message to='a@example.org' type='chat' id='1'><body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='1'/></message>",
			"<message id='2'/>",
			"<presence to='a@example.org' type='subscribe'></presence>",
			"<iq type='result' id='3' to='a@example.org/x'/>",
			"<message id='4'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/></message>",
		}
		m.Send([]byte("<message id='handled'/>"))
		for _, s := range append(keep, request(9), "<presence/>", "<presence to='r@example.org/nick'/>") {
			m.Send([]byte(s))
		}
		m.SendOnce([]byte(message(7)))
		f.conn.Close()
		m.Serve(t.Context(), ignore)
		first := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		time.Sleep(time.Minute)

		next, f := managedPair(t)
		next.kept = m.abandon(management{known: true, h: 1})
		f.conn.Close()
		next.Serve(t.Context(), ignore) // gone before anything was sent
		if n, err := next.Redeliver(); n != 5 || err != nil {
			t.Errorf("%d sent, %v", n, err)
		}
		last, f := managedPair(t)
		last.kept = next.abandon(management{})
		if n, err := last.Redeliver(); n != 5 || err != nil {
			t.Errorf("%d sent, %v", n, err)
		}
		delay := "<delay xmlns='urn:xmpp:delay' stamp='" + first + "'/>"
		want := []string{
			strings.Replace(keep[0], "</message>", delay+"</message>", 1),
			keep[1], // it says nothing that could be late
			strings.Replace(keep[2], "</presence>", delay+"</presence>", 1),
			keep[3], keep[4],
		}
		var got []string
		for len(got) < len(want) {
			if raw := f.read(); raw != askElement {
				got = append(got, raw)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if n, err := last.Redeliver(); n != 0 || err != nil {
			t.Errorf("again: %d sent, %v", n, err)
		}
		f.conn.Close()
		last.Close(t.Context())
		if kept := m.abandon(management{}); len(kept) != 0 {
			t.Errorf("%d kept twice", len(kept))
		}
	})
}

func TestKeptIsBounded(t *testing.T) {
	m := &Managed{log: slog.New(slog.DiscardHandler), ledger: &ledger{}}
	for i := range MaxKept + 10 {
		m.ledger.add(entry{raw: []byte(message(i)), class: keep})
	}
	if kept := m.abandon(management{}); len(kept) != MaxKept || string(kept[0].raw) != message(10) {
		t.Errorf("%d kept", len(kept))
	}
	for range 3 {
		m.kept = append(m.kept, entry{raw: make([]byte, MaxUnacked/2), class: keep})
	}
	if kept := m.abandon(management{}); len(kept) != 2 {
		t.Errorf("%d kept", len(kept))
	}
}

const offerSM = "<sm xmlns='" + nsSM + "'/>"

// A manager at the server's side of the login.
func (p *peer) enabled(attrs string) {
	p.expect("<enable xmlns='" + nsSM + "' resume='true' max='60'/>")
	p.send("<enabled xmlns='%s' %s/>", nsSM, attrs)
}

func (p *peer) loginWith(features string) {
	p.starttls()
	p.header(offerSASL("SCRAM-SHA-1"))
	p.scram(scramServer{})
	p.header(features)
}

func openWith(t *testing.T, d *dialer, old *Managed) (*Managed, error) {
	t.Helper()
	m, err := d.open(t.Context(), old)
	if err == nil && m != old {
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			m.Close(ctx)
		})
	}
	return m, err
}

// The whole way: enable, loss, resume, loss, refusal, on a server that says
// where to resume.
func TestOpen(t *testing.T) {
	noLeaks(t)
	elsewhere := serve(t, func(p *peer) {
		p.loginWith(offerBind + offerSM)
		if p.number == 0 {
			p.expect("<resume xmlns='"+nsSM+"'", " h='1'", " previd='id &lt;1&gt;'")
			// The request must be answered by the older stream, with its count.
			p.send("<resumed xmlns='%s' previd='id &lt;1&gt;' h='1'/><r xmlns='%[1]s'/>", nsSM)
			p.expect(message(2))
			p.expect(askElement)
			p.expect(ackOf(1))
			p.send("<a xmlns='%s' h='2'/><message id='back'/>", nsSM)
			p.expect(message(3))
			p.raw.Close()
			return
		}
		p.expect("<resume xmlns='"+nsSM+"'", " h='2'")
		p.send("<failed xmlns='%s' h='2'><item-not-found xmlns='%s'/></failed>", nsSM, nsStanzaErrors)
		p.bind()
		p.enabled("id='2'") // without resumption
		p.expect("<message id='3'><body>x</body><delay xmlns='urn:xmpp:delay' stamp='")
		p.expect(askElement)
		p.send("%s", ackOf(1))
		p.end()
	})
	s := serve(t, func(p *peer) {
		p.loginWith(offerBind + offerSM)
		p.bind()
		p.expect("<enable")
		p.send("<presence from='early@example.org'/><enabled xmlns='%s' id='id &lt;1&gt;' resume='1' max='7' location='%s'/>", nsSM, elsewhere.addr)
		p.expect(message(1))
		p.expect(askElement)
		p.send("%s", "<message/>"+ackOf(1))
		p.expect(message(2))
		p.raw.Close()
	})
	var got []string
	var m *Managed
	handle := func(_ string, raw []byte) {
		got = append(got, string(raw))
		if string(raw) == "<message id='back'/>" {
			m.Send([]byte(message(3)))
		}
	}
	m, err := openWith(t, dialerFor(t, s.addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Send([]byte(message(1)))
	m.Send([]byte(message(2)))
	if err := m.Serve(t.Context(), handle); kindOf(err) != KindClosed {
		t.Errorf("first: %v", err)
	}
	same, err := openWith(t, dialerFor(t, s.addr), m)
	if err != nil || same != m {
		t.Fatalf("not resumed: %v", err)
	}
	if err := m.Serve(t.Context(), handle); kindOf(err) != KindClosed {
		t.Errorf("second: %v", err)
	}
	if d := cmp.Diff([]string{"<presence from='early@example.org'/>", "<message/>", "<message id='back'/>"}, got); d != "" {
		t.Error(d)
	}
	next, err := openWith(t, dialerFor(t, s.addr), m)
	if err != nil || next == m || next.JID() != testJID+"/pipit" {
		t.Fatalf("%v", err)
	}
	if err := m.Send([]byte(message(9))); kindOf(err) != KindClosed {
		t.Errorf("the old stream takes stanzas: %v", err)
	}
	served := make(chan error)
	go func() { served <- next.Serve(context.Background(), handle) }()
	if n, err := next.Redeliver(); n != 1 || err != nil {
		t.Errorf("%d redelivered, %v", n, err)
	}
	if err := next.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if err := next.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
}

// What a server may answer to the requests of stream management.
func TestOpenRefused(t *testing.T) {
	tests := map[string]struct {
		script  func(*peer)
		kind    Kind
		managed bool
	}{
		"not offered": {func(p *peer) { p.loginWith(offerBind); p.bind(); p.end() }, 0, false},
		"refused": {func(p *peer) {
			p.loginWith(offerBind + offerSM)
			p.bind()
			p.expect("<enable")
			p.send("<failed xmlns='%s'><unexpected-request xmlns='%s'/></failed>", nsSM, nsStanzaErrors)
			p.end()
		}, 0, false},
		"something else": {func(p *peer) {
			p.loginWith(offerBind + offerSM)
			p.bind()
			p.expect("<enable")
			p.send("<enabled xmlns='urn:x'/>")
		}, KindStream, false},
		"flood before": {func(p *peer) {
			p.loginWith(offerBind + offerSM)
			p.bind()
			p.expect("<enable")
			p.send("%s", strings.Repeat("<message/>", maxEarly+1))
		}, KindStream, false},
		"enabled": {func(p *peer) { p.loginWith(offerBind + offerSM); p.bind(); p.enabled("id='1' resume='true'"); p.end() }, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := serve(t, tt.script)
			m, err := openWith(t, dialerFor(t, s.addr), nil)
			if kindOf(err) != tt.kind {
				t.Fatalf("error %v", err)
			}
			if err == nil && m.Acknowledges() != tt.managed {
				t.Errorf("managed: %v", m.Acknowledges())
			}
			if err == nil && !tt.managed {
				if err := m.Sync(t.Context()); kindOf(err) != KindPolicy {
					t.Errorf("sync: %v", err)
				}
			}
		})
	}
}

// A server that resumes some other stream, or does not say how far it came, is
// not believed.
func TestResumedWrongly(t *testing.T) {
	for name, reply := range map[string]string{
		"other stream": "<resumed xmlns='" + nsSM + "' previd='other' h='0'/>",
		"no count":     "<resumed xmlns='" + nsSM + "' previd='1'/>",
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := serve(t, func(p *peer) {
				p.loginWith(offerBind + offerSM)
				if p.number == 0 {
					p.bind()
					p.enabled("id='1' resume='true'")
					p.raw.Close()
					return
				}
				p.expect("<resume")
				p.send("%s", reply)
				p.end()
			})
			m, err := openWith(t, dialerFor(t, s.addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			m.Serve(t.Context(), ignore)
			if _, err := openWith(t, dialerFor(t, s.addr), m); kindOf(err) != KindPolicy {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Without stream management a Managed ends with its transport.
func TestUnmanaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		m.ledger, m.conn.manager = nil, nil
		served := serveManaged(m, ignore)
		m.Send([]byte(message(1)))
		f.expect(message(1))
		f.conn.Close()
		if err := <-served; kindOf(err) != KindClosed || m.Resumable() || m.Unacked() != 0 {
			t.Errorf("error %v", err)
		}
		if err := m.Send([]byte(message(2))); kindOf(err) != KindClosed {
			t.Errorf("send: %v", err)
		}
	})
}

func TestClassify(t *testing.T) {
	for raw, want := range map[string]class{
		"<message/>": keep, "<message type='error'/>": keep, "<iq type='get'/>": repeated, "<iq type='set'/>": repeated,
		"<iq type='result'/>": keep, "<iq type='error'/>": repeated, "<presence/>": state, "<presence type='unavailable'/>": state,
		"<presence to='a'/>": repeated, "<presence to='a' type='unavailable'/>": repeated, "<presence type='probe'/>": repeated,
		"<presence type='subscribed' to='a'/>": keep, "<presence type='subscribe' to='a'/>": keep, "": repeated,
	} {
		if got := classify([]byte(raw)); got != want {
			t.Errorf("%s: class %d, want %d", raw, got, want)
		}
	}
}

// rawPair returns a Conn that is ready but not started, and the server's end.
func rawPair(t *testing.T) (*Conn, *far) {
	t.Helper()
	near, other := net.Pipe()
	c := newConn(near, "example.org:5222", slog.New(slog.DiscardHandler), defaultTiming())
	f := &far{t: t, conn: other, in: newReader(other)}
	for _, r := range []*reader{c.in, f.in} {
		if err := r.lexer.Feed([]byte(testHeader), r.keep); err != nil {
			t.Fatal(err)
		}
		r.pop()
		r.lexer.MaxBytes = 0
	}
	c.jid, c.domain = testJID+"/pipit", testDomain
	return c, f
}

// Whatever stands in the way of a resume, the stream waits for a later one.
func TestResumeAfterTrouble(t *testing.T) {
	expired := testCA().issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	other := newAuthority("another authority").issue(nil)
	tests := map[string]struct {
		trouble func(p *peer)   // at the server, on the second connection
		change  func(d *dialer) // at the client, for the second connection
		kind    Kind
	}{
		"DNS is away": {change: func(d *dialer) {
			d.cfg.Server, d.cfg.Resolver = "", failingResolver{}
			d.tcp = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "server misbehaving", Name: testDomain}
			}
		}, kind: KindDNS},
		"the certificate has expired": {trouble: func(p *peer) { p.withCert(expired) }, kind: KindCertificate},
		"the certificate has changed": {trouble: func(p *peer) { p.withCert(other) }, kind: KindCertificate},
		"the connection is refused": {change: func(d *dialer) {
			d.tcp = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
		}, kind: KindRefused},
		"silence": {trouble: func(p *peer) { p.read(); p.read() }, change: func(d *dialer) { d.timing.read = 100 * time.Millisecond }, kind: KindTimeout},
		"the password is refused": {trouble: func(p *peer) {
			p.starttls()
			p.header(offerSASL("SCRAM-SHA-1"))
			p.expect("<auth")
			p.send("<failure xmlns='%s'><not-authorized/></failure>", nsSASL)
		}, kind: KindAuth},
		"system-shutdown in the login": {trouble: func(p *peer) {
			p.starttls()
			p.expect("<stream:stream")
			p.send("%s<stream:error><system-shutdown xmlns='%s'/></stream:error>%s", testHeader, nsStreamErrors, streamEnd)
		}, kind: KindStream},
		"cut after <resume/>": {trouble: func(p *peer) {
			p.loginWith(offerBind + offerSM)
			p.expect("<resume")
			p.raw.Close()
		}, kind: KindClosed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resumed := make(chan string, 1)
			inTrouble := tt.trouble != nil
			s := serve(t, func(p *peer) {
				switch {
				case p.number == 0:
					p.loginWith(offerBind + offerSM)
					p.bind()
					p.enabled("id='1' resume='true'")
					p.raw.Close()
				case p.number == 1 && inTrouble:
					tt.trouble(p)
				default:
					p.loginWith(offerBind + offerSM)
					p.expect("<resume")
					p.send("<resumed xmlns='%s' previd='1' h='0'/>", nsSM)
					resumed <- p.expect("<message")
					p.end()
				}
			})
			m, err := openWith(t, dialerFor(t, s.addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			m.Serve(t.Context(), ignore)
			m.Send([]byte(message(1)))
			d := dialerFor(t, s.addr)
			if tt.change != nil {
				tt.change(d)
			}
			if _, err := openWith(t, d, m); kindOf(err) != tt.kind {
				t.Errorf("error %v, want one of kind %d", err, tt.kind)
			}
			if same, err := openWith(t, dialerFor(t, s.addr), m); err != nil || same != m {
				t.Fatalf("not resumed: %v", err)
			}
			if got := <-resumed; got != message(1) {
				t.Errorf("the server got %s", got)
			}
			m.Close(t.Context())
		})
	}
}

type failingResolver struct{}

func (failingResolver) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
}

func (p *peer) withCert(c tls.Certificate) {
	p.header(offerTLS)
	p.expect("<starttls")
	p.send("<proceed xmlns='%s'/>", nsTLS)
	_ = tls.Server(p.raw, &tls.Config{Certificates: []tls.Certificate{c}}).Handshake()
}

func TestCountOf(t *testing.T) {
	for raw, want := range map[string]struct {
		h  uint32
		ok bool
	}{
		ackOf(7): {7, true}, `<a h="4294967295" xmlns="urn:xmpp:sm:3"></a>`: {math.MaxUint32, true}, "<x:a xmlns:x='urn:xmpp:sm:3' h='0'/>": {0, true},
		"<a h='4294967296'/>": {}, "<a h='-1'/>": {}, "<a h=''/>": {}, "<a h='1\"/>": {}, "<a h=1/>": {}, "<a h=": {}, "<a/>": {}, "<a th='1'/>": {}, "": {},
	} {
		if h, ok := countOf([]byte(raw)); ok != want.ok || ok && h != want.h {
			t.Errorf("%s: %d %v", raw, h, ok)
		}
	}
}

func FuzzCountOf(f *testing.F) {
	f.Add([]byte(ackOf(7)))
	f.Add([]byte("<a h="))
	f.Fuzz(func(t *testing.T, raw []byte) { countOf(raw) })
}

// An acknowledgement that cannot be asked for, because the transport is full,
// is asked for later.
func TestAskWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		served := serveManaged(m, ignore)
		full := "<message>" + strings.Repeat("x", MaxUnsent-len("<message></message>")) + "</message>"
		if err := m.Send([]byte(full)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		f.in.lexer.MaxBytes = 0
		f.expect(full, askElement)
		if d := time.Since(start); d != 15*time.Second {
			t.Errorf("asked after %v", d)
		}
		f.conn.Close()
		<-served
		m.Close(t.Context())
	})
}
