package pubsub

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

func message(event string) string {
	return `<message from='dev@example.org' to='anna@example.org/x' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'>` + event + `</event></message>`
}

func TestParseEvent(t *testing.T) {
	tests := []struct {
		name, in string
		want     *Event
	}{
		{"items", message(`<items node='n'><item id='a' publisher='dev@example.org/pipit'> <x xmlns='urn:x'>1 &lt; 2</x> </item><item id='b'/></items>`),
			&Event{Node: "n", Items: []Item{{"a", "dev@example.org/pipit", []byte(`<x xmlns='urn:x'>1 &lt; 2</x>`)}, {"b", "", nil}}}},
		{"retract", message(`<items node='n'><retract id='a'/><retract id='b'/></items>`), &Event{Node: "n", Retracted: []string{"a", "b"}}},
		{"purge", message(`<purge node='n'/>`), &Event{Node: "n", Purged: true}},
		{"delete", message(`<delete node='n'><redirect uri='xmpp:x'/></delete>`), &Event{Node: "n", Deleted: true}},
		{"configuration", message(`<configuration node='n'/>`), &Event{Node: "n", Configured: true}},
		{"subscription", message(`<subscription node='n' jid='j' subscription='none'/>`), nil},
		{"ejabberd adds addresses", strings.Replace(message(`<items node='n'><item id='a'/></items>`), "</message>",
			`<addresses xmlns='http://jabber.org/protocol/address'><address type='replyto' jid='dev@example.org/pipit'/></addresses></message>`, 1),
			&Event{Node: "n", Items: []Item{{"a", "", nil}}}},
		{"chat", `<message type='chat'><body>hi</body></message>`, nil},
		{"error", strings.Replace(message(`<items node='n'/>`), "headline", "error", 1), nil},
		{"presence", `<presence><event xmlns='http://jabber.org/protocol/pubsub#event'><purge node='n'/></event></presence>`, nil},
		{"forwarded", `<message><forwarded xmlns='urn:xmpp:forward:0'>` + message(`<purge node='n'/>`) + `</forwarded></message>`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := stanza.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseEvent(m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseEventRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"too many items": message(`<items node='n'>` + strings.Repeat(`<item/>`, maxItems+1) + `</items>`),
		"malformed":      message(`<items node='n'>`),
	} {
		m, err := stanza.Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := ParseEvent(m); err == nil {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

type answering string

func (a answering) Request(_ context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	want := `dev@example.org get <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n' max_items='5'/></pubsub>`
	if got := to + " " + typ + " " + string(payload); got != want {
		return nil, fmt.Errorf("asked %s", got)
	}
	return stanza.Parse([]byte("<iq type='result' id='1'>" + string(a) + "</iq>"))
}

func TestItems(t *testing.T) {
	a := answering(`<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item id='a'><x xmlns='urn:x'/></item></items></pubsub>`)
	got, err := Items(t.Context(), a, "dev@example.org", "n", 5)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Item{{ID: "a", Payload: []byte(`<x xmlns='urn:x'/>`)}}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Items(t.Context(), a, "dev@example.org", "other", 5); err == nil {
		t.Error("no error")
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, s := range []string{
		message(`<items node='n'><item id='a'><x xmlns='urn:x'/></item><retract id='b'/></items>`),
		message(`<purge node='n'/>`), message(`<delete/>`), message(`<configuration node='&#0;'/>`),
		message(`<items><item>`), `<message/>`, `<message><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := stanza.Parse(in)
		if err != nil {
			return
		}
		e, err := ParseEvent(m)
		if err != nil || e == nil {
			return
		}
		if len(e.Items)+len(e.Retracted) > maxItems {
			t.Errorf("%d items", len(e.Items)+len(e.Retracted))
		}
		for _, i := range e.Items {
			if len(i.Payload) > len(in) {
				t.Error("payload longer than the stanza")
			}
		}
	})
}
