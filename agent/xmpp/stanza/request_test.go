package stanza

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// Start tells what became of the request, once.
func TestStart(t *testing.T) {
	type outcome struct {
		typ string
		err error
	}
	for name, c := range map[string]struct {
		then func(r *Router, id string)
		want outcome
		wait time.Duration
	}{
		"result":   {func(r *Router, id string) { receive(r, "<iq type='result' id='"+id+"'/>") }, outcome{"result", nil}, 0},
		"error":    {func(r *Router, id string) { receive(r, "<iq type='error' id='"+id+"'><error/></iq>") }, outcome{"error", nil}, 0},
		"forged":   {func(r *Router, id string) { receive(r, "<iq type='result' from='x@y' id='"+id+"'/>") }, outcome{"", ErrNoAnswer}, maxWaitTime},
		"wrong id": {func(r *Router, id string) { receive(r, "<iq type='result' id='"+id+"1'/>") }, outcome{"", ErrNoAnswer}, maxWaitTime},
		"twice": {func(r *Router, id string) {
			receive(r, "<iq type='result' id='"+id+"'/>")
			receive(r, "<iq type='result' id='"+id+"'/>")
		}, outcome{"result", nil}, 0},
		"no answer": {func(*Router, string) {}, outcome{"", ErrNoAnswer}, maxWaitTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, out := start(t, nil)
				got := make(chan outcome, 9)
				before := time.Now()
				err := r.Start("", "set", []byte("<q xmlns='urn:a'/>"), func(s *Stanza, err error) {
					o := outcome{err: err}
					if s != nil {
						o.typ = s.Type
					}
					got <- o
				})
				if err != nil {
					t.Fatal(err)
				}
				sent := <-out.ch
				if want := "<iq type='set' id='" + r.prefix + "1'><q xmlns='urn:a'/></iq>"; sent != want {
					t.Errorf("sent %s, want %s", sent, want)
				}
				c.then(r, r.prefix+"1")
				o := <-got
				if o.typ != c.want.typ || !errors.Is(o.err, c.want.err) || time.Since(before) != c.wait {
					t.Errorf("got %+v after %v", o, time.Since(before))
				}
				time.Sleep(2 * maxWaitTime)
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(got) > 0 || len(r.waiting) > 0 || r.armed {
					t.Errorf("told again %d times, %d wait, armed %v", len(got), len(r.waiting), r.armed)
				}
			})
		})
	}
}

// Each request ends in its own time, whatever others wait for.
func TestEachRequestHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := start(t, nil)
		before := time.Now()
		ended := make(chan time.Duration, 3)
		for range 3 {
			err := r.Start("", "get", nil, func(*Stanza, error) { ended <- time.Since(before) })
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Second)
		}
		for i := range 3 {
			if got, want := <-ended, maxWaitTime+time.Duration(i)*7*time.Second; got != want {
				t.Errorf("request %d ended after %v, want %v", i, got, want)
			}
		}
	})
}

type failing struct{}

func (failing) Send([]byte) error { return errors.New("no transport") }

func TestStartThatIsNotSent(t *testing.T) {
	r := NewRouter(failing{}, self, nil, slog.New(slog.DiscardHandler))
	called := false
	if err := r.Start("", "get", nil, func(*Stanza, error) { called = true }); err == nil || called || len(r.waiting) > 0 {
		t.Errorf("error %v, done called: %v, %d wait", err, called, len(r.waiting))
	}
}

func TestStartEndsWithTheConnection(t *testing.T) {
	r := NewRouter(sent{make(chan string, 9)}, self, nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var told error
	if err := r.Start("", "get", nil, func(_ *Stanza, err error) { told = err }); err != nil {
		t.Fatal(err)
	}
	cancel()
	r.Run(ctx)
	if told != ErrClosed {
		t.Errorf("got %v", told)
	}
	if err := r.Start("", "get", nil, nil); err != ErrClosed {
		t.Errorf("afterwards: %v", err)
	}
}
