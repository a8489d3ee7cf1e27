package adhoc

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

// asking returns a device whose command relay, with a form, and halt, without,
// have to be confirmed.
func asking() *device {
	d := newDevice()
	halt := d.agent.Commands[0]
	halt.Name, halt.Will = "halt", "halt the board"
	d.agent.Commands = append(d.agent.Commands, halt)
	for i, c := range d.agent.Commands {
		if c.Name == "relay" || c.Name == "halt" {
			d.agent.Commands[i].Confirm = agent.ConfirmAsk
		}
	}
	return d
}

func TestConfirmStage(t *testing.T) {
	for _, tt := range []struct {
		name, form, action string
		wait               time.Duration
		change             func(d *device)
		note               string
		ran                int
	}{
		{"true", submit(confirmField + "=true"), "complete", 0, nil, "info all well\nuptime 3 d", 1},
		{"1", submit(confirmField + "=1"), "", 59 * time.Second, nil, "info all well\nuptime 3 d", 1},
		{"false", submit(confirmField + "=false"), "complete", 0, nil, "warn " + notRun, 0},
		{"no field", submit(), "complete", 0, nil, "warn " + notRun, 0},
		{"no form", "", "complete", 0, nil, "warn " + notRun, 0},
		{"late", submit(confirmField + "=true"), "complete", time.Minute, nil, "error not confirmed: nothing like this waits for you any more: ask again", 0},
		{"a newer request", submit(confirmField + "=true"), "complete", 0, func(d *device) {
			d.agent.Do(context.Background(), agent.Request{From: "anna@example.org", Via: agent.ViaAdHoc, Name: "halt"})
		}, "error not confirmed: that is not the word", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := asking()
			r := d.start(t, anna, "halt")
			if f := r.field(confirmField); r.Form.Instructions != "This will halt the board." || f.Type != "boolean" || len(f.Values) != 1 || f.Values[0] != "false" {
				t.Errorf("asked %+v", r.Form)
			}
			if tt.change != nil {
				tt.change(d)
			}
			time.Sleep(tt.wait)
			got, e := d.ask(t, anna, "halt", r.Session, tt.action, tt.form)
			if e != nil || len(got.Notes) != 1 || got.Notes[0].Type+" "+got.Notes[0].Text != tt.note || len(d.ran) != tt.ran {
				t.Errorf("%s: %+v, %v, ran %q", tt.name, got, e, d.ran)
			}
			if _, e := d.ask(t, anna, "halt", r.Session, "complete", submit(confirmField+"=true")); !is(e, "not-allowed", "session-expired") || len(d.ran) != tt.ran {
				t.Errorf("%s again: %v, ran %q", tt.name, e, d.ran)
			}
		})
	}
}

// The session belongs to a full JID: nobody else confirms in it.
func TestConfirmByAnother(t *testing.T) {
	d := asking()
	r := d.start(t, anna, "halt")
	for _, from := range []string{bert, "anna@example.org/laptop"} {
		if _, e := d.ask(t, from, "halt", r.Session, "complete", submit(confirmField+"=true")); !is(e, "bad-request", "bad-sessionid") || len(d.ran) > 0 {
			t.Errorf("%s: %v, ran %q", from, e, d.ran)
		}
	}
}

// What is confirmed is what was asked about: going back asks anew.
func TestConfirmAfterForm(t *testing.T) {
	d := asking()
	r := d.start(t, anna, "relay")
	r, _ = d.ask(t, anna, "relay", r.Session, "complete", submit("state=on", confirmField+"=true"))
	if r.Status != "executing" || r.Form.Instructions != `This will run "relay on 0 true".` || r.actions() != "complete: prev complete" {
		t.Fatalf("%+v %s", r.Form, r.actions())
	}
	r, _ = d.ask(t, anna, "relay", r.Session, "prev", submit(confirmField+"=true"))
	r, _ = d.ask(t, anna, "relay", r.Session, "complete", submit("state=off"))
	if r.Form == nil || !strings.Contains(r.Form.Instructions, "relay off") || r.field(confirmField).Values[0] != "false" || len(d.ran) > 0 {
		t.Fatalf("%+v, ran %q", r, d.ran)
	}
	r, _ = d.ask(t, anna, "relay", r.Session, "complete", submit(confirmField+"=true"))
	if r.Status != "completed" || len(d.ran) != 1 || !strings.Contains(d.ran[0], "state:off") || strings.Contains(d.ran[0], "confirm") {
		t.Errorf("%+v, ran %q", r, d.ran)
	}
}

