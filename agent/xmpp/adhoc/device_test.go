package adhoc

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	anna = "anna@example.org/phone" // operator
	bert = "bert@example.org/desk"  // viewer
	eve  = "eve@example.org/x"      // stranger
	dev  = "dev@example.org/pipit"
)

// A device is an agent with commands of all kinds, and its server.
type device struct {
	*Server
	agent *agent.Agent
	ran   []string // what was run, with the arguments
}

func bare(s string) string {
	b, _, _ := strings.Cut(s, "/")
	if !strings.Contains(b, "@") {
		return ""
	}
	return strings.ToLower(b)
}

func newDevice() *device {
	d := &device{agent: &agent.Agent{People: map[string]agent.Role{"anna@example.org": agent.Operator, "bert@example.org": agent.Viewer}}}
	answer := func(a agent.Answer, err error) func(context.Context, agent.Request) (agent.Answer, error) {
		return func(_ context.Context, req agent.Request) (agent.Answer, error) {
			d.ran = append(d.ran, fmt.Sprintf("%s %s %v", req.From, req.Name, req.Args))
			return a, err
		}
	}
	sensors := func() []string { return []string{"outside.temperature", "outside.humidity", "door"} }
	table := agent.Answer{Text: "3 readings", Columns: []string{"Name", "Value", "Value"},
		Rows: [][]string{{"outside.temperature", "21.5 °C", "<1>"}, {"door", "false", ""}}}
	steps := make([]agent.Param, 10)
	for i := range steps {
		steps[i] = agent.Param{Name: fmt.Sprintf("p%d", i), Default: "d"}
	}
	steps[0].Kind, steps[0].Default = agent.ParamNumber, "1"
	d.agent.Commands = []agent.Command{
		{Name: "status", Help: "how the device is", Needs: agent.Viewer, Run: answer(agent.Answer{Text: "all well\nuptime 3 d"}, nil)},
		{Name: "read", Help: "the readings now", Needs: agent.Viewer, Run: answer(table, nil), Params: []agent.Param{
			{Name: "name", Label: "Reading", Kind: agent.ParamChoices, Choices: sensors, Glob: true, Default: "door"}}},
		{Name: "relay", Help: "switch the pump", Needs: agent.Operator, Run: answer(agent.Answer{Text: "pump is on"}, nil), Params: []agent.Param{
			{Name: "state", Label: "Set to", Kind: agent.ParamChoice, Choices: func() []string { return []string{"on", "off"} }, Required: true},
			{Name: "minutes", Label: "For minutes", Help: "0 keeps it", Kind: agent.ParamNumber, Min: 0, Max: 1440, Default: "0"},
			{Name: "quiet", Kind: agent.ParamBool, Default: "on"},
			{Name: "why", Label: "Reason"}}},
		{Name: "fail", Needs: agent.Viewer, Run: answer(agent.Answer{Text: "half"}, errors.New("the bus & more hangs"))},
		{Name: "empty", Needs: agent.Viewer, Run: answer(agent.Answer{}, nil)},
		{Name: "picky", Needs: agent.Viewer, Run: answer(agent.Answer{}, &agent.ParamError{Param: "p", Text: "taken"}), Params: []agent.Param{{Name: "p"}}},
		{Name: "steps", Help: "two forms", Needs: agent.Viewer, Run: answer(agent.Answer{Text: "stepped"}, nil), Params: steps},
	}
	d.Server = New(d.agent, func() string { return dev }, bare)
	return d
}

// A reply is an answer of the server, read as a client does.
type reply struct {
	XMLName xml.Name
	Node    string `xml:"node,attr"`
	Session string `xml:"sessionid,attr"`
	Status  string `xml:"status,attr"`
	Actions *struct {
		Execute string `xml:"execute,attr"`
		Any     []struct {
			XMLName xml.Name
		} `xml:",any"`
	} `xml:"actions"`
	Notes []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"note"`
	Form *dataform.Form `xml:"jabber:x:data x"`
}

func (r reply) actions() string {
	if r.Actions == nil {
		return ""
	}
	s := r.Actions.Execute + ":"
	for _, a := range r.Actions.Any {
		s += " " + a.XMLName.Local
	}
	return s
}

func (r reply) field(name string) dataform.Field {
	for _, f := range r.Form.Fields {
		if f.Var == name {
			return f
		}
	}
	return dataform.Field{}
}

func commandXML(node, session, action, form string) string {
	b := []byte("<command xmlns='" + NS + "'")
	b = wire.Attr(b, "node", node)
	b = wire.Attr(b, "sessionid", session)
	b = wire.Attr(b, "action", action)
	return string(b) + ">" + form + "</command>"
}

// ask sends a command and checks what must hold for every answer (rows 11 and 12).
func (d *device) ask(t testing.TB, from, node, session, action, form string) (reply, *stanza.Error) {
	t.Helper()
	payload, err := d.raw(t, from, commandXML(node, session, action, form))
	var e *stanza.Error
	if errors.As(err, &e) {
		return reply{}, e
	}
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := xml.Unmarshal(payload, &r); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	if r.Node != node || r.Session == "" || r.Status != "executing" && r.Status != "completed" && r.Status != "canceled" {
		t.Errorf("row 11: node, session or status: %s", payload)
	}
	if len(r.Notes) > 0 && r.Form != nil {
		t.Errorf("row 12: note and form in one stage: %s", payload)
	}
	if (r.Status == "executing") != (r.Actions != nil) || r.Actions != nil && len(r.Actions.Any) == 0 {
		t.Errorf("actions: %s", payload)
	}
	if r.Status == "completed" && len(r.Notes) == 0 && r.Form == nil {
		t.Errorf("completed with nothing to show: %s", payload)
	}
	return r, nil
}

func (d *device) raw(t testing.TB, from, payload string) ([]byte, error) {
	t.Helper()
	b := wire.Attr([]byte("<iq type='set' id='1'"), "from", from)
	iq, err := stanza.Parse([]byte(string(b) + ">" + payload + "</iq>"))
	if err != nil {
		t.Fatal(err)
	}
	return d.Serve(t.Context(), iq)
}

// start begins a command with a form.
func (d *device) start(t testing.TB, from, node string) reply {
	t.Helper()
	r, e := d.ask(t, from, node, "", "execute", "")
	if e != nil || r.Status != "executing" {
		t.Fatalf("%s: %+v, %v", node, r, e)
	}
	return r
}

// submit writes a form as Profanity does: names and values only. Each pair is
// "name=value"; "name" alone is a field without a value.
func submit(pairs ...string) string {
	f := dataform.Form{Type: "submit"}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		field := dataform.Field{Var: name}
		if ok {
			field.Values = strings.Split(value, "|")
		}
		f.Fields = append(f.Fields, field)
	}
	return string(f.Append(nil))
}

// is tells whether an error is this one: condition and the part of XEP-0050.
func is(e *stanza.Error, condition, app string) bool {
	return e != nil && e.Condition == condition && e.App.Local == app && (app == "" || e.App.Space == NS)
}
