package stanza

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const self = "pi@example.org/pipit"

// sent collects what a router sends.
type sent struct{ ch chan string }

func (s sent) Send(raw []byte) error { s.ch <- string(raw); return nil }

func (s sent) none(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-s.ch:
		t.Errorf("sent %s, want nothing", got)
	default:
	}
}

// start runs a router inside a synctest bubble until the test ends.
func start(t *testing.T, setup func(*Router)) (*Router, sent) {
	out := sent{make(chan string, 4096)}
	r := NewRouter(out, self, func(from string) bool { return !strings.HasPrefix(from, "stranger") }, slog.New(slog.DiscardHandler))
	if setup != nil {
		setup(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return r, out
}

func receive(r *Router, xml string) { r.Receive("", []byte(xml)) }

func echo(context.Context, *Stanza) ([]byte, error) { return []byte("<pong/>"), nil }

func TestRequestsAreAnsweredOnce(t *testing.T) {
	setup := func(r *Router) {
		r.Handle("get", "urn:a", "q", echo)
		r.Handle("get", "urn:panic", "q", func(context.Context, *Stanza) ([]byte, error) { panic("boom") })
		r.Handle("get", "urn:plain", "q", func(context.Context, *Stanza) ([]byte, error) { return nil, errors.New("secret detail") })
		r.Handle("get", "urn:text", "q", func(context.Context, *Stanza) ([]byte, error) {
			return nil, &Error{Type: "modify", Condition: "bad-request", Text: "a<b", App: xml.Name{Space: "urn:app", Local: "why"}}
		})
	}
	errorReply := func(typ, condition string) string {
		return "<iq type='error' id='1' to='a@example.org/x'><error type='" + typ + "'><" + condition + " xmlns='" + NSError + "'/></error></iq>"
	}
	for name, c := range map[string]struct{ in, want string }{
		"served":       {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:a'/></iq>", "<iq type='result' id='1' to='a@example.org/x'><pong/></iq>"},
		"no sender":    {"<iq type='get' id='1'><q xmlns='urn:a'/></iq>", "<iq type='result' id='1'><pong/></iq>"},
		"prefixed":     {"<iq type='get' id='1' from='a@example.org/x'><p:q xmlns:p='urn:a'/></iq>", "<iq type='result' id='1' to='a@example.org/x'><pong/></iq>"},
		"unknown":      {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:b'/></iq>", errorReply("cancel", "service-unavailable")},
		"unknown set":  {"<iq type='set' id='1' from='a@example.org/x'><q xmlns='urn:b'/></iq>", errorReply("cancel", "service-unavailable")},
		"wrong type":   {"<iq type='set' id='1' from='a@example.org/x'><q xmlns='urn:a'/></iq>", errorReply("modify", "bad-request")},
		"no child":     {"<iq type='get' id='1' from='a@example.org/x'/>", errorReply("modify", "bad-request")},
		"two children": {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:a'/><q xmlns='urn:a'/></iq>", errorReply("modify", "bad-request")},
		"not XML":      {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:a'></iq>", errorReply("modify", "bad-request")},
		"panic":        {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:panic'/></iq>", errorReply("cancel", "internal-server-error")},
		"plain error":  {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:plain'/></iq>", errorReply("cancel", "internal-server-error")},
		"app error": {"<iq type='get' id='1' from='a@example.org/x'><q xmlns='urn:text'/></iq>",
			"<iq type='error' id='1' to='a@example.org/x'><error type='modify'><bad-request xmlns='" + NSError + "'/><text xmlns='" + NSError + "' xml:lang='en'>a&lt;b</text><why xmlns='urn:app'/></error></iq>"},
		"stranger": {"<iq type='get' id='1' from='stranger@example.org/x'><q xmlns='urn:a'/></iq>",
			"<iq type='error' id='1' to='stranger@example.org/x'><error type='cancel'><service-unavailable xmlns='" + NSError + "'/></error></iq>"},
		"result":         {"<iq type='result' id='1' from='a@example.org/x'/>", ""},
		"result, text":   {"<iq type='result' id='1' from='a@example.org/x'>hello</iq>", ""},
		"error":          {"<iq type='error' id='1' from='a@example.org/x'/>", ""},
		"no type":        {"<iq id='1' from='a@example.org/x'><q xmlns='urn:a'/></iq>", ""},
		"message":        {"<message from='a@example.org/x'><body>x</body></message>", ""},
		"not even a tag": {"<", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, out := start(t, setup)
				receive(r, c.in)
				if c.want != "" {
					if got := <-out.ch; got != c.want {
						t.Errorf("got  %s\nwant %s", got, c.want)
					}
				}
				out.none(t)
			})
		})
	}
}

func TestThousandUnknownRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := start(t, nil)
		const n = 1000
		for i := range n {
			receive(r, fmt.Sprintf("<iq type='get' id='%d' from='a@example.org/x'><q xmlns='urn:%d'/></iq>", i, i))
		}
		for i := range n {
			if got := <-out.ch; !strings.Contains(got, fmt.Sprintf("id='%d'", i)) || !strings.Contains(got, "service-unavailable") {
				t.Fatalf("answer %d: %s", i, got)
			}
		}
		out.none(t)
	})
}

func TestReplyMatchesIDAndSender(t *testing.T) {
	for name, c := range map[string]struct {
		to, from string
		ok       bool
	}{
		"the asked":                 {"srv.example.org", "srv.example.org", true},
		"other spelling":            {"Srv.example.org", "srv.example.org", true},
		"somebody else":             {"srv.example.org", "stranger@example.org/x", false},
		"other resource":            {"a@example.org/x", "a@example.org/y", false},
		"account, no sender":        {"", "", true},
		"account, bare":             {"", "pi@example.org", true},
		"account, full":             {"", self, true},
		"account, domain":           {"", "example.org", true},
		"account, forged":           {"", "stranger@example.org", false},
		"own bare, no sender":       {"pi@example.org", "", true},
		"somebody asked, no sender": {"a@example.org", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, out := start(t, nil)
				got := make(chan error, 1)
				go func() {
					s, err := r.Request(t.Context(), c.to, "get", []byte("<q xmlns='urn:a'/>"))
					if err == nil && s.Type != "result" {
						err = errors.New("no result")
					}
					got <- err
				}()
				h, err := Parse([]byte(<-out.ch))
				if err != nil || h.To != c.to {
					t.Fatalf("request to %q, error %v", h.To, err)
				}
				from := ""
				if c.from != "" {
					from = " from='" + c.from + "'"
				}
				receive(r, "<iq type='result' id='wrong"+h.ID+"'"+from+"/>")
				receive(r, "<iq type='result' id='"+h.ID+"'"+from+"/>")
				receive(r, "<iq type='result' id='"+h.ID+"'"+from+"/>") // twice does no harm
				if err := <-got; (err == nil) != c.ok {
					t.Errorf("error %v, want accepted %v", err, c.ok)
				}
			})
		})
	}
}

