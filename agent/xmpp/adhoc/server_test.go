package adhoc

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/stanza"
)

func TestGoldenForm(t *testing.T) {
	d := newDevice()
	payload, err := d.raw(t, anna, commandXML("relay", "", "execute", ""))
	if err != nil {
		t.Fatal(err)
	}
	r := reply{}
	if err := xml.Unmarshal(payload, &r); err != nil {
		t.Fatal(err)
	}
	want := `<command xmlns='http://jabber.org/protocol/commands' node='relay' sessionid='` + r.Session + `' status='executing'>` +
		`<actions execute='complete'><complete/></actions>` +
		`<x xmlns='jabber:x:data' type='form'><title>relay: switch the pump</title>` +
		`<field var='FORM_TYPE' type='hidden'><value>pipit:command:relay:1</value></field>` +
		`<field var='state' type='list-single' label='Set to'><required/>` +
		`<option label='on'><value>on</value></option><option label='off'><value>off</value></option></field>` +
		`<field var='minutes' type='text-single' label='For minutes'><desc>0 keeps it</desc><value>0</value>` +
		`<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:decimal'><range min='0' max='1440'/></validate></field>` +
		`<field var='quiet' type='boolean' label='quiet'><value>true</value></field>` +
		`<field var='why' type='text-single' label='Reason'></field></x></command>`
	if diff := cmp.Diff(want, string(payload)); diff != "" {
		t.Error(diff)
	}
	if len(r.Session) < 22 { // 128 bits in base 64
		t.Errorf("session %q can be guessed", r.Session)
	}
}

