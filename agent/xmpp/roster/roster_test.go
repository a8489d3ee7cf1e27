package roster

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

// fake is a server that knows one roster.
type fake struct {
	items string
	sent  []string
	fails string       // refuses to set an entry that holds this
	onSet func(string) // called while an entry is set
}

func (f *fake) Send(raw []byte) error { f.sent = append(f.sent, string(raw)); return nil }

func (f *fake) Request(_ context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	if typ == "set" {
		f.sent = append(f.sent, string(payload))
		if f.onSet != nil {
			f.onSet(string(payload))
		}
		if f.fails != "" && strings.Contains(string(payload), f.fails) {
			return nil, stanza.ResourceConstraint
		}
		return stanza.Parse([]byte("<iq type='result'/>"))
	}
	return stanza.Parse([]byte("<iq type='result'><query xmlns='jabber:iq:roster'>" + f.items + "</query></iq>"))
}

func load(t *testing.T, items string, people ...string) (*Roster, *fake) {
	t.Helper()
	f := &fake{items: items}
	r := New(f, "pi@example.org", func() []string { return people }, func(j string) bool { return slices.Contains(people, j) },
		func(string) {}, slog.New(slog.DiscardHandler))
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, f
}

const (
	addAnna    = "<query xmlns='jabber:iq:roster'><item jid='anna@example.org'><group>Pipit</group></item></query>"
	removeAnna = "<query xmlns='jabber:iq:roster'><item jid='anna@example.org' subscription='remove'></item></query>"
	askAnna    = "<presence type='subscribe' to='anna@example.org'/>"
	allowAnna  = "<presence type='subscribed' to='anna@example.org'/>"
)

