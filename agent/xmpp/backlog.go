package xmpp

import (
	"context"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
)

const (
	linkName = "xmpp" // of the link's positions in the record

	inFlight   = 16 // publish requests without an answer
	atOnce     = 16 // entries of one field before the others have their turn
	firstPause = time.Second
	mostPause  = time.Minute
)

// A backlog sends what the record holds behind the link's position: each field
// in order, many fields side by side, so that a long outage of one does not
// hold up what the others read now. The position moves when the server has
// answered, never before.
type backlog struct {
	record agent.Record
	link   *Link
	node   func(agent.Reading) *pubsub.Node

	mu     sync.Mutex
	nodes  map[string]*pubsub.Node
	pauses map[string]pause
}

// A pause is how long a field waits because the server asked for it.
type pause struct {
	length time.Duration
	until  time.Time
}

func newBacklog(l *Link, record agent.Record, node func(agent.Reading) *pubsub.Node) *backlog {
	return &backlog{record: record, link: l, node: node, nodes: make(map[string]*pubsub.Node), pauses: make(map[string]pause)}
}

// run sends until ctx ends (nil) or the connection does.
func (b *backlog) run(ctx context.Context) error {
	for ctx.Err() == nil { // Pending only looks when nothing is pending
		fields, err := b.record.Pending(ctx, linkName)
		if err != nil {
			return nil
		}
		ready, wait := b.ready(fields, time.Now())
		if len(ready) == 0 {
			if !sleep(ctx, wait) {
				return nil
			}
			continue
		}
		if err := b.round(ctx, ready); err != nil {
			return err
		}
	}
	return nil
}

// ready returns the fields that do not pause, and otherwise how long to wait
// until one has paused enough, at most a second: others may come.
func (b *backlog) ready(fields []string, now time.Time) (ready []string, wait time.Duration) {
	wait = time.Second
	for _, f := range fields {
		if left := b.pauses[f].until.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		ready = append(ready, f)
	}
	return ready, wait
}

// round sends some entries of each field.
func (b *backlog) round(ctx context.Context, fields []string) error {
	var wg sync.WaitGroup
	free := make(chan struct{}, inFlight)
	errs := make(chan error, len(fields))
	for _, f := range fields {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if err := b.send(ctx, f); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil // the positions stay: the next connection sends the rest under the same ids
	}
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// send sends some entries of one field in order. Only the end of the
// connection is an error.
func (b *backlog) send(ctx context.Context, field string) error {
	for _, e := range b.record.After(linkName, field, atOnce) {
		node := b.nodeOf(e.Reading)
		if b.link.isRefused(node.Name) {
			b.skip(field, e)
			continue
		}
		err := node.Publish(ctx, agent.Stamp(e.Time), sensordata.Encode([]agent.Reading{e.Reading}, sensordata.Options{}))
		switch {
		case err == nil:
			b.resume(field)
			b.record.Done(linkName, field, e.Pos)
		case wants(err, ctx):
			b.pause(field, time.Now())
			return nil
		case isAnswer(err):
			b.link.refuse(node.Name, err)
			b.skip(field, e)
		default:
			return err
		}
	}
	return nil
}

// skip gives an entry up that the server does not take.
func (b *backlog) skip(field string, e agent.Entry) {
	b.link.countSkipped()
	b.record.Done(linkName, field, e.Pos)
}

func (b *backlog) nodeOf(r agent.Reading) *pubsub.Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.nodes[r.Name]
	if n == nil {
		n = b.node(r)
		b.nodes[r.Name] = n
	}
	return n
}

func (b *backlog) pause(field string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pauses[field]
	p.length = min(max(firstPause, 2*p.length), mostPause)
	p.until = now.Add(p.length)
	b.pauses[field] = p
}

func (b *backlog) resume(field string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pauses, field)
}

func (l *Link) isRefused(node string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, refused := l.state.refused[node]
	return refused
}

func (l *Link) countSkipped() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.counters.Skipped++
}