func TestConfirmWithCode(t *testing.T) {
	d := asking()
	d.agent.Commands[len(d.agent.Commands)-1].Confirm = agent.ConfirmTOTP
	r := d.start(t, anna, "halt")
	for i, want := range []string{"executing", "executing", "completed"} {
		r, _ = d.ask(t, anna, "halt", r.Session, "complete", submit(confirmField+"=true", codeField+"=123456"))
		if r.Status != want || len(d.ran) > 0 {
			t.Fatalf("try %d: %+v, ran %q", i, r, d.ran)
		}
	}
}

func TestExecuteConsent(t *testing.T) {
	for _, tt := range []struct {
		kind    agent.Confirmation
		consent Consent
		err     string
		ran     int
	}{
		{agent.ConfirmAsk, Consent{}, `command "halt": not run, it has to be confirmed: This will halt the board.`, 0},
		{agent.ConfirmAsk, Consent{Yes: true}, "", 1},
		{agent.ConfirmTOTP, Consent{Yes: true}, `command "halt": not run, it has to be confirmed with a code: This will halt the board.`, 0},
		{agent.ConfirmTOTP, Consent{Yes: true, Code: "123456"}, `command "halt": Code: no totp_file is configured`, 0},
	} {
		d := asking()
		d.agent.Commands[len(d.agent.Commands)-1].Confirm = tt.kind
		_, err := Execute(t.Context(), wireTo{d, anna}, dev, "halt", nil, tt.consent)
		if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err || len(d.ran) != tt.ran || len(d.sessions.open) > 0 {
			t.Errorf("%+v: %v, ran %q", tt.consent, err, d.ran)
		}
	}
}

// Who loses the role in the middle of a command, before a form or a word is
// complete, runs nothing. What is refused is audited, of a flood once.
func TestRevokedInTheMiddle(t *testing.T) {
	for name, roles := range map[string][]agent.Role{"relay": {agent.Viewer, agent.Stranger}, "halt": {agent.Stranger}} {
		d := asking()
		r := d.start(t, anna, name)
		if name == "relay" {
			if r, _ = d.ask(t, anna, name, r.Session, "complete", submit("state=on")); r.Status != "executing" {
				t.Fatalf("%+v", r)
			}
		}
		for _, role := range roles {
			d.agent.People["anna@example.org"] = role
			if _, e := d.ask(t, anna, name, r.Session, "complete", submit(confirmField+"=true")); e == nil || len(d.ran) > 0 {
				t.Errorf("%s as a %s: %v, ran %q", name, role, e, d.ran)
			}
		}
	}
}

func TestRefusedIsAudited(t *testing.T) {
	d := asking()
	d.agent.Limits, d.agent.Audit = &agent.Limits{}, agent.NewAudit(noState{}, slog.New(slog.DiscardHandler))
	for _, name := range []string{"halt", "relay#on", "nothing"} {
		if _, e := d.ask(t, bert, name, "", "", ""); (name == "nothing" || name == "relay#on") && !is(e, "item-not-found", "") {
			t.Errorf("%s: %v", name, e)
		}
	}
	tooMany := 0
	for range 100 {
		if _, e := d.ask(t, bert, "relay", "", "", ""); is(e, "resource-constraint", "") {
			tooMany++
		}
	}
	list := d.agent.Audit.Last(1000)
	var got []string
	for _, e := range list[:3] {
		got = append(got, e.From+" "+e.What+" "+e.Result)
	}
	if want := "bert@example.org halt has to be confirmed first,bert@example.org relay not allowed,bert@example.org (no command) unknown command"; strings.Join(got, ",") != want {
		t.Errorf("%q", got)
	}
	if tooMany < 40 || len(list) > 65 {
		t.Errorf("%d were too many, %d entries", tooMany, len(list))
	}
}

// noState keeps nothing.
type noState struct{}

func (noState) Set(_, _ string, _ []byte) error     { return nil }
func (noState) Get(_, _ string) (b []byte, ok bool) { return nil, false }
func (noState) Delete(_, _ string) error            { return nil }
func (noState) List(string) []string                { return nil }
