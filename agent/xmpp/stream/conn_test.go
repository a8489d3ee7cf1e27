package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/wire"
)

// pair returns a Conn that is ready and the server's end of its transport.
func pair(t *testing.T) (*Conn, *far) {
	t.Helper()
	c, f := rawPair(t)
	c.start()
	return c, f
}

// far is the server's end.
type far struct {
	t    *testing.T
	conn net.Conn
	in   *reader
}

func (f *far) send(s string) {
	if _, err := io.WriteString(f.conn, s); err != nil {
		f.t.Errorf("the server cannot send: %v", err)
	}
}

// read returns the next unit, "" when the connection is gone.
func (f *far) read() string {
	u, err := f.in.next(time.Hour)
	if err != nil {
		return ""
	}
	return string(u.Raw)
}

// answer reads to the end of the stream, ends it too, and returns what came before.
func (f *far) answer() (got string) {
	for {
		raw := f.read()
		got += raw
		if raw == streamEnd {
			f.send(streamEnd)
			return got
		}
		if raw == "" {
			return got
		}
	}
}

func ignore(string, []byte) {}

// serveInto runs Serve; the channel gives its error.
func serveInto(c *Conn, handle func(string, []byte)) <-chan error {
	served := make(chan error, 1)
	go func() { served <- c.Serve(context.Background(), handle) }()
	synctest.Wait()
	return served
}

func kindOf(err error) Kind {
	if e := asError(err); e != nil {
		return e.Kind
	}
	return 0
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		var got []string
		served := serveInto(c, func(name string, raw []byte) {
			got = append(got, name+" "+string(raw))
			clear(raw) // it is ours
		})
		f.send("<message id='1'/> \n<presence/><iq type='result' id='x'><a><b/></a></iq>")
		f.send("<r xmlns='urn:xmpp:sm:3'/><features/><x:message xmlns:x='urn:x'/><error xmlns='urn:x'/><message")
		if err := c.Serve(t.Context(), ignore); kindOf(err) != KindClosed {
			t.Errorf("second Serve: %v", err)
		}
		f.send(" id='2'><body>&lt;&bogus;</body></message><message id='3'><a></b></message>")
		go c.Close(t.Context())
		f.answer()
		if err := <-served; err != nil {
			t.Error(err)
		}
		want := []string{
			"message <message id='1'/>", "presence <presence/>", "iq <iq type='result' id='x'><a><b/></a></iq>",
			"message <message id='2'><body>&lt;&bogus;</body></message>", "message <message id='3'><a></b></message>",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestServeEnds(t *testing.T) {
	streamError := func(condition string) string {
		return "<stream:error><" + condition + " xmlns='" + nsStreamErrors + "'/></stream:error>"
	}
	tests := []struct {
		name, in string
		kind     Kind
		answer   string
	}{
		{"end", streamEnd, KindClosed, ""},
		{"conflict", streamError("conflict") + streamEnd, KindConflict, ""},
		{"shutdown", streamError("system-shutdown"), KindStream, ""},
		{"other prefix", "<x:error xmlns:x='" + nsStream + "'><conflict xmlns='" + nsStreamErrors + "'/></x:error>", KindConflict, ""},
		{"unreadable error", "<stream:error><a></b></stream:error>", KindStream, ""},
		{"empty error", "<stream:error/>", KindStream, ""},
		{"too long to pass over", "<message>" + strings.Repeat("x", MaxStanza+maxSkip), KindPolicy, streamError("policy-violation")},
		{"comment", "<message><!-- x --></message>", KindPolicy, streamError("restricted-xml")},
		{"document type", "<!DOCTYPE x>", KindPolicy, streamError("restricted-xml")},
		{"text", "hello", KindPolicy, streamError("not-well-formed")},
		{"stray end", "<a></a></a></a>", KindClosed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f := pair(t)
				before := 0
				served := serveInto(c, func(string, []byte) { before++ })
				go io.WriteString(f.conn, "<message/>"+tt.in)
				if got := f.answerEnd(); got != tt.answer+streamEnd {
					t.Errorf("the server was told %s", got)
				}
				if err := <-served; kindOf(err) != tt.kind || before != 1 {
					t.Errorf("%d stanzas, then %v", before, err)
				}
				if err := c.Send([]byte("<message/>")); kindOf(err) != tt.kind {
					t.Errorf("send: %v", err)
				}
				if err := c.Close(t.Context()); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		})
	}
}

// answerEnd reads until the connection is closed.
func (f *far) answerEnd() (got string) {
	for raw := f.read(); raw != ""; raw = f.read() {
		got += raw
	}
	return got
}

func TestLimitsAreInclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		var sizes []int
		served := serveInto(c, func(_ string, raw []byte) { sizes = append(sizes, len(raw)) })
		f.send("<message>" + strings.Repeat("x", MaxStanza-len("<message></message>")) + "</message>")
		deep := "<message>" + strings.Repeat("<a>", MaxDepth-1) + strings.Repeat("</a>", MaxDepth-1) + "</message>"
		f.send(deep)
		go c.Close(t.Context())
		f.answer()
		if err := <-served; err != nil || !cmp.Equal(sizes, []int{MaxStanza, len(deep)}) {
			t.Errorf("stanzas of %v bytes, %v", sizes, err)
		}
	})
}

