// Package pubsub publishes items on nodes and reads what others publish
// (XEP-0060), on the own account (XEP-0163) or on a service.
//
// Servers differ in which node configuration they take and in what they answer
// when they do not. A Node hides that: it is created with its configuration,
// or brought to it when it exists, before the first item; every item then
// carries publish-options with the access model alone, which both guards its
// privacy and is the only option that all servers know in this place.
package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// Namespaces of publish-subscribe.
const (
	NS      = "http://jabber.org/protocol/pubsub"
	NSEvent = NS + "#event"
	NSOwner = NS + "#owner"
)

// A Node is a node that this device publishes on, for the time of one
// connection: what it learns of the server does not outlive it. Set the fields
// before the first call; the methods may be called from any goroutine.
//
// Errors of its methods hold a *stanza.Error when the server has refused: type
// wait means that the same may work later, every other type that it will not
// until somebody changes something. Other errors come from the connection.
type Node struct {
	Conn     stanza.Requester
	Service  string // JID of a PubSub service, "" for the own account
	Name     string
	Title    string // for people, may be ""
	Access   string // access model: presence, whitelist or open; never given up
	MaxItems int    // items the server keeps, as near as it allows; 0 is its default
	Log      *slog.Logger

	mu      sync.Mutex
	running *ensuring
	round   int  // how often Ensure has succeeded
	plain   bool // publish-options are refused, and the access model is verified
}

// ensuring is an Ensure under way, shared by all who need it.
type ensuring struct {
	done chan struct{}
	err  error
}

// Ensure creates the node with its configuration, or changes what differs on
// one that exists. Callers at the same time share one run, and its error.
func (n *Node) Ensure(ctx context.Context) error {
	n.mu.Lock()
	e := n.running
	if e != nil {
		n.mu.Unlock()
		select {
		case <-e.done:
			return e.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e = &ensuring{done: make(chan struct{})}
	n.running = e
	n.mu.Unlock()

	e.err = n.ensure(ctx)
	n.mu.Lock()
	n.running = nil
	if e.err == nil {
		n.round++
		n.plain = false
	}
	n.mu.Unlock()
	close(e.done)
	return e.err
}

// Publish sends one item; the same id again replaces it. payload is one
// element. It makes sure of the node first if nobody has, and repairs it once
// when the server says that it is gone or configured otherwise. Several calls
// may be in flight, at the cost of their order.
func (n *Node) Publish(ctx context.Context, id string, payload []byte) error {
	round, plain := n.state()
	if round == 0 {
		if err := n.Ensure(ctx); err != nil {
			return err
		}
		round, plain = n.state()
	}
	_, err := n.Conn.Request(ctx, n.Service, "set", n.item(id, payload, plain))
	if err == nil {
		return nil
	}
	return n.again(ctx, id, payload, err, round, plain)
}

// Start is Publish without waiting. done is called once, perhaps before Start
// returns, and must not block: with nil when the server has taken the item, and
// else with what is left to do, which takes its time as Publish does and
// returns its error. The payload must not change until then. With a Conn that
// is no stanza.Starter everything is left to do.
func (n *Node) Start(id string, payload []byte, done func(rest func(context.Context) error)) {
	conn, ok := n.Conn.(stanza.Starter)
	round, plain := n.state()
	if !ok || round == 0 {
		done(func(ctx context.Context) error { return n.Publish(ctx, id, payload) })
		return
	}
	replied := func(reply *stanza.Stanza, err error) {
		if err == nil && reply.Type != "error" {
			done(nil)
			return
		}
		done(func(ctx context.Context) error {
			if err == nil {
				err = stanza.ErrorOf(reply)
			}
			return n.again(ctx, id, payload, err, round, plain)
		})
	}
	if err := conn.Start(n.Service, "set", n.item(id, payload, plain), replied); err != nil {
		replied(nil, err)
	}
}

// again does what is left to do after the first request of a publish failed.
func (n *Node) again(ctx context.Context, id string, payload []byte, err error, round int, plain bool) error {
	retry, err := n.repair(ctx, err, round, plain)
	if retry {
		_, plain = n.state()
		_, err = n.Conn.Request(ctx, n.Service, "set", n.item(id, payload, plain))
	}
	if err != nil {
		return fmt.Errorf("publish on %s: %w", n.place(), err)
	}
	return nil
}

func (n *Node) state() (round int, plain bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.round, n.plain
}

// repair does what a refused publish asks for. It returns whether the publish
// is worth another try, and otherwise its error.
func (n *Node) repair(ctx context.Context, err error, round int, plain bool) (bool, error) {
	e := answer(err)
	switch {
	case e == nil:
		return false, err
	case e.App.Local == "precondition-not-met", e.Condition == "item-not-found":
		if now, _ := n.state(); now != round {
			return true, nil // somebody else has repaired it meanwhile
		}
		err := n.Ensure(ctx)
		return err == nil, err
	case e.Condition == "resource-constraint" && !plain:
		// ejabberd 23.01: it does not know publish-options; type wait, but for ever.
		return n.goPlain(ctx, e)
	}
	return false, err
}

// goPlain gives publish-options up if the node's access model is the right one.
func (n *Node) goPlain(ctx context.Context, refusal *stanza.Error) (bool, error) {
	config, err := n.config(ctx)
	if err != nil {
		return false, err
	}
	if got := config["pubsub#access_model"]; len(got) != 1 || got[0] != n.Access {
		return false, permanent(refusal, fmt.Sprintf("the server takes no publish-options and does not confirm access model %q", n.Access))
	}
	n.mu.Lock()
	n.plain = true
	n.mu.Unlock()
	return true, nil
}

// item is the payload of a request that publishes an item.
func (n *Node) item(id string, payload []byte, plain bool) []byte {
	b := make([]byte, 0, 512+len(payload))
	b = append(b, "<pubsub xmlns='"+NS+"'><publish"...)
	b = wire.Attr(b, "node", n.Name)
	b = append(b, "><item"...)
	b = wire.Attr(b, "id", id)
	b = append(b, '>')
	b = append(b, payload...)
	b = append(b, "</item></publish>"...)
	if !plain {
		b = append(b, optionsStart...)
		b = wire.Escape(b, n.Access)
		b = append(b, optionsEnd...)
	}
	return append(b, "</pubsub>"...)
}

// optionsStart and optionsEnd stand around the access model in a form that is
// the same in every item.
const (
	optionsStart = "<publish-options><x xmlns='" + dataform.NS + "' type='submit'>" +
		"<field var='FORM_TYPE' type='hidden'><value>" + NS + "#publish-options</value></field>" +
		"<field var='pubsub#access_model'><value>"
	optionsEnd = "</value></field></x></publish-options>"
)

// place names the node for people.
func (n *Node) place() string {
	if n.Service == "" {
		return fmt.Sprintf("node %q of the own account", n.Name)
	}
	return fmt.Sprintf("node %q of %s", n.Name, n.Service)
}

func (n *Node) log() *slog.Logger {
	if n.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return n.Log
}

// answer returns the server's refusal in err, nil when there is none.
func answer(err error) *stanza.Error {
	var e *stanza.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// permanent is a refusal that waiting does not help, whatever type it came with.
func permanent(e *stanza.Error, text string) error {
	p := *e
	p.Type = "cancel"
	return fmt.Errorf("%s: %w", text, &p)
}
