package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	fields   = 32  // readings that are filled in side by side
	inFlight = 16  // as the Link has
	history  = 256 // items kept on a node, as the Link asks for
)

// reading returns the ith reading of a batch: the fields take turns. All
// batches are the same, so that nodes do not grow: Prosody reads and writes
// all items of a node for each that is published.
func reading(i int) agent.Reading {
	return agent.Reading{
		Name: fmt.Sprintf("bench.f%02d", i%fields), Unit: "°C",
		Value: agent.Number(20 + float64(i%97)/10),
		Time:  time.Date(2026, 11, 22, 12, 0, i/fields, 0, time.UTC),
	}
}

// A place is where the nodes of an account are.
type place struct {
	Service string // "" for the account itself (PEP)
	Access  string // access model
}

func (p place) node(account, name string) string {
	if p.Service == "" {
		return "pipit/" + name
	}
	return "pipit/" + jidOf(account) + "/" + name
}

// publishes returns the payloads of the requests that publish n readings, byte
// for byte those of the Link.
func publishes(ctx context.Context, account string, p place, n int) ([][]byte, error) {
	c := &capture{}
	nodes := make(map[string]*pubsub.Node)
	list := make([][]byte, n)
	for i := range list {
		r := reading(i)
		node := nodes[r.Name]
		if node == nil {
			node = &pubsub.Node{Conn: c, Service: p.Service, Name: p.node(account, r.Name), Access: p.Access}
			nodes[r.Name] = node
		}
		payload := sensordata.Encode([]agent.Reading{r}, sensordata.Options{})
		if err := node.Publish(ctx, agent.Stamp(r.Time), payload); err != nil {
			return nil, err
		}
		list[i] = c.last
	}
	return list, nil
}

// A capture is a server that agrees to everything and keeps the last request.
type capture struct{ last []byte }

func (c *capture) Request(_ context.Context, _, _ string, payload []byte) (*stanza.Stanza, error) {
	c.last = bytes.Clone(payload)
	return stanza.Parse([]byte("<iq type='result'/>"))
}

// iq wraps the payload of a set.
func iq(id, to string, payload []byte) []byte {
	b := []byte("<iq type='set'")
	b = wire.Attr(b, "id", id)
	b = wire.Attr(b, "to", to)
	b = append(b, '>')
	b = append(b, payload...)
	return append(b, "</iq>"...)
}

// makeNodes creates the nodes of an account: persistent ones as the Link does
// it, or ones in the server's memory that everybody may publish on.
func (l *lab) makeNodes(ctx context.Context, account string, p place) error {
	who := account
	if p.Service != "" {
		who = admin
	}
	v, err := l.visit(ctx, who, nil)
	if err != nil {
		return err
	}
	defer v.close()
	for i := range fields {
		r := reading(i)
		name := p.node(account, r.Name)
		if p.Service == "" {
			n := &pubsub.Node{Conn: v.router, Name: name, Title: r.Name + " (" + r.Unit + ")", Access: p.Access, MaxItems: history}
			err = n.Ensure(ctx)
		} else {
			err = makeMemoryNode(ctx, v.router, p, name)
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	return nil
}

func makeMemoryNode(ctx context.Context, r stanza.Requester, p place, name string) error {
	option := func(key, value string) dataform.Field {
		return dataform.Field{Var: "pubsub#" + key, Values: []string{value}}
	}
	b := []byte("<pubsub xmlns='" + pubsub.NS + "'><create")
	b = wire.Attr(b, "node", name)
	b = append(b, "/><configure>"...)
	b = dataform.Form{Type: "submit", Fields: []dataform.Field{
		dataform.FormType(pubsub.NS + "#node_config"),
		option("access_model", p.Access), option("publish_model", "open"),
		option("persist_items", "false"), option("max_items", fmt.Sprint(history)),
	}}.Append(b)
	b = append(b, "</configure></pubsub>"...)
	_, err := r.Request(ctx, p.Service, "set", b)
	return err
}