// What a stranger can send through the server costs that stanza only.
func TestOverLimitsIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		var got []string
		served := serveInto(c, func(_ string, raw []byte) { got = append(got, string(raw)) })
		f.send("<iq type='get' id='1' from='x'>" + strings.Repeat("x", MaxStanza) + "</iq>")
		f.send("<message from='x'>" + strings.Repeat("<a>", 2000) + strings.Repeat("</a>", 2000) + "</message>")
		f.send("<presence/>")
		go c.Close(t.Context())
		f.answer()
		want := []string{"<iq type='get' id='1' from='x'/>", "<message from='x'/>", "<presence/>"}
		if err := <-served; err != nil || !cmp.Equal(got, want) {
			t.Errorf("%v: %.300q", err, got)
		}
	})
}

func TestConnectionLost(t *testing.T) {
	for in, cause := range map[string]error{"<message/>": io.EOF, "<message><bo": io.ErrUnexpectedEOF} {
		synctest.Test(t, func(t *testing.T) {
			c, f := pair(t)
			served := serveInto(c, ignore)
			f.send(in)
			f.conn.Close()
			if err := <-served; kindOf(err) != KindClosed || !errors.Is(err, cause) {
				t.Errorf("after %q: %v", in, err)
			}
		})
	}
}

// Of a half-open connection a ping is the only sign: it goes out after 25 s
// without any byte, and 20 s later the connection is dead.
func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		handed := 0
		served := serveInto(c, func(string, []byte) { handed++ })
		start := time.Now()
		ping := func(at time.Duration) string {
			t.Helper()
			raw := f.read()
			h, err := wire.Scan([]byte(raw))
			if err != nil || h.Type != "get" || h.To != testDomain || h.Child.Space != "urn:xmpp:ping" || !strings.HasPrefix(h.ID, PingID) {
				t.Errorf("%s is no ping", raw)
			}
			if d := time.Since(start); d != at {
				t.Errorf("ping after %v, want %v", d, at)
			}
			return h.ID
		}
		id := ping(25 * time.Second)
		time.Sleep(19 * time.Second)
		f.send("<iq type='result' from='example.org' id='" + id + "'/>")
		id = ping((25 + 19 + 25) * time.Second)
		f.send("<iq type='error' id='" + id + "'><error type='cancel'/></iq>")
		if handed != 0 {
			t.Errorf("%d replies were handed out", handed)
		}
		// White space is a sign of life as well.
		for range 10 {
			time.Sleep(20 * time.Second)
			f.send(" ")
		}
		last := (25+19+25+200)*time.Second + 25*time.Second
		ping(last)
		if err := <-served; kindOf(err) != KindSilent || time.Since(start) != last+20*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Only the reply to our own ping is kept from the handler.
func TestPingReplyOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		var got []string
		served := serveInto(c, func(_ string, raw []byte) { got = append(got, string(raw)) })
		stray := "<iq type='result' id='" + PingID + "1'/>"
		f.send(stray) // nothing was asked
		h, _ := wire.Scan([]byte(f.read()))
		request := "<iq type='get' id='" + h.ID + "'><ping xmlns='urn:xmpp:ping'/></iq>"
		f.send(request + "<iq type='result' id='" + h.ID + "'/>")
		go c.Close(t.Context())
		f.answer()
		<-served
		if d := cmp.Diff([]string{stray, request}, got); d != "" {
			t.Error(d)
		}
	})
}

func TestServeContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("power off")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		if err := c.Serve(ctx, ignore); !errors.Is(err, cause) {
			t.Errorf("error %v", err)
		}
		if got := f.answerEnd(); got != "" {
			t.Errorf("the server was told %s", got)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		var late []string
		served := serveInto(c, func(_ string, raw []byte) { late = append(late, string(raw)) })
		c.Send([]byte("<presence type='unavailable'/>"))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		if got := f.read() + f.read(); got != "<presence type='unavailable'/>"+streamEnd {
			t.Errorf("the server got %s", got)
		}
		f.send("<message id='late'/>" + streamEnd)
		wg.Wait()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if d := cmp.Diff([]string{"<message id='late'/>"}, late); d != "" {
			t.Error(d)
		}
		if err := c.Send([]byte("<message/>")); kindOf(err) != KindClosed {
			t.Errorf("send after close: %v", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("close again: %v", err)
		}
		if _, err := f.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the transport is open: %v", err)
		}
	})
}

func TestCloseWithoutServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		go func() { f.send("<message/>"); f.answer() }()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := c.Serve(t.Context(), ignore); err != nil {
			t.Errorf("serve after close: %v", err)
		}
	})
}

// A server that does not answer, does not even read, or a handler that hangs
// holds Close no longer than its context.
func TestCloseInTime(t *testing.T) {
	hang := make(chan struct{})
	tests := map[string]func(*Conn, *far) <-chan error{
		"silent":             func(c *Conn, f *far) <-chan error { go f.read(); return serveInto(c, ignore) },
		"silent, no serve":   func(*Conn, *far) <-chan error { return nil },
		"not reading":        func(c *Conn, _ *far) <-chan error { c.Send(make([]byte, MaxUnsent)); return serveInto(c, ignore) },
		"handler that hangs": nil,
	}
	tests["handler that hangs"] = func(c *Conn, f *far) <-chan error {
		served := serveInto(c, func(string, []byte) { <-hang })
		f.send("<message/>")
		return served
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang = make(chan struct{})
				c, f := pair(t)
				served := prepare(c, f)
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				if err := c.Close(ctx); kindOf(err) != KindTimeout || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				if d := time.Since(start); d != 2*time.Second {
					t.Errorf("closed after %v", d)
				}
				close(hang)
				if served != nil {
					if err := <-served; err != nil {
						t.Errorf("serve: %v", err)
					}
				}
				f.conn.Close()
			})
		})
	}
}

// Stanzas that wait while a write is under way go out in one.
func TestWritesAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		var want bytes.Buffer
		for i := range 50 {
			s := fmt.Sprintf("<message id='%d'/>", i)
			want.WriteString(s)
			if err := c.Send([]byte(s)); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				synctest.Wait() // the writer is in its first write
			}
		}
		buf := make([]byte, 64<<10)
		var got bytes.Buffer
		reads := 0
		for ; got.Len() < want.Len(); reads++ {
			n, err := f.conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got.Write(buf[:n])
		}
		if d := cmp.Diff(want.String(), got.String()); d != "" || reads != 2 {
			t.Errorf("%d writes\n%s", reads, d)
		}
		f.conn.Close()
		c.Close(t.Context())
	})
}

func TestSendFromManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		const senders, each = 16, 200
		for s := range senders {
			go func() {
				for i := range each {
					if err := c.Send(fmt.Appendf(nil, "<message from='%d' id='%d'>%s</message>", s, i, strings.Repeat("x", i*40))); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		next := make(map[string]int)
		for range senders * each {
			h, err := wire.Scan([]byte(f.read()))
			if err != nil {
				t.Fatal(err)
			}
			if h.ID != fmt.Sprint(next[h.From]) {
				t.Fatalf("sender %s: stanza %s instead of %d", h.From, h.ID, next[h.From])
			}
			next[h.From]++
		}
		go f.answer()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A server that stops reading is found by the write timeout.
func TestPeerStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t)
		served := serveInto(c, ignore)
		start := time.Now()
		stanza := make([]byte, 100<<10)
		sent := 0
		var err error
		for ; err == nil; sent += len(stanza) {
			err = c.Send(stanza)
		}
		if kindOf(err) != KindTimeout || sent-len(stanza) > MaxUnsent || time.Since(start) != 20*time.Second {
			t.Errorf("%d bytes and %v, then %v", sent, time.Since(start), err)
		}
		if err := <-served; kindOf(err) != KindTimeout {
			t.Errorf("serve: %v", err)
		}
		c.Close(t.Context())
	})
}

// On a slow link Send gives up after the same time, but the stream goes on.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		served := serveInto(c, ignore)
		full := []byte("<message>" + strings.Repeat("x", MaxUnsent-64) + "</message>")
		if err := c.Send(full); err != nil {
			t.Fatal(err)
		}
		got := new(bytes.Buffer)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for buf := make([]byte, chunk); ; time.Sleep(10 * time.Second) {
				n, err := f.conn.Read(buf)
				got.Write(buf[:n])
				if _, pipe := f.conn.Write([]byte(" ")); err != nil || pipe != nil || bytes.HasSuffix(got.Bytes(), []byte("<iq/>")) {
					return
				}
			}
		}()
		start := time.Now()
		if err := c.Send(make([]byte, 100<<10)); kindOf(err) != KindTimeout || time.Since(start) != 20*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := c.Send([]byte("<iq/>")); err != nil {
			t.Errorf("the stream did not go on: %v", err)
		}
		<-done
		if want := string(full) + "<iq/>"; got.String() != want {
			t.Errorf("the server got %d bytes, want %d", got.Len(), len(want))
		}
		f.conn.Close()
		<-served
		c.Close(t.Context())
	})
}

func TestSendTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := pair(t)
		if err := c.Send(make([]byte, MaxUnsent+1)); kindOf(err) != KindPolicy {
			t.Errorf("error %v", err)
		}
		f.conn.Close()
		c.Close(t.Context())
	})
}
