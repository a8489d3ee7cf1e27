package chat

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"pipit/agent"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
)

const (
	self  = "pi@example.org/pipit"
	anna  = "anna@example.org" // owner
	vera  = "vera@example.org" // viewer
	phone = anna + "/phone"
)

// outbox keeps what is sent.
type outbox struct {
	mu   sync.Mutex
	sent []string
}

func (o *outbox) Send(raw []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, string(raw))
	return nil
}

// take returns what was sent since the last call.
func (o *outbox) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	sent := o.sent
	o.sent = nil
	return sent
}

// A device counts what its commands do.
type device struct {
	*Responder
	*outbox
	sets []string // what "set" was asked
}

func newDevice() *device {
	d := &device{outbox: &outbox{}}
	a := &agent.Agent{Name: "Pi", People: map[string]agent.Role{
		anna: agent.Owner, vera: agent.Viewer, "pi@example.org": agent.Owner, // the last one is the device itself
	}}
	a.Commands = d.commands()
	d.Responder = &Responder{Agent: a, Send: d.outbox, Bare: jid.Bare, Self: func() string { return self }}
	return d
}

func (d *device) commands() []agent.Command {
	names := func() []string { return []string{"boiler", "outside"} }
	text := func(s string) func(context.Context, agent.Request) (agent.Answer, error) {
		return func(context.Context, agent.Request) (agent.Answer, error) { return agent.Answer{Text: s}, nil }
	}
	return []agent.Command{
		{Name: "help", Needs: agent.Viewer, Run: text("Send read, say, fail or break.")},
		{Name: "read", Needs: agent.Viewer, Run: runRead, Params: []agent.Param{
			{Name: "name", Kind: agent.ParamChoices, Choices: names, Rest: true}}},
		{Name: "say", Needs: agent.Viewer, Params: []agent.Param{{Name: "text", Rest: true, Required: true}},
			Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
				return agent.Answer{Text: req.Args["text"]}, nil
			}},
		{Name: "fail", Needs: agent.Viewer, Run: func(context.Context, agent.Request) (agent.Answer, error) {
			return agent.Answer{}, errors.New("the bus is stuck")
		}},
		{Name: "break", Needs: agent.Viewer, Run: func(context.Context, agent.Request) (agent.Answer, error) { panic("broken") }},
		{Name: "quiet", Needs: agent.Viewer, Run: text("")},
		{Name: "set", Needs: agent.Owner, Run: d.runSet, Params: []agent.Param{
			{Name: "output", Required: true}, {Name: "state", Kind: agent.ParamBool, Required: true}}},
	}
}

func (d *device) runSet(_ context.Context, req agent.Request) (agent.Answer, error) {
	what := req.Args["output"] + " " + req.Args["state"]
	d.sets = append(d.sets, what)
	return agent.Answer{Text: "Set " + what + "."}, nil
}

func runRead(_ context.Context, req agent.Request) (agent.Answer, error) {
	rows := [][]string{{"boiler", "61 °C"}, {"outside", "-3.5 °C"}}
	if name := req.Args["name"]; name != "" {
		rows = rows[:1]
		rows[0][0] = name
	}
	return agent.Answer{Text: "Readings:", Columns: []string{"Reading", "Value"}, Rows: rows}, nil
}

// receive gives the device one stanza.
func (d *device) receive(t testing.TB, raw string) []string {
	t.Helper()
	s, err := stanza.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	d.Message(t.Context(), s)
	return d.take()
}

// write returns a chat message from the phone of anna. extra is XML behind the body.
func write(id, body, extra string) string { return messageFrom(phone, "chat", id, body, extra) }

func messageFrom(from, typ, id, body, extra string) string {
	var b strings.Builder
	b.WriteString("<message to='" + self + "'")
	for _, a := range [][2]string{{"from", from}, {"type", typ}, {"id", id}} {
		if a[1] != "" {
			b.WriteString(" " + a[0] + "='" + escape(a[1]) + "'")
		}
	}
	b.WriteString(">")
	if body != "" {
		b.WriteString("<body>" + escape(body) + "</body>")
	}
	return b.String() + extra + "</message>"
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err)
	}
	return b.String()
}

// said writes sent stanzas for a test to read: the body of an answer, or what
// else the stanza is.
func said(t testing.TB, sent []string) []string {
	t.Helper()
	var list []string
	for _, raw := range sent {
		var v struct {
			Body     string `xml:"body"`
			Received *struct {
				ID string `xml:"id,attr"`
			} `xml:"urn:xmpp:receipts received"`
			Displayed *struct {
				ID string `xml:"id,attr"`
			} `xml:"urn:xmpp:chat-markers:0 displayed"`
		}
		if err := xml.Unmarshal([]byte(raw), &v); err != nil {
			t.Fatalf("sent %q: %v", raw, err)
		}
		switch {
		case v.Received != nil:
			list = append(list, fmt.Sprintf("[received %s]", v.Received.ID))
		case v.Displayed != nil:
			list = append(list, fmt.Sprintf("[displayed %s]", v.Displayed.ID))
		default:
			list = append(list, v.Body)
		}
	}
	return list
}

var randomID = regexp.MustCompile(`id='[A-Z2-7]{26}'`)

// fixed replaces the random ids of sent stanzas.
func fixed(sent []string) []string {
	list := make([]string, len(sent))
	for i, s := range sent {
		list[i] = randomID.ReplaceAllString(s, "id='RANDOM'")
	}
	return list
}
