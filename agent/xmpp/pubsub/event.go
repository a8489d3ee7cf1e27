package pubsub

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// maxItems bounds the items of one notification or answer.
const maxItems = 1000

// An Item is what stands on a node under an id.
type Item struct {
	ID        string
	Publisher string // who published it, if the service tells
	Payload   []byte // the XML inside the item; nil when the service sent none
}

// An Event is a notification about one node (XEP-0060 sections 7 and 8). It
// proves nothing by itself: whoever uses it checks the sender.
type Event struct {
	Node       string
	Items      []Item
	Retracted  []string // ids
	Purged     bool     // all items are gone
	Deleted    bool     // the node is gone
	Configured bool     // its configuration has changed
}

type xmlItems struct {
	Node  string `xml:"node,attr"`
	Items []struct {
		ID        string `xml:"id,attr"`
		Publisher string `xml:"publisher,attr"`
		Payload   []byte `xml:",innerxml"`
	} `xml:"item"`
	Retracted []struct {
		ID string `xml:"id,attr"`
	} `xml:"retract"`
}

type xmlNode struct {
	Node string `xml:"node,attr"`
}

func (x *xmlItems) items() ([]Item, error) {
	if n := len(x.Items) + len(x.Retracted); n > maxItems {
		return nil, fmt.Errorf("node %.64q: %d items in one stanza: at most %d are read", x.Node, n, maxItems)
	}
	var items []Item
	for _, i := range x.Items {
		payload := bytes.TrimSpace(i.Payload)
		if len(payload) == 0 {
			payload = nil
		}
		items = append(items, Item{i.ID, i.Publisher, payload})
	}
	return items, nil
}

// ParseEvent reads a notification. It returns nil without an error for a
// stanza that is none.
func ParseEvent(m *stanza.Stanza) (*Event, error) {
	if m.Name != "message" || m.Type == "error" {
		return nil, nil
	}
	var v struct {
		Event *struct {
			Items  *xmlItems `xml:"items"`
			Purge  *xmlNode  `xml:"purge"`
			Delete *xmlNode  `xml:"delete"`
			Config *xmlNode  `xml:"configuration"`
		} `xml:"http://jabber.org/protocol/pubsub#event event"`
	}
	if err := m.Decode(&v); err != nil {
		return nil, err
	}
	if v.Event == nil {
		return nil, nil
	}
	switch x := v.Event; {
	case x.Items != nil:
		items, err := x.Items.items()
		if err != nil {
			return nil, err
		}
		e := &Event{Node: x.Items.Node, Items: items}
		for _, r := range x.Items.Retracted {
			e.Retracted = append(e.Retracted, r.ID)
		}
		return e, nil
	case x.Purge != nil:
		return &Event{Node: x.Purge.Node, Purged: true}, nil
	case x.Delete != nil:
		return &Event{Node: x.Delete.Node, Deleted: true}, nil
	case x.Config != nil:
		return &Event{Node: x.Config.Node, Configured: true}, nil
	}
	return nil, nil // a subscription, or something newer
}

// Items fetches up to limit items of a node, the newest that the service
// keeps, in the order it sends them. service "" is the own account.
func Items(ctx context.Context, r stanza.Requester, service, node string, limit int) ([]Item, error) {
	b := []byte("<pubsub xmlns='" + NS + "'><items")
	b = wire.Attr(b, "node", node)
	b = wire.Attr(b, "max_items", strconv.Itoa(limit))
	b = append(b, "/></pubsub>"...)
	reply, err := r.Request(ctx, service, "get", b)
	if err != nil {
		return nil, fmt.Errorf("items of node %q: %w", node, err)
	}
	var v struct {
		Items xmlItems `xml:"pubsub>items"`
	}
	if err := reply.Decode(&v); err != nil {
		return nil, fmt.Errorf("items of node %q: %w", node, err)
	}
	return v.Items.items()
}