func TestGoldenCompleted(t *testing.T) {
	tests := []struct{ node, form, want string }{
		{"status", "", `<note type='info'>all well
uptime 3 d</note>`},
		{"fail", "", `<note type='error'>the bus &amp; more hangs</note>`},
		{"empty", "", `<note type='info'>done</note>`},
		{"read", submit("name=door"), `<x xmlns='jabber:x:data' type='result'><title>read: the readings now</title><instructions>3 readings</instructions>` +
			`<reported><field var='name' type='text-single' label='Name'></field><field var='value' type='text-single' label='Value'></field>` +
			`<field var='value_3' type='text-single' label='Value'></field></reported>` +
			`<item><field var='name'><value>outside.temperature</value></field><field var='value'><value>21.5 °C</value></field><field var='value_3'><value>&lt;1&gt;</value></field></item>` +
			`<item><field var='name'><value>door</value></field><field var='value'><value>false</value></field><field var='value_3'><value></value></field></item></x>`},
	}
	for _, tt := range tests {
		t.Run(tt.node, func(t *testing.T) {
			d := newDevice()
			session := ""
			if tt.form != "" {
				session = d.start(t, bert, tt.node).Session
			}
			payload, err := d.raw(t, bert, commandXML(tt.node, session, "", tt.form))
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(payload), " status='completed'>")
			if diff := cmp.Diff(tt.want+"</command>", rest); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRow9HiddenCommands(t *testing.T) {
	d := newDevice()
	nodes := func(from string) (names []string) {
		for _, i := range d.Items(from) {
			names = append(names, i.Node)
		}
		return names
	}
	if diff := cmp.Diff([]string{"status", "read", "relay", "fail", "empty", "picky", "steps"}, nodes(anna)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"status", "read", "fail", "empty", "picky", "steps"}, nodes(bert)); diff != "" {
		t.Error(diff)
	}
	for _, from := range []string{eve, "", "example.org"} {
		if got := nodes(from); got != nil {
			t.Errorf("%q sees %v", from, got)
		}
	}
	for _, action := range []string{"", "execute", "next", "prev", "complete", "cancel"} {
		for _, session := range []string{"", "guess"} {
			_, hidden := d.ask(t, bert, "relay", session, action, "")
			_, none := d.ask(t, bert, "bogus", session, action, "")
			if hidden != none || hidden != stanza.ItemNotFound {
				t.Errorf("%q: hidden %v, not existing %v", action, hidden, none)
			}
		}
	}
	if _, ok := d.Info(bert, "relay"); ok {
		t.Error("the hidden command has an info")
	}
}

func TestStrangers(t *testing.T) {
	d := newDevice()
	for _, from := range []string{eve, "", "example.org", "anna@example.org.evil/phone"} {
		for _, payload := range []string{commandXML("status", "", "", ""), commandXML("bogus", "x", "fly", ""), "<command xmlns='" + NS + "'><"} {
			if _, err := d.raw(t, from, payload); err != stanza.ServiceUnavailable {
				t.Errorf("%q: %s: %v", from, payload, err)
			}
		}
		if _, ok := d.Info(from, NS); ok {
			t.Errorf("%q gets an info", from)
		}
	}
	if len(d.ran) > 0 {
		t.Errorf("ran %v", d.ran)
	}
}

func TestRow10Items(t *testing.T) {
	d := newDevice()
	if diff := cmp.Diff(disco.Item{JID: dev, Node: "status", Name: "status: how the device is"}, d.Items(bert)[0]); diff != "" {
		t.Error(diff)
	}
	for _, i := range d.Items(anna) {
		if i.JID != dev || i.Node == "" || i.Name == "" {
			t.Errorf("item %+v", i)
		}
	}
	d.self = func() string { return "dev@example.org/other" }
	if got := d.Items(bert)[0].JID; got != "dev@example.org/other" {
		t.Errorf("item of %s after a new resource was bound", got)
	}
}

func TestInfo(t *testing.T) {
	d := newDevice()
	for node, want := range map[string]string{NS: "automation/command-list", "read": "automation/command-node", "bogus": "", "": ""} {
		info, ok := d.Info(bert, node)
		got := ""
		if ok {
			got = info.Identities[0].Category + "/" + info.Identities[0].Type
		}
		if got != want || ok && (!slices.Contains(info.Features, NS) || !slices.Contains(info.Features, dataform.NS)) {
			t.Errorf("%q: %q, %+v", node, got, info)
		}
	}
}

// Row 11: all ways of a client to finish a form, with all its habits.
func TestRow11Clients(t *testing.T) {
	whole := func(r reply) string { // as Cheogram: the form itself, as a submit
		f := *r.Form
		f.Type = "submit"
		f.Fields[1].Values = []string{"on"}
		return string(f.Append(nil))
	}
	tests := []struct {
		name, action string
		form         func(reply) string
	}{
		{"Profanity: no action, no types", "", func(reply) string { return submit("state=on") }},
		{"poezio: next, copies instructions", "next", func(reply) string {
			return strings.Replace(submit("state=on"), "<field", "<title>t</title><instructions>i</instructions><field", 1)
		}},
		{"Cheogram: the whole form", "execute", whole},
		{"Gajim: complete", "complete", func(reply) string { return submit("FORM_TYPE=pipit:command:relay:1", "state=on", "why=") }},
		{"unknown fields and children", "complete", func(reply) string {
			return "<note type='info'>x</note><x xmlns='urn:other'/>" + submit("bogus=1", "state=on", "minutes=0")
		}},
		{"a form of type form", "complete", func(reply) string { return strings.Replace(submit("state=on"), "'submit'", "'form'", 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice()
			r := d.start(t, anna, "relay")
			r, e := d.ask(t, anna, "relay", r.Session, tt.action, tt.form(r))
			if e != nil || r.Status != "completed" || len(r.Notes) != 1 || r.Notes[0].Text != "pump is on" {
				t.Fatalf("%+v, %v", r, e)
			}
			want := []string{"anna@example.org relay map[minutes:0 quiet:true state:on why:]"}
			if diff := cmp.Diff(want, d.ran); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRow12Failure(t *testing.T) {
	d := newDevice()
	r, e := d.ask(t, bert, "fail", "", "", "")
	if e != nil || r.Status != "completed" || len(r.Notes) != 1 || r.Notes[0].Type != "error" || r.Form != nil {
		t.Errorf("%+v, %v", r, e)
	}
}

func TestRow13WrongForms(t *testing.T) {
	tests := []struct {
		name string
		form string
		want string // the errors shown
	}{
		{"missing required", submit("minutes=5"), "Error: Set to: a value is needed"},
		{"no form", "", "Error: Set to: a value is needed"},
		{"not a choice", submit("state=onn"), `Error: Set to: there is no "onn", did you mean "on"?`},
		{"wrong type", submit("state=on", "minutes=soon"), `Error: For minutes: "soon" is not a number`},
		{"out of range", submit("state=on", "minutes=1441"), "Error: For minutes: 1441 is not between 0 and 1440"},
		{"not a boolean", submit("state=on", "quiet=maybe"), `Error: quiet: "maybe" is neither true nor false`},
		{"two values", submit("state=on|off"), "Error: Set to: only one value is allowed"},
		{"a field twice", submit("state=on", "why=a", "why=b"), "Error: Reason: only one value is allowed"},
		{"two lines", submit("state=on", "why=a\nb"), "Error: Reason: only one line is allowed"},
		{"two faults", submit("state=x", "minutes=-1"), "Error: Set to: there is no \"x\"\nError: For minutes: -1 is not between 0 and 1440"},
		{"form of another step", submit("FORM_TYPE=pipit:command:relay:2", "state=on"), "Error: this form belongs to another step"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice()
			session := d.start(t, anna, "relay").Session
			r, e := d.ask(t, anna, "relay", session, "complete", tt.form)
			if e != nil || r.Status != "executing" || r.Session != session || r.Form == nil {
				t.Fatalf("%+v, %v", r, e)
			}
			if len(d.ran) > 0 {
				t.Errorf("ran %v", d.ran)
			}
			if diff := cmp.Diff(tt.want, r.Form.Instructions); diff != "" {
				t.Errorf("instructions: %s", diff)
			}
			for i, line := range strings.Split(tt.want, "\n") {
				if f := r.Form.Fields[i+1]; f.Type != "fixed" || f.Values[0] != line {
					t.Errorf("fixed field: %+v", f)
				}
			}
			if r, e = d.ask(t, anna, "relay", session, "complete", submit("state=off", "minutes=1", "quiet=0", "why=")); e != nil || r.Status != "completed" {
				t.Errorf("after that: %+v, %v", r, e)
			}
		})
	}
}

// The form that comes again holds what was entered, and the error beside the field.
func TestRow13FormAgain(t *testing.T) {
	d := newDevice()
	r := d.start(t, anna, "relay")
	r, _ = d.ask(t, anna, "relay", r.Session, "", submit("state=off", "minutes=9999", "quiet=0", "why=<b>"))
	want := map[string]string{"state": "off", "minutes": "9999", "quiet": "false", "why": "<b>"}
	for name, value := range want {
		if f := r.field(name); len(f.Values) != 1 || f.Values[0] != value {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if got, want := r.field("minutes").Desc, "Error: 9999 is not between 0 and 1440. 0 keeps it"; got != want {
		t.Errorf("description %q, want %q", got, want)
	}
	if got := r.field("state").Desc; got != "" {
		t.Errorf("description %q", got)
	}
	r, _ = d.ask(t, anna, "relay", r.Session, "", submit("minutes=5")) // the rest unchanged, hence left out
	if r.Status != "completed" || d.ran[0] != "anna@example.org relay map[minutes:5 quiet:false state:off why:<b>]" {
		t.Errorf("%+v, ran %v", r, d.ran)
	}
}

func TestRow13BadPayload(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	for name, form := range map[string]string{
		"too many fields": submit(strings.Split(strings.Repeat("f ", dataform.MaxFields), " ")...),
		"too long":        submit("why=" + strings.Repeat("x", dataform.MaxValue+1)),
		"too many values": submit("why=" + strings.Repeat("x|", dataform.MaxValues)),
	} {
		if _, e := d.ask(t, anna, "relay", session, "complete", form); !is(e, "bad-request", "bad-payload") {
			t.Errorf("%s: %v", name, e)
		}
	}
	for _, payload := range []string{"<command xmlns='" + NS + "' node='relay'><x", "<other/>", ""} {
		if _, err := d.raw(t, anna, payload); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %v", payload, err)
		}
	}
	iq, err := stanza.Parse([]byte("<iq type='get' id='1' from='" + anna + "'>" + commandXML("status", "", "", "") + "</iq>"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Serve(t.Context(), iq); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("get: %v", err)
	}
	if len(d.ran) > 0 {
		t.Errorf("ran %v", d.ran)
	}
}

func TestRow14Sessions(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	other := d.start(t, bert, "read").Session
	for name, from := range map[string]string{"other resource": "anna@example.org/desk", "other case": "ANNA@example.org/phone"} {
		if _, e := d.ask(t, from, "relay", session, "", submit("state=on")); !is(e, "bad-request", "bad-sessionid") {
			t.Errorf("%s: %v", name, e)
		}
	}
	if _, e := d.ask(t, anna, "read", other, "", ""); !is(e, "bad-request", "bad-sessionid") {
		t.Errorf("other person: %v", e)
	}
	if _, e := d.ask(t, anna, "read", session, "", ""); !is(e, "bad-request", "bad-sessionid") {
		t.Errorf("other command: %v", e)
	}
	if _, e := d.ask(t, anna, "relay", "guess", "", submit("state=on")); !is(e, "bad-request", "bad-sessionid") {
		t.Errorf("unknown: %v", e)
	}
	if len(d.ran) > 0 {
		t.Errorf("ran %v", d.ran)
	}
	if r, e := d.ask(t, anna, "relay", session, "", submit("state=on")); e != nil || r.Status != "completed" {
		t.Errorf("the session is spoilt: %+v, %v", r, e)
	}
	if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); !is(e, "not-allowed", "session-expired") {
		t.Errorf("finished: %v", e)
	}
	if _, e := d.ask(t, "anna@example.org/desk", "relay", session, "", ""); !is(e, "bad-request", "bad-sessionid") {
		t.Errorf("finished, of another resource: %v", e)
	}
	r, _ := d.ask(t, anna, "status", "", "", "")
	if _, e := d.ask(t, anna, "status", r.Session, "", ""); !is(e, "not-allowed", "session-expired") {
		t.Errorf("one-shot: %v", e)
	}
	if len(d.ran) != 2 {
		t.Errorf("ran %v", d.ran)
	}
}

func TestRow15Actions(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	if _, e := d.ask(t, anna, "relay", session, "prev", ""); !is(e, "bad-request", "bad-action") {
		t.Errorf("prev at the first stage: %v", e)
	}
	if _, e := d.ask(t, anna, "relay", "", "prev", ""); !is(e, "bad-request", "bad-action") {
		t.Errorf("prev without a session: %v", e)
	}
	if _, e := d.ask(t, anna, "relay", session, "fly", ""); !is(e, "bad-request", "malformed-action") {
		t.Errorf("fly: %v", e)
	}
	if _, e := d.ask(t, anna, "relay", "", "fly", ""); !is(e, "bad-request", "malformed-action") {
		t.Errorf("fly without a session: %v", e)
	}
	for _, cancel := range []struct{ action, form string }{{"cancel", ""}, {"", "<x xmlns='jabber:x:data' type='cancel'/>"}, {"cancel", submit("state=on")}} {
		session := d.start(t, anna, "relay").Session
		if r, e := d.ask(t, anna, "relay", session, cancel.action, cancel.form); e != nil || r.Status != "canceled" || r.Session != session {
			t.Errorf("%+v: %+v, %v", cancel, r, e)
		}
		if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); !is(e, "not-allowed", "session-expired") {
			t.Errorf("after cancel: %v", e)
		}
	}
	if n := len(d.sessions.open); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	if _, e := d.ask(t, anna, "relay", "", "cancel", ""); !is(e, "bad-request", "bad-sessionid") {
		t.Errorf("cancel without a session: %v", e)
	}
	if len(d.ran) > 0 {
		t.Errorf("ran %v", d.ran)
	}
}

func TestPrevAndNext(t *testing.T) {
	d := newDevice()
	r := d.start(t, bert, "steps")
	session := r.Session
	first := func(r reply) {
		t.Helper()
		if r.actions() != "next: next" || r.Form.Instructions != "Step 1 of 2" || len(r.Form.Fields) != 9 {
			t.Errorf("%s %+v", r.actions(), r.Form)
		}
	}
	second := func(r reply) {
		t.Helper()
		if r.actions() != "complete: prev complete" || r.Form.Instructions != "Step 2 of 2" || len(r.Form.Fields) != 3 {
			t.Errorf("%s %+v", r.actions(), r.Form)
		}
	}
	first(r)
	if r, _ = d.ask(t, bert, "steps", session, "next", submit("p0=x")); !strings.HasPrefix(r.Form.Instructions, "Error: p0: ") {
		t.Errorf("%+v", r.Form)
	}
	r, _ = d.ask(t, bert, "steps", session, "complete", submit("p0=7", "p1=one")) // complete means next here
	second(r)
	r, _ = d.ask(t, bert, "steps", session, "prev", submit("p8=eight"))
	first(r)
	if got := r.field("p1").Values; len(got) != 1 || got[0] != "one" {
		t.Errorf("p1 is forgotten: %v", got)
	}
	r, _ = d.ask(t, bert, "steps", session, "", submit("p1=uno"))
	second(r)
	if got := r.field("p8").Values; len(got) != 1 || got[0] != "eight" {
		t.Errorf("p8 is forgotten: %v", got)
	}
	// a late double click: the first form once more
	r, _ = d.ask(t, bert, "steps", session, "next", submit("FORM_TYPE=pipit:command:steps:1", "p1=uno"))
	if r.Status != "executing" || len(d.ran) > 0 {
		t.Errorf("the first form ran the command: %+v", r)
	}
	r, e := d.ask(t, bert, "steps", session, "next", submit("p9=nine"))
	if e != nil || r.Status != "completed" {
		t.Fatalf("%+v, %v", r, e)
	}
	want := []string{"bert@example.org steps map[p0:7 p1:uno p2:d p3:d p4:d p5:d p6:d p7:d p8:eight p9:nine]"}
	if diff := cmp.Diff(want, d.ran); diff != "" {
		t.Error(diff)
	}
}

func TestRow16Expiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		session := d.start(t, anna, "relay").Session
		time.Sleep(idle - time.Second)
		if r, _ := d.ask(t, anna, "relay", session, "", submit("state=bogus")); r.Status != "executing" {
			t.Fatalf("%+v", r)
		}
		time.Sleep(idle - time.Second) // its use has kept it
		if r, _ := d.ask(t, anna, "relay", session, "", submit("state=bogus")); r.Status != "executing" {
			t.Fatalf("%+v", r)
		}
		time.Sleep(idle)
		if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); !is(e, "not-allowed", "session-expired") {
			t.Errorf("%v", e)
		}
		if len(d.sessions.open) != 0 || len(d.ran) > 0 {
			t.Errorf("%d sessions, ran %v", len(d.sessions.open), d.ran)
		}
	})
}

func TestRow16Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		var ids []string
		for i := range maxPerPerson + 1 { // from any resource
			ids = append(ids, d.start(t, fmt.Sprintf("anna@example.org/r%d", i), "relay").Session)
			time.Sleep(time.Second)
		}
		if _, e := d.ask(t, "anna@example.org/r0", "relay", ids[0], "", ""); !is(e, "not-allowed", "session-expired") {
			t.Errorf("the oldest: %v", e)
		}
		for i := 1; i <= maxPerPerson; i++ {
			if r, e := d.ask(t, fmt.Sprintf("anna@example.org/r%d", i), "relay", ids[i], "", ""); e != nil || r.Status != "executing" {
				t.Errorf("number %d: %+v, %v", i, r, e)
			}
		}
		for i := maxPerPerson; i < maxSessions; i++ {
			person := fmt.Sprintf("p%d@example.org", i)
			d.agent.People[person] = agent.Viewer
			d.start(t, person+"/x", "read")
		}
		if _, e := d.ask(t, bert, "read", "", "", ""); e == nil || e.Condition != "resource-constraint" || e.Type != "wait" {
			t.Errorf("the 33rd: %v", e)
		}
		if r, e := d.ask(t, bert, "status", "", "", ""); e != nil || r.Status != "completed" {
			t.Errorf("a command without a form needs no room: %+v, %v", r, e)
		}
		d.start(t, "anna@example.org/r9", "relay") // takes the room of an own one
		time.Sleep(idle)
		d.start(t, bert, "read")
		if n := len(d.sessions.open); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if n := len(d.sessions.ended); n > maxEnded {
			t.Errorf("%d ended sessions are remembered", n)
		}
	})
}

