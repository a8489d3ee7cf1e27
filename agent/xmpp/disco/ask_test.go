package disco

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

type replyWith string

func (r replyWith) Request(context.Context, string, string, []byte) (*stanza.Stanza, error) {
	if r == "" {
		return nil, stanza.ErrNoAnswer
	}
	return stanza.Parse([]byte("<iq type='result' id='1'>" + string(r) + "</iq>"))
}

func TestAsk(t *testing.T) {
	got, err := Ask(t.Context(), replyWith("<query xmlns='"+NSInfo+"'><identity category='pubsub' type='pep' name='x'/><feature var='a'/><feature var='b'/></query>"), "")
	want := Info{Identities: []Identity{{Category: "pubsub", Type: "pep", Name: "x"}}, Features: []string{"a", "b"}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	if got, err := Ask(t.Context(), replyWith("<other/>"), "x"); err == nil && len(got.Features) > 0 {
		t.Errorf("another answer: %+v", got)
	}
	if _, err := Ask(t.Context(), replyWith(""), "x"); !errors.Is(err, stanza.ErrNoAnswer) {
		t.Errorf("no answer: %v", err)
	}
}