func TestReconcile(t *testing.T) {
	for name, c := range map[string]struct {
		items  string
		people []string
		want   []string
	}{
		"new person":           {"", []string{"anna@example.org"}, []string{addAnna, allowAnna, askAnna}},
		"sees us, we do not":   {"<item jid='anna@example.org' subscription='from'/>", []string{"anna@example.org"}, []string{askAnna}},
		"asked already":        {"<item jid='anna@example.org' subscription='none' ask='subscribe'/>", []string{"anna@example.org"}, nil},
		"both":                 {"<item jid='Anna@example.org' subscription='both'/>", []string{"anna@example.org"}, nil},
		"left, our entry":      {"<item jid='anna@example.org' subscription='both'><group>Pipit</group></item>", nil, []string{removeAnna}},
		"left, their entry":    {"<item jid='anna@example.org' subscription='both'><group>Friends</group></item>", nil, nil},
		"nonsense in roster":   {"<item jid='@' subscription='both'/><item/>", nil, nil},
		"the device itself":    {"<item jid='pi@example.org' subscription='none'/>", []string{"pi@example.org"}, nil},
		"nobody, empty roster": {"", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := load(t, c.items, c.people...)
			if err := r.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, f.sent); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSubscriptionRequests(t *testing.T) {
	for name, c := range map[string]struct {
		items, from string
		want        []string
	}{
		"person, one way":  {"<item jid='anna@example.org' subscription='none'/>", "anna@example.org", []string{allowAnna, askAnna}},
		"person, known":    {"<item jid='anna@example.org' subscription='to'/>", "anna@example.org", []string{allowAnna}},
		"other spelling":   {"<item jid='anna@example.org' subscription='to'/>", "ANNA@example.org", []string{allowAnna}},
		"stranger":         {"", "eve@example.org", nil},
		"look-alike":       {"", "anna@example.org.evil.example", nil},
		"not even a JID":   {"", "@", nil},
		"nobody in person": {"", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := load(t, c.items, "anna@example.org")
			p, err := stanza.Parse([]byte("<presence type='subscribe' from='" + c.from + "'/>"))
			if err != nil {
				t.Fatal(err)
			}
			if !r.Presence(t.Context(), p) {
				t.Error("not taken for a subscription")
			}
			if d := cmp.Diff(c.want, f.sent); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPush(t *testing.T) {
	for name, c := range map[string]struct {
		from, items string
		err         *stanza.Error
		known       bool
	}{
		"from the server":  {"", "<item jid='anna@example.org' subscription='both'/>", nil, true},
		"from the account": {"pi@example.org", "<item jid='anna@example.org' subscription='both'/>", nil, true},
		"removal":          {"", "<item jid='anna@example.org' subscription='remove'/>", nil, false},
		"forged":           {"eve@example.org/x", "<item jid='anna@example.org' subscription='both'/>", stanza.ServiceUnavailable, false},
		"domain":           {"example.org", "<item jid='anna@example.org' subscription='both'/>", stanza.ServiceUnavailable, false},
		"two items":        {"", "<item jid='a@example.org'/><item jid='b@example.org'/>", stanza.BadRequest, false},
		"no item":          {"", "", stanza.BadRequest, false},
		"bad JID":          {"", "<item jid='@'/>", stanza.BadRequest, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := load(t, "", "anna@example.org")
			iq, err := stanza.Parse([]byte("<iq type='set' from='" + c.from + "'><query xmlns='jabber:iq:roster'>" + c.items + "</query></iq>"))
			if err != nil {
				t.Fatal(err)
			}
			_, got := r.Push(t.Context(), iq)
			if (got == nil) != (c.err == nil) || got != nil && got != error(c.err) {
				t.Errorf("error %v, want %v", got, c.err)
			}
			if _, known := r.contacts["anna@example.org"]; known != c.known {
				t.Errorf("entry kept: %v, want %v", known, c.known)
			}
		})
	}
}

// A server may push as many entries as it likes; what is kept is the people.
func TestPushesAreBounded(t *testing.T) {
	r, _ := load(t, "<item jid='old@example.org'><group>Pipit</group></item><item jid='friend@example.org'/>", "anna@example.org")
	for i := range 1000 {
		iq, err := stanza.Parse(fmt.Appendf(nil, "<iq type='set'><query xmlns='jabber:iq:roster'><item jid='x%d@example.org'><group>Pipit</group></item></query></iq>", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Push(t.Context(), iq); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]contact{"old@example.org": {ours: true}}; !maps.Equal(want, r.contacts) {
		t.Errorf("kept: %v", r.contacts)
	}
}

// Anybody can ask under any number of addresses. Neither memory nor log may
// grow with them.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		f, stray := &fake{}, []string{}
		r := New(f, "pi@example.org", func() []string { return nil }, func(string) bool { return false }, func(j string) { stray = append(stray, j) }, slog.New(slog.NewTextHandler(&log, nil)))
		flood := func() int {
			log.Reset()
			for i := range 3 * maxStrangers {
				r.subscribe(fmt.Sprintf("x%d@example.org", i))
			}
			return strings.Count(log.String(), "\n")
		}
		for _, want := range []int{maxStrangers, 0} {
			if n := flood(); n != want || len(r.strangers) > maxStrangers || len(f.sent) > 0 {
				t.Errorf("%d lines of log, want %d; %d strangers remembered, %d stanzas sent", n, want, len(r.strangers), len(f.sent))
			}
		}
		if want := 2 * 3 * maxStrangers; len(stray) != want {
			t.Errorf("%d attempts were told, want %d", len(stray), want)
		}
		time.Sleep(24 * time.Hour)
		if n := flood(); n != maxStrangers {
			t.Errorf("a day later %d lines of log, want %d", n, maxStrangers)
		}
	})
}

// Who gets a role, or loses it, does so while the device is online. An entry that
// was made by hand stays, without its subscriptions.
func TestPeopleChange(t *testing.T) {
	people := []string{"anna@example.org", "ben@example.org"}
	f := &fake{items: "<item jid='anna@example.org' subscription='both'><group>Pipit</group></item><item jid='ben@example.org' subscription='both'><group>Friends</group></item>"}
	r := New(f, "pi@example.org", func() []string { return people }, func(j string) bool { return slices.Contains(people, j) },
		func(string) {}, slog.New(slog.DiscardHandler))
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	people = []string{"carla@example.org"}
	for _, want := range [][]string{
		{
			strings.ReplaceAll(addAnna, "anna", "carla"), strings.ReplaceAll(allowAnna, "anna", "carla"), strings.ReplaceAll(askAnna, "anna", "carla"),
			removeAnna, "<presence type='unsubscribed' to='ben@example.org'/>", "<presence type='unsubscribe' to='ben@example.org'/>",
		},
		{strings.ReplaceAll(askAnna, "anna", "carla")}, // the server has not said yet that it was asked
	} {
		f.sent = nil
		if err := r.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		slices.Sort(f.sent)
		if d := cmp.Diff(want, f.sent); d != "" {
			t.Error(d)
		}
	}
}

// Who is revoked while the server still makes the entry is out the next time.
func TestRevokedWhileWelcomed(t *testing.T) {
	for _, pushed := range []bool{false, true} {
		r, f := load(t, "")
		people := []string{"anna@example.org"}
		r.people, r.person = func() []string { return people }, func(j string) bool { return slices.Contains(people, j) }
		f.onSet = func(string) {
			people = nil
			if iq, err := stanza.Parse([]byte("<iq type='set'><query xmlns='jabber:iq:roster'><item jid='anna@example.org'><group>Pipit</group></item></query></iq>")); err != nil {
				t.Fatal(err)
			} else if pushed {
				_, _ = r.Push(t.Context(), iq)
			}
		}
		for range 2 {
			f.sent = f.sent[:0]
			if err := r.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]string{removeAnna}, f.sent); d != "" || len(r.contacts) != 0 {
			t.Errorf("pushed %v: %s, kept %v", pushed, d, r.contacts)
		}
	}
}

// One entry that the server refuses keeps nobody else in or out, and is tried again.
func TestReconcileGoesOn(t *testing.T) {
	r, f := load(t, "<item jid='anna@example.org' subscription='both'><group>Pipit</group></item>", "ben@example.org", "carla@example.org")
	for _, tt := range []struct {
		fails string
		want  []string
	}{
		{"ben@", []string{removeAnna, strings.ReplaceAll(askAnna, "anna", "carla")}},
		{"", []string{strings.ReplaceAll(askAnna, "anna", "ben")}},
	} {
		f.fails, f.sent = tt.fails, nil
		if err := r.Reconcile(t.Context()); (err != nil) != (tt.fails != "") {
			t.Errorf("fails at %q: %v", tt.fails, err)
		}
		for _, w := range tt.want {
			if !slices.Contains(f.sent, w) {
				t.Errorf("fails at %q: %s is missing in %q", tt.fails, w, f.sent)
			}
		}
	}
	r, f = load(t, "<item jid='anna@example.org' subscription='both'><group>Pipit</group></item>")
	f.fails = "anna@"
	if err := r.Reconcile(t.Context()); err == nil {
		t.Error("a removal was refused, and nobody said so")
	}
	f.fails, f.sent = "", nil
	if err := r.Reconcile(t.Context()); err != nil || !slices.Equal(f.sent, []string{removeAnna}) {
		t.Errorf("the next time: %v, sent %q", err, f.sent)
	}
}

func TestViewers(t *testing.T) {
	r, _ := load(t, "<item jid='Anna@example.org' subscription='both'/><item jid='ben@example.org' subscription='from'/><item jid='carla@example.org' subscription='to'/><item jid='dora@example.org'/><item jid='@' subscription='both'/>")
	got, err := r.Viewers(t.Context())
	if d := cmp.Diff(map[string]bool{"pi@example.org": true, "anna@example.org": true, "ben@example.org": true}, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}
