package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

const firing = "alert-17-0123456789ab"

// told notes what became of alerts.
type told []string

func (l *told) Delivered(id, to string) { *l = append(*l, "delivered "+id+" "+to) }
func (l *told) Unreachable(id, to, reason string) {
	*l = append(*l, "unreachable "+id+" "+to+" "+reason)
}

// reacting returns a device that notes what reactions ask for.
func reacting() (*device, *told, *[]string) {
	d, events := newDevice(), &told{}
	d.Events = events
	asked := &[]string{}
	for _, name := range []string{"ack", "unack", "silence"} {
		d.Agent.Commands = append(d.Agent.Commands, agent.Command{
			Name: name, Needs: agent.Owner, Params: []agent.Param{{Name: "which"}},
			Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
				*asked = append(*asked, strings.TrimSpace(name+" "+req.Args["which"])+" re "+req.Re)
				return agent.Answer{Text: "Done."}, nil
			}})
	}
	return d, events, asked
}

func reactionsTo(id string, emoji ...string) string {
	b := "<reactions xmlns='urn:xmpp:reactions:0' id='" + id + "'>"
	for _, e := range emoji {
		b += "<reaction>" + e + "</reaction>"
	}
	return b + "</reactions>"
}

func TestReactions(t *testing.T) {
	d, _, asked := reacting()
	ack, silence, unack := "ack re "+firing, "silence re "+firing, "unack re "+firing
	for i, tt := range []struct {
		raw  string
		want []string
	}{
		{write("", "", reactionsTo(firing, "👍🏽")), []string{ack}},
		{write("", "", reactionsTo(firing, "👍🏽")), nil}, // the same again
		{write("", "", reactionsTo(firing, "👍🏽", "✅")), nil},
		{write("", "", reactionsTo(firing, "✔️", "🔕")), []string{silence}},
		{write("", "", reactionsTo(firing, "🔕")), []string{unack}},
		{write("", "", reactionsTo(firing)), nil},
		{write("", "", reactionsTo(firing, "✅")), []string{ack}},
		{write("", "", reactionsTo(firing, "❤️")), []string{unack}},
		{write("", "", reactionsTo("alert-18-ab")), []string{"unack re alert-18-ab"}}, // perhaps of before a restart
		{write("", "", reactionsTo("alert-19-ab", "❤️")), nil},
		{write("", "", reactionsTo("alert-20-ab", "✅")+"<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/>"), []string{"ack re alert-20-ab"}},
		{write("", "", reactionsTo("another", "✅")), nil},
		{write("", "", reactionsTo("", "✅")), nil},
		{write("", "", reactionsTo("alert-21-"+strings.Repeat("x", 600), "✅")), nil},
		{write("", "", reactionsTo("alert-22-a", strings.Split(strings.Repeat("✅ ", 40), " ")...)), nil},
		{messageFrom("anna@example.org/x", "groupchat", "", "", reactionsTo("alert-23-a", "✅")), nil},
		{messageFrom("mallory@example.org/x", "chat", "", "", reactionsTo("alert-23-a", "✅")), nil},
		{messageFrom(vera+"/x", "chat", "", "", reactionsTo("alert-23-a", "✅")), nil},
		{write("", "", "<sent xmlns='urn:xmpp:carbons:2'/>"+reactionsTo("alert-23-a", "✅")), nil},
		{write("", "", "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"+write("", "", reactionsTo("alert-23-a", "✅"))+"</forwarded></received>"), nil},
		{write("", "", "<forwarded xmlns='urn:xmpp:forward:0'/>"+reactionsTo("alert-23-a", "✅")), nil},
		{write("", "", "<result xmlns='urn:xmpp:mam:2'/>"+reactionsTo("alert-23-a", "✅")), nil},
	} {
		*asked = nil
		if out := d.receive(t, tt.raw); len(out) > 0 {
			t.Errorf("%d: %s was answered with %s", i, tt.raw, out)
		}
		if diff := cmp.Diff(tt.want, *asked); diff != "" {
			t.Errorf("%d: %s (-want +got):\n%s", i, tt.raw, diff)
		}
	}
}

func TestReactionsAreBounded(t *testing.T) {
	d, _, _ := reacting()
	for i := range 3 * maxReacted {
		d.receive(t, write("", "", reactionsTo(fmt.Sprintf("alert-%d-a", i+1), "✅")))
	}
	if n := len(d.reacted); n > maxReacted {
		t.Errorf("%d reactions are remembered", n)
	}
}

// What came back for a message, and from whom it counts.
func TestReceiptsAndErrors(t *testing.T) {
	d, events, _ := reacting()
	const receipt = "<received xmlns='urn:xmpp:receipts' id='a1'/>"
	failure := func(condition string) string {
		return "<body>x</body><error type='cancel'><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text>" +
			"<" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	}
	for _, raw := range []string{
		write("", "", receipt),
		messageFrom(anna, "error", "a2", "", failure("service-unavailable")),
		messageFrom(anna, "error", "a3", "", ""),
		messageFrom(anna, "error", "", "", failure("gone")),
		messageFrom("mallory@example.org", "error", "a4", "", failure("gone")),
		messageFrom("mallory@example.org/x", "chat", "", "", receipt),
		write("", "", "<sent xmlns='urn:xmpp:carbons:2'/>"+receipt),
		write("", "", "<received xmlns='urn:xmpp:receipts' id='"+strings.Repeat("x", 600)+"'/>"),
	} {
		if out := d.receive(t, raw); len(out) > 0 {
			t.Errorf("%s was answered with %s", raw, out)
		}
	}
	want := told{"delivered a1 " + anna, "unreachable a2 " + anna + " service-unavailable", "unreachable a3 " + anna + " undefined-condition"}
	if diff := cmp.Diff(want, *events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A reply tells what it answers to (XEP-0461).
func TestReplyTellsWhatItAnswers(t *testing.T) {
	d, _, asked := reacting()
	d.receive(t, write("r1", "ack", "<reply xmlns='urn:xmpp:reply:0' to='"+self+"' id='"+firing+"'/>"))
	d.receive(t, write("r2", "ack 17", ""))
	d.receive(t, write("r3", "ack", "<reply xmlns='urn:xmpp:reply:0' id='"+strings.Repeat("x", 600)+"'/>"))
	if diff := cmp.Diff([]string{"ack re " + firing, "ack 17 re ", "ack re "}, *asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Without anybody to tell, nothing happens.
func TestEventsOfNobody(t *testing.T) {
	d := newDevice()
	d.receive(t, write("", "", "<received xmlns='urn:xmpp:receipts' id='a1'/>"))
	d.receive(t, messageFrom(anna, "error", "a2", "", ""))
}

func FuzzReactions(f *testing.F) {
	for _, s := range []string{reactionsTo(firing, "👍🏽"), reactionsTo(firing), "<reactions xmlns='urn:xmpp:reactions:0'/>", "<received xmlns='urn:xmpp:receipts'/>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, extra string) {
		s, err := stanza.Parse([]byte(write("", "", extra)))
		if err != nil {
			return
		}
		d, _, asked := reacting()
		d.Message(t.Context(), s)
		if len(*asked) > 2 {
			t.Errorf("%s: %q", extra, *asked)
		}
	})
}