func TestRow16Gone(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	other := d.start(t, "anna@example.org/desk", "relay").Session
	d.Gone(anna)
	if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); !is(e, "not-allowed", "session-expired") {
		t.Errorf("%v", e)
	}
	if r, e := d.ask(t, "anna@example.org/desk", "relay", other, "", submit("state=on")); e != nil || r.Status != "completed" {
		t.Errorf("%+v, %v", r, e)
	}
}

func TestRow17PermissionRemoved(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	d.agent.People["anna@example.org"] = agent.Viewer
	if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); e != stanza.Forbidden {
		t.Errorf("%v", e)
	}
	if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); e != stanza.ItemNotFound {
		t.Errorf("then: %v", e)
	}
	session = d.start(t, anna, "read").Session
	delete(d.agent.People, "anna@example.org")
	if _, e := d.ask(t, anna, "read", session, "", submit("name=door")); e != stanza.ServiceUnavailable {
		t.Errorf("a stranger now: %v", e)
	}
	if len(d.ran) > 0 {
		t.Errorf("ran %v", d.ran)
	}
}

// Row 17 at the last moment: between the check of the step and the run.
func TestRow17PermissionRemovedLate(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	d.agent.Commands[2].Params[0].Choices = func() []string {
		d.agent.People["anna@example.org"] = agent.Viewer
		return []string{"on"}
	}
	if _, e := d.ask(t, anna, "relay", session, "", submit("state=on")); e != stanza.Forbidden {
		t.Errorf("%v", e)
	}
	if len(d.ran) > 0 {
		t.Errorf("ran %v", d.ran)
	}
}

