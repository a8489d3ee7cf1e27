package adhoc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/stanza"
)

// wireTo is a Requester that reaches a device's server as somebody.
type wireTo struct {
	*device
	from string
}

func (w wireTo) Request(ctx context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	if to != dev {
		return nil, fmt.Errorf("sent to %q", to)
	}
	iq, err := stanza.Parse([]byte("<iq type='" + typ + "' id='1' from='" + w.from + "'>" + string(payload) + "</iq>"))
	if err != nil {
		return nil, err
	}
	answer, err := []byte(nil), error(nil)
	switch iq.Child.Space {
	case NS:
		answer, err = w.Serve(ctx, iq)
	case disco.NSItems:
		answer = disco.AppendItems(nil, NS, w.Items(w.from))
	}
	if err != nil {
		return nil, err
	}
	return stanza.Parse([]byte("<iq type='result' id='1'>" + string(answer) + "</iq>"))
}

func TestExecute(t *testing.T) {
	relay := func(pairs ...string) map[string][]string {
		values := map[string][]string{}
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			values[k] = append(values[k], v)
		}
		return values
	}
	tests := []struct {
		name, node string
		values     map[string][]string
		want       Result
		err        string
		ran        string
	}{
		{"no form", "status", nil, Result{Notes: []Note{{"info", "all well\nuptime 3 d"}}}, "", "status map[]"},
		{"table", "read", relay("name=door", "name=outside.humidity"), Result{Text: "3 readings", Columns: []string{"Name", "Value", "Value"},
			Rows: [][]string{{"outside.temperature", "21.5 °C", "<1>"}, {"door", "false", ""}}}, "", "read map[name:door outside.humidity]"},
		{"defaults", "relay", relay("state=on"), Result{Notes: []Note{{"info", "pump is on"}}}, "", "relay map[minutes:0 quiet:true state:on why:]"},
		{"two forms", "steps", relay("p0=5", "p9=x"), Result{Notes: []Note{{"info", "stepped"}}}, "",
			"steps map[p0:5 p1:d p2:d p3:d p4:d p5:d p6:d p7:d p8:d p9:x]"},
		{"failure", "fail", nil, Result{Notes: []Note{{"error", "the bus & more hangs"}}}, `command "fail": the bus & more hangs`, "fail map[]"},
		{"unknown", "bogus", nil, Result{}, `command "bogus": item-not-found`, ""},
		{"missing", "relay", nil, Result{}, `command "relay": state is needed: one of on, off`, ""},
		{"refused", "relay", relay("state=on", "minutes=x"), Result{}, `command "relay": For minutes: "x" is not a number`, ""},
		{"no such field", "relay", relay("state=on", "speed=9"), Result{}, `command "relay": it has no field "speed"`, ""},
		{"no such field in two forms", "steps", relay("speed=9"), Result{}, `command "steps": it has no field "speed"`, ""},
		{"no form to fill", "status", relay("speed=9"), Result{Notes: []Note{{"info", "all well\nuptime 3 d"}}},
			`command "status": it has run, but it has no field "speed"`, "status map[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice()
			got, err := Execute(t.Context(), wireTo{d, anna}, dev, tt.node, tt.values, Consent{})
			if fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
				t.Errorf("error %v, want %s", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			ran := strings.TrimPrefix(strings.Join(d.ran, "\n"), "anna@example.org ")
			if ran != tt.ran {
				t.Errorf("ran %q, want %q", ran, tt.ran)
			}
			if n := len(d.sessions.open); n != 0 {
				t.Errorf("%d sessions are left open", n)
			}
		})
	}
	var failed *FailedError
	if _, err := Execute(t.Context(), wireTo{newDevice(), anna}, dev, "fail", nil, Consent{}); !errors.As(err, &failed) {
		t.Errorf("error %v is no FailedError", err)
	}
	if _, err := Execute(t.Context(), wireTo{newDevice(), anna}, dev, "bogus", nil, Consent{}); !errors.Is(err, stanza.ItemNotFound) {
		t.Errorf("error %v is no item-not-found", err)
	}
}

func TestList(t *testing.T) {
	d := newDevice()
	got, err := List(t.Context(), wireTo{d, bert}, dev)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Items(bert), got); diff != "" {
		t.Error(diff)
	}
}

// A script is a responder that gives its answers one after the other, the last
// one for ever, and notes the actions it gets.
type script struct {
	answers []string
	actions []string
}

func (s *script) Request(_ context.Context, _, _ string, payload []byte) (*stanza.Stanza, error) {
	_, rest, _ := strings.Cut(string(payload), " action='")
	action, _, _ := strings.Cut(rest, "'")
	s.actions = append(s.actions, action)
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return stanza.Parse([]byte("<iq type='result' id='1'>" + answer + "</iq>"))
}

