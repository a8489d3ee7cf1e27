package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logs is a log that a test can read while others write to it.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count returns how many lines have all the parts.
func (l *logs) count(parts ...string) (n int) {
	for line := range strings.Lines(l.String()) {
		has := true
		for _, p := range parts {
			has = has && strings.Contains(line, p)
		}
		if has {
			n++
		}
	}
	return n
}

func (l *logs) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

func TestPut(t *testing.T) {
	at := time.Unix(1e9, 0)
	for _, c := range []struct {
		name     string
		in, want Reading
		recorded bool
	}{
		{"good", Reading{Name: "a.b", Value: Number(1), Time: at}, Reading{Name: "a.b", Value: Number(1), Time: at}, true},
		{"a fault has no value", Reading{Name: "a", Value: Number(1), Quality: Fault, Reason: "x"}, Reading{Name: "a", Quality: Fault, Reason: "x"}, true},
		{"missing has no value", Reading{Name: "a", Value: Text("1"), Quality: Missing}, Reading{Name: "a", Quality: Missing}, true},
		{"no number", Reading{Name: "a", Value: Number(math.NaN()), Unit: "lx"}, Reading{Name: "a", Unit: "lx", Quality: Fault, Reason: "the sensor gave no number"}, true},
		{"stale", Reading{Name: "a", Value: Number(1), Quality: Stale}, Reading{Name: "a", Value: Number(1), Quality: Stale}, false},
		{"uncertain", Reading{Name: "a", Value: Number(1), Quality: Uncertain}, Reading{Name: "a", Value: Number(1), Quality: Uncertain}, true},
	} {
		j := &appended{}
		a := &Agent{Record: j}
		a.Put(c.in)
		if diff := cmp.Diff([]Reading{c.want}, a.Board.All(), sameValue); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if (len(*j) == 1) != c.recorded {
			t.Errorf("%s: %d are recorded", c.name, len(*j))
		}
	}
	a := &Agent{}
	a.Put(Reading{Name: "a", Value: Number(1)})
	if len(a.Board.All()) != 1 {
		t.Error("without a record nothing gets to the board")
	}
}

// appended is the part of a Record that Put uses.
type appended []Reading

func (a *appended) Append(r Reading) { *a = append(*a, r) }

func (*appended) Pending(context.Context, string) ([]string, error) { return nil, nil }
func (*appended) After(string, string, int) []Entry                 { return nil }
func (*appended) Done(string, string, uint64)                       {}

func TestPutDrops(t *testing.T) {
	var l logs
	j := &appended{}
	a := &Agent{Record: j, Log: l.logger(slog.LevelInfo)}
	a.Put(Reading{Name: "Not A Name", Value: Number(1)})
	if len(a.Board.All()) != 0 || len(*j) != 0 || l.count("Not A Name") != 1 {
		t.Errorf("a bad name: board %v, log\n%s", a.Board.All(), l.String())
	}
	for i := range MaxReadings {
		a.Board.Put(Reading{Name: fmt.Sprint("n", i)})
	}
	a.Put(Reading{Name: "one", Value: Number(1)})
	a.Put(Reading{Name: "two", Value: Number(1)})
	if len(*j) != 0 || l.count("board full", "one") != 1 || l.count("board full") != 1 {
		t.Errorf("a full board: %d recorded, log\n%s", len(*j), l.String())
	}
}

func TestAllowed(t *testing.T) {
	a := &Agent{People: map[string]Role{
		"viewer@example.org": Viewer, "operator@example.org": Operator, "owner@example.org": Owner, "stranger@example.org": Stranger,
		"": Owner, // a mistake of the config that must not help anybody
	}}
	most := map[string]int{ // the greatest need that is allowed, -1: nothing
		"": -1, "nobody@example.org": -1, "stranger@example.org": -1, "owner@example.org.evil.test": -1,
		"viewer@example.org": int(Viewer), "operator@example.org": int(Operator), "owner@example.org": int(Owner),
	}
	nobody := map[Via]Role{ViaLocal: Owner, ViaRule: Operator, ViaGuest: Viewer} // what nobody may
	for _, via := range []Via{ViaChat, ViaAdHoc, ViaRoom, ViaGuest, ViaRule, ViaLocal, "other"} {
		for from, most := range most {
			if role, ok := nobody[via]; ok && from == "" {
				most = int(role)
			}
			for needs := Stranger; needs <= Owner; needs++ {
				if got, want := a.Allowed(from, via, Command{Needs: needs}), int(needs) <= most; got != want {
					t.Errorf("%q via %s, needs %v: %v", from, via, needs, got)
				}
			}
			if a.Allowed(from, via, Command{Needs: Owner + 1}) {
				t.Errorf("%q via %s may run what needs more than an owner", from, via)
			}
		}
	}
}

