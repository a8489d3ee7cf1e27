package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/remote"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// A notice is an item that has reached the subscriber.
type notice struct {
	at   time.Time
	node string
	item pubsub.Item
}

// newest returns the time of the newest reading in it.
func (n notice) newest() (t time.Time) {
	readings, _, err := sensordata.Parse(n.item.Payload)
	if err != nil {
		return t
	}
	for _, r := range readings {
		if r.Time.After(t) {
			t = r.Time
		}
	}
	return t
}

// A watcher is the owner, online and subscribed to all nodes of the device.
type watcher struct {
	*visitor
	notices chan notice
}

// watch needs the program to run, and returns when it has published all nodes.
func (l *lab) watch(ctx context.Context) (*watcher, error) {
	person, err := remote.Open(ctx, l.login(owner), jidOf(device)) // makes the subscription
	if err != nil {
		return nil, err
	}
	defer person.Close()
	if _, err := person.Online(ctx); err != nil {
		return nil, err
	}
	w := &watcher{notices: make(chan notice, 4096)}
	w.visitor, err = l.visit(ctx, owner, w.message)
	if err != nil {
		return nil, err
	}
	for _, node := range nodesOf() {
		if err := w.subscribe(ctx, node); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *watcher) message(m *stanza.Stanza) {
	now := time.Now()
	e, err := pubsub.ParseEvent(m)
	if err != nil || e == nil {
		return
	}
	for _, i := range e.Items {
		select {
		case w.notices <- notice{now, e.Node, i}:
		default: // nobody looks
		}
	}
}

// subscribe waits for the node to exist.
func (w *watcher) subscribe(ctx context.Context, node string) error {
	b := []byte("<pubsub xmlns='" + pubsub.NS + "'><subscribe")
	b = wire.Attr(b, "node", node)
	b = wire.Attr(b, "jid", w.conn.JID())
	b = append(b, "/></pubsub>"...)
	for {
		_, err := w.router.Request(ctx, jidOf(device), "set", b)
		var refusal *stanza.Error
		if !errors.As(err, &refusal) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("subscribing to %s: %w", node, err)
		}
	}
}

// next returns the first notice of a reading that was taken at t or later.
func (w *watcher) next(ctx context.Context, t time.Time) (notice, error) {
	t = t.Truncate(time.Millisecond) // as on the wire
	for {
		select {
		case n := <-w.notices:
			if !n.newest().Before(t) {
				return n, nil
			}
		case <-ctx.Done():
			return notice{}, fmt.Errorf("no reading since %s: %w", agent.Stamp(t), ctx.Err())
		}
	}
}

// collect returns all notices that come until the time end.
func (w *watcher) collect(ctx context.Context, end time.Time) (list []notice) {
	late := time.NewTimer(time.Until(end))
	defer late.Stop()
	for {
		select {
		case n := <-w.notices:
			list = append(list, n)
		case <-late.C:
			return list
		case <-ctx.Done():
			return list
		}
	}
}
