package pubsub

import (
	"context"
	"fmt"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// EndSubscriptions ends the subscriptions to a node of those who may not stay,
// and returns how many there were (XEP-0060 section 8.8). service "" is the own
// account. A server need not look again at who may see a node that somebody has
// subscribed to: Prosody does not.
func EndSubscriptions(ctx context.Context, conn stanza.Requester, service, node string, stays func(jid string) bool) (int, error) {
	reply, err := conn.Request(ctx, service, "get", append(subscriptions(node), "/></pubsub>"...))
	if err != nil {
		return 0, fmt.Errorf("subscriptions to %q: %w", node, err)
	}
	var v struct {
		Subscriptions []struct {
			JID          string `xml:"jid,attr"`
			SubID        string `xml:"subid,attr"`
			Subscription string `xml:"subscription,attr"`
		} `xml:"pubsub>subscriptions>subscription"`
	}
	if err := reply.Decode(&v); err != nil {
		return 0, fmt.Errorf("subscriptions to %q: %w", node, err)
	}
	n, b := 0, append(subscriptions(node), '>')
	for _, s := range v.Subscriptions {
		if s.JID == "" || s.Subscription == "none" || stays(s.JID) {
			continue
		}
		n++
		b = wire.Attr(append(b, "<subscription"...), "jid", s.JID)
		if s.SubID != "" {
			b = wire.Attr(b, "subid", s.SubID)
		}
		b = append(b, " subscription='none'/>"...)
	}
	if n == 0 {
		return 0, nil
	}
	if _, err := conn.Request(ctx, service, "set", append(b, "</subscriptions></pubsub>"...)); err != nil {
		return 0, fmt.Errorf("end subscriptions to %q: %w", node, err)
	}
	return n, nil
}

// subscriptions begins a request about who has subscribed to a node.
func subscriptions(node string) []byte {
	return wire.Attr([]byte("<pubsub xmlns='"+NSOwner+"'><subscriptions"), "node", node)
}