// A command may still refuse an argument when it runs.
func TestRefusedWhenRun(t *testing.T) {
	d := newDevice()
	session := d.start(t, bert, "picky").Session
	r, e := d.ask(t, bert, "picky", session, "", submit("p=v"))
	if e != nil || r.Status != "executing" || r.Session != session || r.Form.Instructions != "Error: p: taken" {
		t.Errorf("%+v, %v", r, e)
	}
	if r, e = d.ask(t, bert, "picky", session, "cancel", ""); e != nil || r.Status != "canceled" {
		t.Errorf("%+v, %v", r, e)
	}
}

// A panic in a command table costs one request, not the server.
func TestPanic(t *testing.T) {
	d := newDevice()
	session := d.start(t, anna, "relay").Session
	choices := d.agent.Commands[2].Params[0].Choices
	d.agent.Commands[2].Params[0].Choices = func() []string { panic("choices") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		d.ask(t, anna, "relay", session, "", submit("state=on"))
	}()
	d.agent.Commands[2].Params[0].Choices = choices
	if r, e := d.ask(t, anna, "relay", session, "", submit("state=on")); e != nil || r.Status != "completed" {
		t.Errorf("%+v, %v", r, e)
	}
}

func TestLongLists(t *testing.T) {
	d := newDevice()
	many := make([]string, maxOptions+1)
	for i := range many {
		many[i] = fmt.Sprintf("s%d", i)
	}
	d.agent.Commands[1].Params[0].Choices = func() []string { return many }
	r := d.start(t, bert, "read")
	if f := r.field("name"); f.Type != "text-single" || len(f.Options) != 0 {
		t.Errorf("%+v", f)
	}
	if r, _ = d.ask(t, bert, "read", r.Session, "", submit("name=s1 s2")); r.Status != "completed" {
		t.Errorf("%+v", r)
	}
	if !strings.HasSuffix(d.ran[0], "map[name:s1 s2]") {
		t.Errorf("ran %v", d.ran)
	}
}

