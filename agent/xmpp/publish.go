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

// snapshots keeps the item "current" equal to the board.
type snapshots struct {
	session *session
	node    *pubsub.Node
	seq     uint64
	refused bool
	first   chan struct{} // closed when the server has answered the first one
}

func (s *session) newSnapshots() *snapshots {
	return &snapshots{session: s, node: s.node(s.link.snapshotNode(), s.link.agent.Name, 1), first: make(chan struct{})}
}

// wait waits until the state of the board is published, or there is none that
// can be, and reports false when ctx ended first.
func (p *snapshots) wait(ctx context.Context) bool {
	a := p.session.link.agent
	if len(a.Board.All()) == 0 || !a.Clock.Sane() {
		return true // the backlog has times of its own
	}
	select {
	case <-p.first:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// run waits for the clock, so that no false time goes out, and then publishes when the board has changed, conflated to one item a second,
// until ctx ends.
func (p *snapshots) run(ctx context.Context) error {
	if !p.session.link.agent.Clock.Settled(ctx) {
		return nil
	}
	for range p.session.link.agent.Board.Watch(ctx) {
		err := p.publish(ctx)
		if p.seq == 1 {
			close(p.first)
		}
		if err != nil || p.refused {
			return err
		}
		if !sleep(ctx, snapshotEvery) {
			return nil
		}
	}
	return nil
}

// publish publishes the board as it is. A server that refuses the node costs
// the node only.
func (p *snapshots) publish(ctx context.Context) error {
	l := p.session.link
	all := l.agent.Board.All()
	if len(all) > maxSnapshot {
		l.log.Debug("the snapshot leaves readings out", "readings", len(all), "most", maxSnapshot)
		all = all[:maxSnapshot]
	}
	p.seq++
	payload := sensordata.Encode(all, sensordata.Options{
		Seq: p.seq, Boot: l.boot, Interval: time.Duration(l.interval.Load()), Time: time.Now(),
	})
	err := p.node.Publish(ctx, "current", payload)
	switch {
	case err == nil, wants(err, ctx):
	case isAnswer(err):
		l.refuse(p.node.Name, err)
		p.refused = true
	case ctx.Err() != nil:
		return nil
	default:
		return err
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

// wants tells whether to try again later: the server asked for it, or did not
// answer in time.
func wants(err error, ctx context.Context) bool {
	var e *stanza.Error
	return ctx.Err() == nil && (errors.Is(err, stanza.ErrNoAnswer) || errors.As(err, &e) && e.Type == "wait")
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
