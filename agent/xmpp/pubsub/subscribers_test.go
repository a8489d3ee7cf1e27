package pubsub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

// subscribed is a server that knows who has subscribed to a node.
type subscribed struct {
	list string
	fail string // the type of request that it refuses
	set  []string
}

func (s *subscribed) Request(_ context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	if typ == s.fail {
		return nil, stanza.Forbidden
	}
	if typ == "set" {
		s.set = append(s.set, to+" "+string(payload))
		return stanza.Parse([]byte("<iq type='result'/>"))
	}
	if string(payload) != "<pubsub xmlns='"+NSOwner+"'><subscriptions node='a&amp;b'/></pubsub>" {
		return nil, stanza.BadRequest
	}
	return stanza.Parse([]byte("<iq type='result'><pubsub xmlns='" + NSOwner + "'><subscriptions>" + s.list + "</subscriptions></pubsub></iq>"))
}

func TestEndSubscriptions(t *testing.T) {
	stays := []string{"anna@example.org", "pi@example.org"}
	for name, tt := range map[string]struct {
		list string
		ends []string
	}{
		"nobody":      {"", nil},
		"people":      {"<subscription jid='anna@example.org' subscription='subscribed'/>", nil},
		"ended":       {"<subscription jid='eve@example.org' subscription='none'/><subscription subscription='subscribed'/>", nil},
		"one of them": {"<subscription jid='anna@example.org' subscription='subscribed'/><subscription jid='eve@example.org' subscription='subscribed'/>", []string{"jid='eve@example.org' subscription"}},
		"a client": {"<subscription jid='eve@example.org/x&apos;' subid='7' subscription='pending'/><subscription jid='max@example.org' subscription='unconfigured'/>",
			[]string{"jid='eve@example.org/x&#39;' subid='7' subscription", "jid='max@example.org' subscription"}},
	} {
		s := &subscribed{list: tt.list}
		n, err := EndSubscriptions(t.Context(), s, "pubsub.example.org", "a&b", func(j string) bool { return slices.Contains(stays, j) })
		var want []string
		if tt.ends != nil {
			want = []string{"pubsub.example.org <pubsub xmlns='" + NSOwner + "'><subscriptions node='a&amp;b'><subscription " +
				strings.Join(tt.ends, "='none'/><subscription ") + "='none'/></subscriptions></pubsub>"}
		}
		if d := cmp.Diff(want, s.set); err != nil || n != len(tt.ends) || d != "" {
			t.Errorf("%s: %d, %v, %s", name, n, err, d)
		}
		for _, fail := range []string{"get", "set"} {
			s.fail = fail
			_, err := EndSubscriptions(t.Context(), s, "", "a&b", func(string) bool { return false })
			if refused := errors.Is(err, stanza.Forbidden); refused != (fail == "get" || len(tt.list) > 0 && name != "ended") {
				t.Errorf("%s, %s refused: %v", name, fail, err)
			}
		}
	}
}