// Other responders do what the standard allows, and less.
func TestExecuteElsewhere(t *testing.T) {
	stage := func(status, body string) string {
		return "<command xmlns='" + NS + "' node='n' sessionid='s' status='" + status + "'>" + body + "</command>"
	}
	form := func(v string) string {
		return "<x xmlns='jabber:x:data' type='form'><field var='" + v + "' type='hidden'><value>h</value></field></x>"
	}
	done := stage("completed", "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>t</value></field>"+
		"<field var='load' label='Load'><value>1</value><value>2</value></field><field type='fixed'><value>bye</value></field></x>")
	tests := []struct {
		name    string
		answers []string
		text    string
		err     string
		actions string
	}{
		{"single fields", []string{done}, "Load: 1, 2\nbye", "", "execute"},
		{"no actions: complete", []string{stage("executing", form("a")), done}, "Load: 1, 2\nbye", "", "execute complete"},
		{"next only", []string{stage("executing", "<actions><next/></actions>"+form("a")), done}, "Load: 1, 2\nbye", "", "execute next"},
		{"next is the default", []string{stage("executing", "<actions execute='next'><next/><complete/></actions>"+form("a")), done}, "Load: 1, 2\nbye", "", "execute next"},
		{"both, no default", []string{stage("executing", "<actions><prev/><next/><complete/></actions>"+form("a")), done}, "Load: 1, 2\nbye", "", "execute complete"},
		{"a note between", []string{stage("executing", "<note>wait</note>"), stage("executing", "<note>wait</note>"), done}, "Load: 1, 2\nbye", "", "execute complete complete"},
		{"an empty form", []string{stage("executing", "<x xmlns='jabber:x:data' type='form'/>"), done}, "Load: 1, 2\nbye", "", "execute complete"},
		{"the same again", []string{stage("executing", "<note type='error'>bad</note>"+form("a"))}, "", `command "n": it asks the same again: bad`, "execute complete cancel"},
		{"canceled", []string{stage("canceled", "")}, "", `command "n": the answer has status "canceled"`, "execute"},
		{"no status", []string{stage("", "")}, "", `command "n": the answer has status ""`, "execute"},
		{"no command", []string{"<query xmlns='urn:x'/>"}, "", `command "n": the answer holds no command`, "execute"},
		{"endless", []string{stage("executing", "<note>wait</note>")}, "", `command "n": it goes on after 20 steps`,
			"execute" + strings.Repeat(" complete", maxStages)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: tt.answers}
			got, err := Execute(t.Context(), s, dev, "n", nil, Consent{})
			if fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
				t.Errorf("error %v, want %s", err, tt.err)
			}
			if got.Text != tt.text {
				t.Errorf("text %q, want %q", got.Text, tt.text)
			}
			if a := strings.Join(s.actions, " "); a != tt.actions {
				t.Errorf("actions %q, want %q", a, tt.actions)
			}
		})
	}
}

func TestExecuteBounds(t *testing.T) {
	s := &script{answers: []string{"<command xmlns='" + NS + "' node='n' sessionid='s' status='completed'>" + strings.Repeat("<note>x</note>", maxNotes+5) + "</command>"}}
	got, err := Execute(t.Context(), s, dev, "n", nil, Consent{})
	if err != nil || len(got.Notes) != maxNotes {
		t.Errorf("%d notes, %v", len(got.Notes), err)
	}
}

// FuzzExecute feeds the asking side with answers of all kinds.
func FuzzExecute(f *testing.F) {
	f.Add("<command xmlns='" + NS + "' node='n' sessionid='s' status='executing'><x xmlns='jabber:x:data'><field var='a'><required/></field></x></command>")
	f.Add("<command xmlns='" + NS + "' status='completed'><x xmlns='jabber:x:data' type='result'><reported><field var='a'/></reported><item><field var='a'/></item></x></command>")
	f.Add("<command/>")
	f.Fuzz(func(t *testing.T, in string) {
		if strings.HasPrefix(in, "<") {
			s := &script{answers: []string{in}}
			res, err := Execute(t.Context(), s, dev, "n", map[string][]string{"a": {"1"}}, Consent{})
			if len(s.actions) > maxStages+2 {
				t.Errorf("%d steps", len(s.actions))
			}
			for _, row := range res.Rows {
				if len(row) != len(res.Columns) {
					t.Errorf("row %v for columns %v, error %v", row, res.Columns, err)
				}
			}
		}
	})
}
