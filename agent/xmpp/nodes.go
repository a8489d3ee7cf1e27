package xmpp

import "pipit/agent/xmpp/pubsub"

// Nodes returns the nodes that a device publishes on, as it wants them but for
// their titles and without a connection: that of the snapshot, then those of
// its readings.
func Nodes(cfg Config, readings []string) []*pubsub.Node {
	l := &Link{cfg: cfg}
	node := func(name string, items int) *pubsub.Node {
		return &pubsub.Node{Service: cfg.PubSub, Name: name, Access: cfg.Access, MaxItems: items}
	}
	list := []*pubsub.Node{node(l.snapshotNode(), 1)}
	for _, r := range readings {
		list = append(list, node(l.readingName(r), history))
	}
	return list
}