func TestLongAnswers(t *testing.T) {
	d := newDevice()
	rows := make([][]string, 5000)
	for i := range rows {
		rows[i] = []string{strings.Repeat("'", 40)}
	}
	d.agent.Commands[0].Run = func(context.Context, agent.Request) (agent.Answer, error) {
		return agent.Answer{Columns: []string{"Quotes"}, Rows: rows}, nil
	}
	payload, err := d.raw(t, bert, commandXML("status", "", "", ""))
	if err != nil || len(payload) > 2*maxReply {
		t.Fatalf("%d bytes, %v", len(payload), err)
	}
	var r reply
	if err := xml.Unmarshal(payload, &r); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d more rows are left out", len(rows)-len(r.Form.Items)); r.Form.Instructions != want || len(r.Form.Items) == 0 {
		t.Errorf("%q, want %q", r.Form.Instructions, want)
	}
	d.agent.Commands[0].Run = func(context.Context, agent.Request) (agent.Answer, error) {
		return agent.Answer{Text: strings.Repeat("ü'", maxReply)}, nil
	}
	if payload, err = d.raw(t, bert, commandXML("status", "", "", "")); err != nil || len(payload) > 2*maxReply {
		t.Errorf("%d bytes, %v", len(payload), err)
	}
}

// Serve always answers with a payload or an error, and runs a command only with
// arguments that were checked. SID stands for the id of an open session.
func FuzzServe(f *testing.F) {
	for _, s := range []string{
		commandXML("relay", "SID", "", submit("state=on")), commandXML("steps", "", "execute", ""),
		commandXML("relay", "SID", "prev", ""), commandXML("relay", "SID", "cancel", "<x xmlns='jabber:x:data' type='cancel'/>"),
		commandXML("relay", "SID", "complete", submit("FORM_TYPE=pipit:command:relay:1", "state=on|off", "minutes=1e9", "quiet", "why=&")),
		commandXML("read", "", "fly", ""), commandXML("", "", "", ""), "<command xmlns='" + NS + "'/>", "<command/>", "<x", "",
		commandXML("relay", "SID", "next", "<x xmlns='jabber:x:data' type='submit'><title/><instructions/><field type='fixed'/><field var='state'><option><value>on</value></option><value>on</value></field></x>"),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		d := newDevice()
		session := d.start(t, anna, "relay").Session
		raw := "<iq type='set' id='1' from='" + anna + "'>" + strings.ReplaceAll(in, "SID", session) + "</iq>"
		iq, err := stanza.Parse([]byte(raw))
		if err != nil {
			return
		}
		payload, err := d.Serve(t.Context(), iq)
		var e *stanza.Error
		switch {
		case err != nil && (payload != nil || !errors.As(err, &e)):
			t.Errorf("payload %q with error %v", payload, err)
		case err == nil:
			var r reply
			if err := xml.Unmarshal(payload, &r); err != nil || r.XMLName.Space != NS || r.Session == "" || r.Status == "" {
				t.Errorf("%v in %s", err, payload)
			}
		}
		if len(d.sessions.open) > 2 {
			t.Errorf("%d sessions", len(d.sessions.open))
		}
	})
}

// The button of an alert runs its command at once, for those who may run it.
func TestButton(t *testing.T) {
	for _, tt := range []struct{ from, node, want string }{
		{anna, "relay#on", "<note type='info'>"},
		{anna, "relay#sideways", "<note type='error'>"},
		{anna, "status#1", "item-not-found"},
		{anna, "relay#", "item-not-found"},
		{anna, "#on", "item-not-found"},
		{anna, "nothing#on", "item-not-found"},
		{bert, "relay#on", "item-not-found"},
	} {
		d := newDevice()
		payload, err := d.raw(t, tt.from, commandXML(tt.node, "", "execute", ""))
		if got := string(payload) + fmt.Sprint(err); !strings.Contains(got, tt.want) {
			t.Errorf("%s by %s: %s, want %s", tt.node, tt.from, got, tt.want)
		}
	}
}
