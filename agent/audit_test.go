package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memPeople is a PeopleState in memory.
type memPeople struct {
	mu     sync.Mutex
	values map[string][]byte
	fails  bool
	sets   int
}

func newMemPeople() *memPeople { return &memPeople{values: make(map[string][]byte)} }

func (m *memPeople) Set(space, key string, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets++
	if m.fails {
		return errors.New("no space left on device")
	}
	m.values[space+"/"+key] = v
	return nil
}

func (m *memPeople) Get(space, key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[space+"/"+key]
	return v, ok
}

func (m *memPeople) Delete(space, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, space+"/"+key)
	return nil
}

func (m *memPeople) List(space string) (keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.values {
		if rest, ok := strings.CutPrefix(k, space+"/"); ok {
			keys = append(keys, rest)
		}
	}
	return keys
}

// audited runs an audit while f adds to it.
func audited(t *testing.T, state PeopleState, f func(a *Audit)) {
	t.Helper()
	a := NewAudit(state, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	f(a)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func numbers(list []AuditEntry) (first, last string) {
	if len(list) == 0 {
		return "", ""
	}
	return list[0].What, list[len(list)-1].What
}

// The newest entries are there after any number of restarts, in their order.
func TestAuditOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newMemPeople()
		n := 0
		for _, add := range []int{1, 6, 1, 8, 3, 500, 499, 1, 2000, 5} {
			audited(t, state, func(a *Audit) {
				for range add {
					n++
					a.Add(Request{From: "anna@example.org", Via: ViaChat, Name: fmt.Sprint("n", n)}, nil)
				}
			})
			audited(t, state, func(a *Audit) {
				list := a.Last(MaxAudit)
				first, last := numbers(list)
				if len(list) > MaxAudit || len(list) < min(n, MaxAudit-auditChunk) || last != fmt.Sprint("n", n) || first != fmt.Sprint("n", n-len(list)+1) {
					t.Fatalf("after %d: %d entries from %s to %s", n, len(list), first, last)
				}
				if one, _ := numbers(a.Last(1)); one != last {
					t.Errorf("the last one is %s", one)
				}
			})
		}
	})
}

// A lost part costs its entries, not the rest, and nothing after it.
func TestAuditLosesAPart(t *testing.T) {
	for key := range 4 {
		synctest.Test(t, func(t *testing.T) {
			state := newMemPeople()
			audited(t, state, func(a *Audit) {
				for i := range 30 {
					a.Add(Request{Via: ViaLocal, Name: fmt.Sprint("n", i)}, nil)
				}
			})
			state.values[fmt.Sprintf("audit/%03d", key)] = []byte("{")
			audited(t, state, func(a *Audit) { a.Add(Request{Via: ViaLocal, Name: "new"}, nil) })
			audited(t, state, func(a *Audit) {
				list := a.Last(100)
				if _, last := numbers(list); last != "new" || len(list) < 30-auditChunk+1 {
					t.Errorf("part %d lost: %d entries, the last is %s", key, len(list), last)
				}
			})
		})
	}
}

// What is kept is bounded, tells no word or code, and is written seldom.
func TestAuditEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newMemPeople()
		audited(t, state, func(a *Audit) {
			for range 100 {
				a.Add(Request{
					From: "anna@example.org", Via: ViaRoom, Room: "hall@rooms.example.org", Name: "set", Confirmed: "SECRET",
					Args: map[string]string{"value": strings.Repeat("x ", 900), "output": "lamp", "for": ""},
				}, fmt.Errorf("%s", strings.Repeat("y", 5000)))
			}
			time.Sleep(auditFlush + time.Second)
			synctest.Wait()
			e := a.Last(1)[0]
			if !strings.HasPrefix(e.What, "set output=lamp value=x x") || len(e.What) > maxAuditText || len(e.Result) > maxAuditText || e.Where != "hall@rooms.example.org" {
				t.Errorf("%+v", e)
			}
			if state.sets > 14 {
				t.Errorf("%d writes for 100 requests", state.sets)
			}
		})
		for key, v := range state.values {
			if len(v) > 16<<10 || strings.Contains(string(v), "SECRET") {
				t.Errorf("%s: %d bytes", key, len(v))
			}
		}
		var none *Audit
		none.Add(Request{}, nil)
		if none.Last(1) != nil {
			t.Error("nobody remembers, and yet")
		}
	})
}

