package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// auditedAgent has a command that works, one for owners and one that asks first.
func auditedAgent() *Agent {
	done := func(context.Context, Request) (Answer, error) { return Answer{}, nil }
	return &Agent{
		Audit: NewAudit(newMemPeople(), slog.New(slog.DiscardHandler)), Limits: &Limits{},
		People: map[string]Role{"anna@example.org": Owner, "vera@example.org": Viewer},
		Commands: []Command{
			{Name: "read", Needs: Viewer, Run: done, Params: []Param{{Name: "n", Kind: ParamNumber}}},
			{Name: "grant", Needs: Owner, Run: done},
			{Name: "reboot", Needs: Owner, Run: done, Confirm: ConfirmAsk},
		},
	}
}

func (a *Agent) audited() (list []string) {
	for _, e := range a.Audit.Last(MaxAudit) {
		list = append(list, strings.Join([]string{e.From, string(e.Via), e.Where, e.What, e.Result}, "|"))
	}
	return list
}

// What is refused before it reaches Do is audited by the name of the command and
// nothing else: a word that is none may be a code.
func TestRefuse(t *testing.T) {
	a := auditedAgent()
	vera := Request{From: "vera@example.org", Via: ViaChat}
	for _, tt := range []struct{ name, room string }{{"grant", ""}, {"123456", ""}, {"", ""}, {"thanks", "hall@rooms.example.org"}, {"grant", "hall@rooms.example.org"}} {
		req := vera
		req.Name, req.Room = tt.name, tt.room
		if err := a.Refuse(req); err != ErrUnknown {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	req := vera
	req.Name, req.Args = "read", map[string]string{"n": "abc"}
	_, _ = a.Do(t.Context(), req)
	req.Name, req.Args = "654321", map[string]string{"n": "abc"}
	_, _ = a.Do(t.Context(), req)
	want := []string{
		"vera@example.org|chat||grant|not allowed", "vera@example.org|chat||(no command)|unknown command", "vera@example.org|chat||(no command)|unknown command",
		"vera@example.org|chat|hall@rooms.example.org|grant|not allowed", `vera@example.org|chat||read n=abc|n: "abc" is not a number`, "vera@example.org|chat||(no command)|unknown command",
	}
	if d := cmp.Diff(want, a.audited()); d != "" {
		t.Error(d)
	}
}

// A word that confirms is in no entry, whether it is right or not.
func TestAuditTellsNoWord(t *testing.T) {
	a := auditedAgent()
	req := Request{From: "anna@example.org", Via: ViaChat, Name: "reboot"}
	_, err := a.Do(t.Context(), req)
	var ask *ConfirmError
	if !errors.As(err, &ask) {
		t.Fatal(err)
	}
	for _, req.Confirmed = range []string{"WRONGWORD", ask.Word} {
		_, _ = a.Do(t.Context(), req)
	}
	all := strings.Join(a.audited(), "\n")
	if len(a.audited()) != 3 || strings.Contains(all, ask.Word) || strings.Contains(all, "WRONGWORD") {
		t.Error(all)
	}
}

// Who floods is refused, and drives nothing out of the audit.
func TestFloodIsAuditedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := auditedAgent()
		_, _ = a.Do(t.Context(), Request{Via: ViaLocal, Name: "grant"})
		again := 0
		for i := range 3000 { // ten a second
			req := Request{From: "vera@example.org", Via: ViaChat, Name: "read"}
			_, err := a.Do(t.Context(), req)
			if i%2 == 0 {
				err = a.Refuse(req)
			}
			var rate *RateError
			if errors.As(err, &rate) && rate.Again {
				again++
			}
			time.Sleep(100 * time.Millisecond)
		}
		list := a.audited()
		if len(list) > 1+10+100+1+1 || list[0] != "|local||grant|ok" || again < 2500 {
			t.Errorf("%d entries, the first %s; %d times again", len(list), list[0], again)
		}
		time.Sleep(time.Minute)
		for range 11 {
			_, err := a.Do(t.Context(), Request{From: "vera@example.org", Via: ViaChat, Name: "read"})
			var rate *RateError
			if errors.As(err, &rate) && (rate.Again || rate.Error() != "too many requests at once: try again in 3 s") {
				t.Errorf("after a calm: %v, again %v", err, rate.Again)
			}
		}
	})
}

// A request waits for its word, and its person has lost the role meanwhile.
func TestConfirmedByOneWhoWasRevoked(t *testing.T) {
	a := auditedAgent()
	staff, err := NewPeople(map[string]Role{"anna@example.org": Owner}, nil, func(s string) (string, error) { return s, nil })
	if err != nil {
		t.Fatal(err)
	}
	a.Staff = staff
	ran := false
	a.Commands[2].Run = func(context.Context, Request) (Answer, error) { ran = true; return Answer{}, nil }
	if _, err := staff.Grant("", "ben@example.org", Owner); err != nil {
		t.Fatal(err)
	}
	req := Request{From: "ben@example.org", Via: ViaChat, Name: "reboot"}
	_, err = a.Do(t.Context(), req)
	var ask *ConfirmError
	if !errors.As(err, &ask) {
		t.Fatal(err)
	}
	if _, err := staff.Revoke("ben@example.org"); err != nil {
		t.Fatal(err)
	}
	req.Confirmed = ask.Word
	if _, err := a.Do(t.Context(), req); !errors.Is(err, ErrUnknown) || ran {
		t.Errorf("%v, ran %v", err, ran)
	}
	if list := a.audited(); list[len(list)-1] != "ben@example.org|chat||reboot|not allowed" {
		t.Errorf("%q", list)
	}
}

// full is a state with the bounds of the store, on a disk that can be full.
type full struct {
	*memPeople
	most int
}

func (f full) Set(space, key string, v []byte) error {
	if len(v) > f.most {
		return fmt.Errorf("%d bytes are more than %d", len(v), f.most)
	}
	return f.memPeople.Set(space, key, v)
}

func (m *memPeople) failing(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = on
}

// The longest entries fit into what the store takes, and what a disk refused is
// written when it takes it.
func TestAuditIsKept(t *testing.T) {
	const most = 16 << 10 // store.MaxStateValue
	for _, c := range []string{"<", `"`, "\u2028", "ü"} {
		synctest.Test(t, func(t *testing.T) {
			state := full{newMemPeople(), most}
			long := strings.Repeat(c, 2000)
			audited(t, state, func(a *Audit) {
				add := func() {
					a.Add(Request{From: long, Via: ViaRoom, Room: long, Name: long, Args: map[string]string{long: long}}, errors.New(long))
				}
				state.failing(true)
				for range 3 * auditChunk {
					add()
				}
				time.Sleep(auditFlush + time.Second)
				state.failing(false)
			})
			audited(t, state, func(a *Audit) {
				if n := len(a.Last(MaxAudit)); n != 3*auditChunk {
					t.Errorf("%q: %d entries are kept, want %d", c, n, 3*auditChunk)
				}
			})
		})
	}
}