// Nobody knows who a guest is, so nobody can ask them whether they mean it.
func TestGuestConfirmsNothing(t *testing.T) {
	a := &Agent{}
	for c, want := range map[Confirmation]bool{ConfirmNone: true, ConfirmAsk: false, ConfirmTOTP: false} {
		if got := a.Allowed("", ViaGuest, Command{Needs: Viewer, Confirm: c}); got != want {
			t.Errorf("confirmation %d: %v", c, got)
		}
	}
}

func TestCommandsFor(t *testing.T) {
	a := &Agent{
		People:   map[string]Role{"v@example.org": Viewer, "o@example.org": Owner},
		Commands: []Command{{Name: "status", Needs: Viewer}, {Name: "people", Needs: Owner}, {Name: "read", Needs: Viewer}},
	}
	for from, want := range map[string]string{"v@example.org": "status read", "o@example.org": "status people read", "x@example.org": "", "": ""} {
		var names []string
		for _, c := range a.CommandsFor(from, ViaChat) {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %q, want %q", from, got, want)
		}
	}
	if _, ok := a.Command("v@example.org", ViaChat, "people"); ok {
		t.Error("a viewer finds a command of the owner")
	}
	if c, ok := a.Command("o@example.org", ViaAdHoc, "people"); !ok || c.Name != "people" {
		t.Error("the owner does not find a command")
	}
}

func TestDo(t *testing.T) {
	var l logs
	var got Request
	own := errors.New("the lamp is stuck")
	a := &Agent{
		Log:    l.logger(slog.LevelInfo),
		People: map[string]Role{"v@example.org": Viewer, "o@example.org": Owner},
		Commands: []Command{
			{Name: "set", Needs: Viewer, Params: []Param{{Name: "on", Kind: ParamBool, Required: true}}, Run: func(_ context.Context, r Request) (Answer, error) {
				got = r
				return Answer{Text: "done"}, nil
			}},
			{Name: "fail", Needs: Viewer, Run: func(context.Context, Request) (Answer, error) { return Answer{Text: "half"}, own }},
			{Name: "panic", Needs: Viewer, Run: func(context.Context, Request) (Answer, error) { panic("secret detail") }},
			{Name: "people", Needs: Owner, Run: func(context.Context, Request) (Answer, error) { return Answer{}, nil }},
		},
	}
	do := func(from, name string, args map[string]string) (string, error) {
		ans, err := a.Do(t.Context(), Request{From: from, Via: ViaChat, Name: name, Args: args})
		return ans.Text, err
	}
	for _, c := range []struct{ from, name string }{
		{"v@example.org", "none"}, {"v@example.org", "people"}, {"x@example.org", "set"}, {"", "set"},
	} {
		if text, err := do(c.from, c.name, nil); err != ErrUnknown || text != "" {
			t.Errorf("%+v: %q, %v", c, text, err)
		}
	}
	if text, err := do("v@example.org", "set", map[string]string{"on": " Yes"}); text != "done" || err != nil {
		t.Errorf("set: %q, %v", text, err)
	}
	want := Request{From: "v@example.org", Via: ViaChat, Name: "set", Args: map[string]string{"on": "true"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the command got (-want +got):\n%s", diff)
	}
	var bad *ParamError
	if _, err := do("v@example.org", "set", nil); !errors.As(err, &bad) || bad.Param != "on" {
		t.Errorf("set without an argument: %v", err)
	}
	if _, err := do("v@example.org", "fail", nil); err != own {
		t.Errorf("fail: %v", err)
	}
	text, err := do("v@example.org", "panic", nil)
	if text != "" || err == nil || err.Error() != "panic failed inside the device; the log has the details" {
		t.Errorf("panic: %q, %v", text, err)
	}
	if l.count("command panicked", "secret detail", "stack=") != 1 || l.count("msg=command ", "from=v@example.org", "via=chat", "command=set") != 2 {
		t.Errorf("log:\n%s", l.String())
	}
	do("x@example.org", strings.Repeat("n", 10000), nil)
	if len(l.String()) > 10000 {
		t.Error("a name from outside floods the log")
	}
	if _, err := (&Agent{}).Do(t.Context(), Request{Via: ViaLocal, Name: "x"}); err != ErrUnknown {
		t.Errorf("an agent without log and commands: %v", err)
	}
}
