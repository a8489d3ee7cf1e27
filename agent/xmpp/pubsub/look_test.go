package pubsub

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffering(t *testing.T) {
	n := &Node{Access: "presence", MaxItems: 256}
	for name, c := range map[string]struct {
		set  map[string][]string
		want []string
	}{
		"as wanted": {map[string][]string{
			"pubsub#access_model": {"presence"}, "pubsub#max_items": {"256"}, "pubsub#persist_items": {"1"}, "pubsub#send_last_published_item": {"on_sub_and_presence"},
		}, nil},
		"as the server allows": {map[string][]string{"pubsub#access_model": {"presence"}, "pubsub#max_items": {"max"}}, nil},
		"otherwise": {map[string][]string{"pubsub#access_model": {"open"}, "pubsub#max_items": {"7"}, "pubsub#persist_items": {"false"}},
			[]string{"access_model is open, wanted presence", "max_items is 7, wanted 256", "persist_items is false, wanted true"}},
		"nothing told": {nil, []string{"access_model is not told, wanted presence"}},
	} {
		if d := cmp.Diff(c.want, n.Differing(c.set)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
