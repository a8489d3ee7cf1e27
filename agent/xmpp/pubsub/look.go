package pubsub

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Settings reads the node's configuration and changes nothing: its fields by
// their name, such as "pubsub#access_model" (XEP-0060 section 8.2). Only the
// owner of the node may. The error holds a *stanza.Error when the server
// refuses; item-not-found: there is no such node yet.
func (n *Node) Settings(ctx context.Context) (map[string][]string, error) { return n.config(ctx) }

// Differing tells in words which settings are not what Ensure would be content
// with; the access model stands first. A field that the server does not know is
// passed over, but for that one.
func (n *Node) Differing(settings map[string][]string) (list []string) {
	for _, o := range n.wanted() {
		now, known := settings["pubsub#"+o.name]
		got := strings.Join(now, " ")
		content := slices.ContainsFunc(o.values, func(v string) bool { return same(got, v) })
		switch {
		case content, !known && o.name != accessModel:
		case !known:
			list = append(list, o.name+" is not told, wanted "+o.values[0])
		default:
			list = append(list, fmt.Sprintf("%s is %s, wanted %s", o.name, got, o.values[0]))
		}
	}
	return list
}