func TestRequestError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := start(t, nil)
		got := make(chan error, 1)
		go func() {
			_, err := r.Request(t.Context(), "", "set", nil)
			got <- err
		}()
		h, _ := Parse([]byte(<-out.ch))
		receive(r, "<iq type='error' id='"+h.ID+"'>boo<q xmlns='urn:a'/><error type='cancel'><conflict xmlns='"+NSError+"'/><precondition-not-met xmlns='urn:p'/><text xmlns='"+NSError+"'>no</text></error></iq>")
		var e *Error
		if err := <-got; !errors.As(err, &e) || e.Condition != "conflict" || e.App.Local != "precondition-not-met" || e.Text != "no" {
			t.Errorf("got %v", err)
		}
	})
}

func TestRequestEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := sent{make(chan string, 10)}
		r := NewRouter(out, self, func(string) bool { return true }, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		got := make(chan error, 1)
		go func() {
			_, err := r.Request(t.Context(), "", "get", nil)
			got <- err
		}()
		<-out.ch
		cancel()
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		<-done
		if _, err := r.Request(t.Context(), "", "get", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: got %v, want ErrClosed", err)
		}
	})
}

func TestRequestTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := start(t, nil)
		before := time.Now()
		_, err := r.Request(t.Context(), "", "get", nil)
		if !errors.Is(err, ErrNoAnswer) || time.Since(before) != maxWaitTime {
			t.Errorf("got %v after %v", err, time.Since(before))
		}
		if len(r.waiting) != 0 {
			t.Error("the request is still remembered")
		}
	})
}

// A sender's stanzas keep their order, and a slow handler holds up neither
// replies nor, for long, the reader.
func TestOrderAndSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		release := make(chan struct{})
		r, out := start(t, func(r *Router) {
			r.OnMessage(func(_ context.Context, m *Stanza) {
				<-release
				order = append(order, m.ID)
			})
		})
		go func() {
			_, err := r.Request(t.Context(), "", "get", nil)
			if err != nil {
				t.Error(err)
			}
			close(release)
		}()
		h, _ := Parse([]byte(<-out.ch))
		for i := range 100 {
			receive(r, fmt.Sprintf("<message from='a@example.org/%d' id='%d'/>", i%3, i))
		}
		receive(r, "<iq type='result' id='"+h.ID+"'/>")
		synctest.Wait()
		if len(order) != 100 {
			t.Fatalf("handled %d of 100", len(order))
		}
		for i, id := range order {
			if id != fmt.Sprint(i) {
				t.Fatalf("message %s came in place %d", id, i)
			}
		}
	})
}

func TestFloodIsRefusedNotQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		r, out := start(t, func(r *Router) {
			r.Handle("get", "urn:a", "q", func(ctx context.Context, _ *Stanza) ([]byte, error) {
				<-stuck
				return nil, nil
			})
		})
		for i := range laneDepth + 2 {
			receive(r, fmt.Sprintf("<iq type='get' id='%d' from='a@example.org/x'><q xmlns='urn:a'/></iq>", i))
		}
		if got := <-out.ch; !strings.Contains(got, "resource-constraint") {
			t.Errorf("got %s", got)
		}
		close(stuck)
		for range laneDepth + 1 {
			<-out.ch
		}
		out.none(t)
	})
}

// While the stream has no transport a request waits on; afterwards it has its
// whole time again.
func TestRequestOverSuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := start(t, nil)
		time.AfterFunc(20*time.Second, r.Suspend)
		time.AfterFunc(10*time.Minute, r.Resume)
		before := time.Now()
		failed := make(chan error, 1)
		go func() {
			_, err := r.Request(t.Context(), "example.org", "get", nil)
			failed <- err
		}()
		<-out.ch
		time.Sleep(9 * time.Minute)
		go func() { <-out.ch; receive(r, "<iq type='result' id='"+r.prefix+"2'/>") }()
		if _, err := r.Request(t.Context(), "", "get", nil); err != nil {
			t.Errorf("a reply while suspended: %v", err)
		}
		if err := <-failed; !errors.Is(err, ErrNoAnswer) || time.Since(before) != 10*time.Minute+maxWaitTime {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
	})
}