// Everything that is asked is audited: what ran, what failed, what was refused.
func TestDoIsAudited(t *testing.T) {
	a := &Agent{
		Audit: NewAudit(newMemPeople(), slog.New(slog.DiscardHandler)), Limits: &Limits{},
		People: map[string]Role{"anna@example.org": Operator},
		Commands: []Command{{Name: "set", Needs: Operator, Params: []Param{{Name: "output"}}, NeedsFor: func(args map[string]string) Role {
			if args["output"] == "valve" {
				return Owner
			}
			return Operator
		}, Run: func(context.Context, Request) (Answer, error) { return Answer{}, nil }}},
	}
	for _, r := range []Request{
		{From: "anna@example.org", Via: ViaChat, Name: "set", Args: map[string]string{"output": "lamp"}},
		{From: "anna@example.org", Via: ViaAdHoc, Name: "set", Args: map[string]string{"output": "valve"}},
		{From: "mallory@example.org", Via: ViaChat, Name: "set"},
		{Via: ViaRule, Rule: "hot", Name: "set", Args: map[string]string{"output": "valve"}},
		{Via: ViaLocal, Name: "set", Args: map[string]string{"output": "valve"}},
	} {
		_, _ = a.Do(t.Context(), r)
	}
	var got []string
	for _, e := range a.Audit.Last(10) {
		got = append(got, strings.Join([]string{e.From, string(e.Via), e.Where, e.What, e.Result}, "|"))
	}
	want := []string{
		"anna@example.org|chat||set output=lamp|ok", "anna@example.org|adhoc||set output=valve|not allowed: that is for owners",
		"mallory@example.org|chat||set|not allowed", "|rule|hot|set output=valve|not allowed: that is for owners", "|local||set output=valve|ok",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limits{}
		ask := func(req Request) int {
			n := 0
			for range 100 {
				var rate *RateError
				if err := l.admit(req, time.Now()); err == nil {
					n++
				} else if !errors.As(err, &rate) || rate.Wait <= 0 {
					t.Errorf("%v", err)
				}
			}
			return n
		}
		anna := Request{From: "anna@example.org", Via: ViaChat}
		for _, tt := range []struct {
			name string
			req  Request
			want int
		}{
			{"a person", anna, askPace.burst},
			{"the same in a room", Request{From: "anna@example.org", Via: ViaRoom, Room: "hall@rooms.example.org"}, 0},
			{"the same with forms", Request{From: "anna@example.org", Via: ViaAdHoc}, formPace.burst},
			{"another", Request{From: "ben@example.org", Via: ViaChat}, askPace.burst},
			{"a room", Request{Via: ViaRoom, Room: "hall@rooms.example.org"}, askPace.burst},
			{"somebody else in that room", Request{From: "carla@example.org", Via: ViaRoom, Room: "hall@rooms.example.org"}, 0},
			{"a rule", Request{Via: ViaRule, Rule: "hot"}, rulePace.burst},
			{"another rule", Request{Via: ViaRule, Rule: "wet"}, rulePace.burst},
			{"this board", Request{Via: ViaLocal}, 100},
		} {
			if got := ask(tt.req); got != tt.want {
				t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
			}
		}
		time.Sleep(time.Minute)
		if got := ask(anna); got != askPace.burst {
			t.Errorf("a minute later: %d", got)
		}
		time.Sleep(askPace.refill)
		if got := ask(anna); got != 1 {
			t.Errorf("3 s later: %d", got)
		}
		for i := range 3 * maxAskers {
			_ = l.admit(Request{From: fmt.Sprint(i, "@example.org"), Via: ViaChat}, time.Now())
		}
		if len(l.askers) > maxAskers {
			t.Errorf("%d are remembered", len(l.askers))
		}
	})
}

// Owners hear of strangers a minute after the first one, and then once a day.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := make(chan string, 8)
		s := NewStrangers(func(to, text string) { said <- to + ": " + text }, func() []string { return []string{"anna"} })
		heard := func() (told []string) {
			synctest.Wait()
			for len(said) > 0 {
				told = append(told, <-said)
			}
			return told
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		s.Note("eve@example.org", "wrote a message")
		s.Note("eve@example.org", "asked to see the device")
		s.Note("mallory@example.org", "asked for a command")
		time.Sleep(strangerFirst + time.Second)
		want := "anna: Somebody who has no role here tried something, and got no answer: eve@example.org (2 attempts, the first: wrote a message), mallory@example.org (asked for a command)."
		if told := heard(); len(told) != 1 || told[0] != want {
			t.Errorf("told %q", told)
		}
		for i := range 1000 {
			s.Note(fmt.Sprint("x", i, "@example.org"), "wrote a message")
		}
		time.Sleep(strangerEvery - time.Minute)
		if told := heard(); len(told) != 0 {
			t.Errorf("told again on the same day: %q", told)
		}
		time.Sleep(2 * time.Minute)
		if told := heard(); len(told) != 1 || !strings.Contains(told[0], "and 984 more attempts of others.") || len(told[0]) > 4000 {
			t.Errorf("told %q", told)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		var none *Strangers
		none.Note("eve@example.org", "")
	})
}
