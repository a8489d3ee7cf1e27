package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	nodePrefix = "pipit/"
	maxNodes   = agent.MaxReadings
)

// A watch is what Watch knows of the readings that it has seen.
type watch struct {
	c       *Client
	service string // "" for the device's own account
	seen    map[string]time.Time
	nodes   map[string]bool
	dirty   bool // nodes has grown since the last announcement
}

// Watch calls each for every reading of the device that arrives, in the order
// of arrival, at first for the last known ones. A reading that comes twice (in
// the snapshot and as an item of its own) is told once. service is the PubSub
// service that the device publishes on, or "" for the device's own account.
// Watch returns when ctx ends (nil), when the connection ends, or when each
// returns an error. Watch and Chat may not run at the same time.
func (c *Client) Watch(ctx context.Context, service string, each func(agent.Reading) error) error {
	w := &watch{c: c, service: service, seen: map[string]time.Time{}, nodes: map[string]bool{}}
	w.add(w.snapshotNode())
	if err := w.begin(ctx, each); err != nil {
		return err
	}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.ended.Done():
			return context.Cause(c.ended)
		case m := <-c.messages:
			if err := w.event(m, each); err != nil {
				return err
			}
		case <-tick.C:
			next := w.interest
			if len(w.seen) == 0 { // perhaps the device has just let us see it
				next = func(ctx context.Context) error { return w.begin(ctx, each) }
			}
			if err := next(ctx); err != nil {
				return err
			}
		}
	}
}

// begin finds out what there is to watch and what was last read.
func (w *watch) begin(ctx context.Context, each func(agent.Reading) error) error {
	if err := w.discover(ctx); err != nil {
		w.c.log.Debug("nodes not listed yet", "error", err)
	}
	if err := w.interest(ctx); err != nil {
		return err
	}
	return w.fetch(ctx, each)
}

func (w *watch) prefix() string {
	if w.service == "" {
		return nodePrefix
	}
	return nodePrefix + w.c.device + "/"
}

func (w *watch) snapshotNode() string {
	if w.service == "" {
		return sensordata.NS
	}
	return nodePrefix + w.c.device
}

// publisher is who events come from.
func (w *watch) publisher() string {
	if w.service == "" {
		return w.c.device
	}
	return w.service
}

func (w *watch) add(node string) {
	if !w.nodes[node] && len(w.nodes) < maxNodes {
		w.nodes[node] = true
		w.dirty = true
	}
}

// discover finds the nodes that exist already.
func (w *watch) discover(ctx context.Context) error {
	items, err := disco.Items(ctx, w.c.router, w.publisher(), "")
	if err != nil {
		return err
	}
	for _, i := range items {
		if strings.HasPrefix(i.Node, w.prefix()) {
			w.add(i.Node)
		}
	}
	return nil
}

// interest makes the server send the events of all nodes that are known: by
// capabilities for a device's own account, by subscriptions on a service.
func (w *watch) interest(ctx context.Context) error {
	if !w.dirty {
		return nil
	}
	w.dirty = false
	if w.service != "" {
		return w.subscribe(ctx)
	}
	w.c.mu.Lock()
	w.c.features = w.c.features[:0]
	for n := range w.nodes {
		w.c.features = append(w.c.features, n)
	}
	slices.Sort(w.c.features)
	w.c.mu.Unlock()
	return w.c.announce()
}

func (w *watch) subscribe(ctx context.Context) error {
	for n := range w.nodes {
		b := []byte("<pubsub xmlns='" + pubsub.NS + "'><subscribe")
		b = wire.Attr(b, "node", n)
		b = wire.Attr(b, "jid", w.c.JID())
		b = append(b, "/></pubsub>"...)
		if _, err := w.c.router.Request(ctx, w.service, "set", b); err != nil {
			var e *stanza.Error
			if !errors.As(err, &e) {
				return err
			}
			w.c.log.Warn("no subscription", "node", n, "error", err)
		}
	}
	return nil
}

// fetch reads the last snapshot, so that there is something to show at once.
func (w *watch) fetch(ctx context.Context, each func(agent.Reading) error) error {
	items, err := pubsub.Items(ctx, w.c.router, w.publisher(), w.snapshotNode(), 1)
	if err != nil {
		w.c.log.Debug("no snapshot yet", "error", err)
		return nil
	}
	for _, i := range items {
		if err := w.payload(i.Payload, each); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) event(m *stanza.Stanza, each func(agent.Reading) error) error {
	if jid.Bare(m.From) != jid.Bare(w.publisher()) {
		return nil
	}
	e, err := pubsub.ParseEvent(m)
	if err != nil || e == nil {
		return nil
	}
	if !w.nodes[e.Node] {
		return nil
	}
	for _, i := range e.Items {
		if err := w.payload(i.Payload, each); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) payload(payload []byte, each func(agent.Reading) error) error {
	readings, _, err := sensordata.Parse(payload)
	if err != nil {
		w.c.log.Debug("item not understood", "error", err)
		return nil
	}
	for _, r := range readings {
		w.add(w.prefix() + r.Name)
		last, known := w.seen[r.Name]
		if known && !r.Time.After(last) && r.Quality != agent.Stale {
			continue
		}
		w.seen[r.Name] = r.Time
		if err := each(r); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}
