package xmpp

import (
	"context"
	"errors"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
)

const (
	nodePrefix = "pipit/" // before a reading's name in the name of its node

	snapshotEvery = time.Second // at most one snapshot in this time
	history       = 256         // items kept on a reading's node
	maxSnapshot   = 1000        // readings in a snapshot: servers end the stream over a stanza of 256 KiB
)

// publishSnapshots keeps the item "current" equal to the board, conflated to
// one a second. A server that refuses the node costs the node only.
func (s *session) publishSnapshots(ctx context.Context) error {
	node := s.node(s.link.snapshotNode(), s.link.agent.Name, 1)
	var seq uint64
	for range s.link.agent.Board.Watch(ctx) {
		seq++
		all := s.link.agent.Board.All()
		if len(all) > maxSnapshot {
			s.link.log.Debug("the snapshot leaves readings out", "readings", len(all), "most", maxSnapshot)
			all = all[:maxSnapshot]
		}
		payload := sensordata.Encode(all, sensordata.Options{
			Seq: seq, Boot: s.link.boot, Interval: s.link.cfg.Interval, Time: time.Now(),
		})
		err := node.Publish(ctx, "current", payload)
		switch {
		case err == nil, wants(err, ctx):
		case isAnswer(err):
			s.link.refuse(node.Name, err)
			return nil
		default:
			return err
		}
		if !sleep(ctx, snapshotEvery) {
			return nil
		}
	}
	return nil
}

// readingNode returns the node of a reading.
func (s *session) readingNode(r agent.Reading) *pubsub.Node {
	return s.node(s.link.readingName(r.Name), title(r), history)
}

func (s *session) node(name, title string, items int) *pubsub.Node {
	return &pubsub.Node{
		Conn: s.router, Service: s.link.cfg.PubSub, Name: name, Title: title,
		Access: s.link.cfg.Access, MaxItems: items, Log: s.link.log,
	}
}

// snapshotNode and readingName name the nodes. On a service that is shared by
// many devices the device's JID keeps them apart.
func (l *Link) snapshotNode() string {
	if l.cfg.PubSub == "" {
		return sensordata.NS
	}
	return nodePrefix + l.cfg.JID
}

func (l *Link) readingName(name string) string {
	if l.cfg.PubSub == "" {
		return nodePrefix + name
	}
	return nodePrefix + l.cfg.JID + "/" + name
}

// wants tells whether the server asked to try again later.
func wants(err error, ctx context.Context) bool {
	var e *stanza.Error
	return ctx.Err() == nil && errors.As(err, &e) && e.Type == "wait"
}

// isAnswer tells whether the server answered at all.
func isAnswer(err error) bool {
	var e *stanza.Error
	return errors.As(err, &e)
}

// title is what clients show for a reading's node.
func title(r agent.Reading) string {
	if r.Unit == "" {
		return r.Name
	}
	return r.Name + " (" + r.Unit + ")"
}

// sleep waits and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
