package upload

import (
	"context"
	"sync"
	"testing"

	"pipit/agent/xmpp/stanza"
)

// A fake answers requests by table: "to element" gives the content of an iq, a
// whole error iq, or an error. What is not in it is refused.
type fake struct {
	replies map[string]string
	errs    map[string]error
	silent  bool // requests by Start get no answer

	mu  sync.Mutex
	log []string // "to element"
	raw []string // payloads
}

func (f *fake) answer(to string, payload []byte) (*stanza.Stanza, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	child, err := stanza.Parse(payload)
	if err != nil {
		return nil, err
	}
	key := to + " " + child.Name
	if child.Name == "query" {
		key = to + " info"
		if string(payload) == "<query xmlns='http://jabber.org/protocol/disco#items'/>" {
			key = to + " items"
		}
	}
	f.log, f.raw = append(f.log, key), append(f.raw, string(payload))
	if err := f.errs[key]; err != nil {
		return nil, err
	}
	body, ok := f.replies[key]
	if !ok {
		body = "<error type='cancel'><service-unavailable xmlns='" + stanza.NSError + "'/></error>"
		return stanza.Parse([]byte("<iq type='error' id='1'>" + body + "</iq>"))
	}
	typ := "result"
	if len(body) > 6 && body[:6] == "<error" {
		typ = "error"
	}
	return stanza.Parse([]byte("<iq type='" + typ + "' id='1'>" + body + "</iq>"))
}

func (f *fake) Request(_ context.Context, to, _ string, payload []byte) (*stanza.Stanza, error) {
	reply, err := f.answer(to, payload)
	if err == nil && reply.Type == "error" {
		return nil, stanza.ErrorOf(reply)
	}
	return reply, err
}

func (f *fake) Start(to, _ string, payload []byte, done func(*stanza.Stanza, error)) error {
	reply, err := f.answer(to, payload)
	if !f.silent {
		done(reply, err)
	}
	return nil
}

func parse(t testing.TB, raw string) *stanza.Stanza {
	t.Helper()
	s, err := stanza.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
