package xmpp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
)

const (
	nodePrefix = "pipit/" // before a reading's name in the name of its node

	snapshotEvery = time.Second // at most one snapshot in this time
	window        = 16          // entries of the record in flight
	retries       = 5           // of an item that the server asks to wait with
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
		err := s.publish(ctx, node, "current", payload)
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

// publishReadings sends every entry of the record to the node of its reading,
// each node in order, from the link's position on.
func (s *session) publishReadings(ctx context.Context) error {
	record := s.link.agent.Record
	if record == nil {
		return nil
	}
	nodes := make(map[string]*pubsub.Node)
	for {
		entries, lost, err := record.After(ctx, s.link.pos, window)
		if err != nil {
			return nil
		}
		s.link.countLost(lost)
		var wg sync.WaitGroup
		broken := make(chan error, len(entries))
		for _, run := range byName(entries) {
			name := run[0].Name
			node := nodes[name]
			if node == nil {
				node = s.node(s.link.readingNode(name), title(run[0].Reading), history)
				nodes[name] = node
			}
			wg.Go(func() {
				if err := s.publishRun(ctx, node, run); err != nil {
					broken <- err
				}
			})
		}
		wg.Wait()
		if ctx.Err() != nil {
			return nil // the position stays: the next connection sends these again under the same ids
		}
		select {
		case err := <-broken:
			return err
		default:
		}
		s.link.pos = entries[len(entries)-1].Pos
	}
}

// publishRun sends entries of one node in order. Only the end of the
// connection is an error.
func (s *session) publishRun(ctx context.Context, node *pubsub.Node, run []agent.Entry) error {
	for _, e := range run {
		if s.link.isRefused(node.Name) {
			s.link.countSkipped(1)
			continue
		}
		payload := sensordata.Encode([]agent.Reading{e.Reading}, sensordata.Options{})
		err := s.publish(ctx, node, agent.Stamp(e.Time), payload)
		switch {
		case err == nil:
		case wants(err, ctx):
			s.link.countSkipped(1)
		case isAnswer(err):
			s.link.refuse(node.Name, err)
			s.link.countSkipped(1)
		default:
			return err
		}
	}
	return nil
}

// publish sends one item and tries again, a few times and ever later, while
// the server asks to wait.
func (s *session) publish(ctx context.Context, node *pubsub.Node, id string, payload []byte) error {
	pause := time.Second
	for try := 1; ; try++ {
		err := node.Publish(ctx, id, payload)
		if err == nil || !wants(err, ctx) || try > retries || !sleep(ctx, pause) {
			return err
		}
		pause *= 2
	}
}

func (s *session) node(name, title string, items int) *pubsub.Node {
	return &pubsub.Node{
		Conn: s.router, Service: s.link.cfg.PubSub, Name: name, Title: title,
		Access: s.link.cfg.Access, MaxItems: items, Log: s.link.log,
	}
}

// snapshotNode and readingNode name the nodes. On a service that is shared by
// many devices the device's JID keeps them apart.
func (l *Link) snapshotNode() string {
	if l.cfg.PubSub == "" {
		return sensordata.NS
	}
	return nodePrefix + l.cfg.JID
}

func (l *Link) readingNode(name string) string {
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

// byName splits entries into runs of one reading each, keeping their order.
func byName(entries []agent.Entry) [][]agent.Entry {
	var runs [][]agent.Entry
	for _, e := range entries {
		i := slices.IndexFunc(runs, func(run []agent.Entry) bool { return run[0].Name == e.Name })
		if i < 0 {
			runs = append(runs, nil)
			i = len(runs) - 1
		}
		runs[i] = append(runs[i], e)
	}
	return runs
}

// title is what clients show for a reading's node.
func title(r agent.Reading) string {
	if r.Unit == "" {
		return r.Name
	}
	return r.Name + " (" + r.Unit + ")"
}

func (l *Link) isRefused(node string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, refused := l.state.refused[node]
	return refused
}

func (l *Link) countLost(n uint64) {
	if n == 0 {
		return
	}
	l.mu.Lock()
	l.state.lost += n
	l.mu.Unlock()
	l.log.Warn("readings were lost: the outage was longer than the record", "readings", n)
}

func (l *Link) countSkipped(n uint64) {
	l.mu.Lock()
	l.state.skipped += n
	l.mu.Unlock()
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
