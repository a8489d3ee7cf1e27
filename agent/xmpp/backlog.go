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

	inFlight   = 16          // publish requests without an answer
	atOnce     = 16          // entries of one field before the others have their turn
	lookEvery  = time.Second // for readings of other fields, while some are in flight
	firstPause = time.Second
	mostPause  = time.Minute
)

// A backlog sends what the record holds behind the link's position: each field
// in order, one item at a time, and many fields side by side, so that a long
// outage of one does not hold up what the others read now. The position moves
// when the server has answered, never before.
//
// One goroutine does it all: it starts requests and takes their results. Only
// what takes more than one request, as making a node, has a goroutine of its own.
type backlog struct {
	record agent.Record
	link   *Link
	node   func(agent.Reading) *pubsub.Node

	// The rest belongs to run.
	fields  map[string]*field
	ready   []*field // have entries and wait for their turn
	flying  int      // items without a result
	stale   bool     // the record may have more than is known
	results chan result
	repairs sync.WaitGroup
}

// A field is what a backlog knows of one.
type field struct {
	name    string
	node    *pubsub.Node
	entries []agent.Entry // of this turn; the first is in flight, or the next one
	busy    bool          // in ready, or in flight
	pause   time.Duration // the last one that the server asked for
	until   time.Time     // when that ends
	done    func(rest func(context.Context) error)
}

// A result says how the first entry of a field went.
type result struct {
	*field
	rest func(context.Context) error // what is left to do before err is known
	err  error
}

func newBacklog(l *Link, record agent.Record, node func(agent.Reading) *pubsub.Node) *backlog {
	return &backlog{record: record, link: l, node: node, fields: make(map[string]*field), results: make(chan result, inFlight)}
}

// run sends until ctx ends (nil) or the connection does.
func (b *backlog) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer b.repairs.Wait()
	defer cancel()
	look := time.NewTicker(lookEvery) // takes no time while nobody waits for it
	defer look.Stop()
	for ctx.Err() == nil {
		if !b.more(ctx) {
			break
		}
		for b.flying < inFlight && len(b.ready) > 0 {
			f := b.ready[0]
			b.ready = b.ready[1:]
			b.next(f)
		}
		if b.flying == 0 {
			continue
		}
		select {
		case r := <-b.results:
			b.flying--
			if err := b.take(ctx, r); err != nil && ctx.Err() == nil {
				return err
			}
		case <-look.C: // a node that answers slowly must not hold up the others
			b.stale = true
		case <-ctx.Done():
		}
	}
	return nil // the positions stay: the next connection sends the rest under the same ids
}

// more looks for fields to send when none is ready. While nothing is in flight
// it waits for them. It reports false when ctx has ended.
func (b *backlog) more(ctx context.Context) bool {
	if len(b.ready) > 0 || b.flying == inFlight || b.flying > 0 && !b.stale {
		return true
	}
	b.stale = false
	look := ctx
	if b.flying > 0 {
		var cancel context.CancelFunc
		look, cancel = context.WithCancel(ctx)
		cancel() // so Pending looks, and does not wait
	}
	names, _ := b.record.Pending(look, linkName) // none when look has ended
	wait := b.enlist(names, time.Now())
	if len(b.ready) == 0 && b.flying == 0 {
		return sleep(ctx, wait)
	}
	return ctx.Err() == nil
}

// enlist makes those fields ready that are neither busy nor pause, and returns
// how long to wait until one has paused enough, at most a second: others may
// come.
func (b *backlog) enlist(names []string, now time.Time) (wait time.Duration) {
	wait = time.Second
	for _, name := range names {
		f := b.fields[name]
		if f == nil {
			f = &field{name: name}
			f.done = func(rest func(context.Context) error) { b.results <- result{field: f, rest: rest} }
			b.fields[name] = f
		}
		left := f.until.Sub(now)
		switch {
		case f.busy:
		case left > 0:
			wait = min(wait, left)
		default:
			f.busy = true
			b.ready = append(b.ready, f)
		}
	}
	return wait
}

// next sends the next entry of a field, or ends its turn.
func (b *backlog) next(f *field) {
	if len(f.entries) == 0 && !b.read(f) {
		return
	}
	for b.link.isRefused(f.node.Name) {
		b.skip(f)
		if len(f.entries) == 0 {
			b.endTurn(f)
			return
		}
	}
	e := f.entries[0]
	b.flying++
	payload := sensordata.Encode([]agent.Reading{e.Reading}, sensordata.Options{})
	f.node.Start(agent.Stamp(e.Time), payload, f.done)
}

// read gets the entries of a field's turn; without any the turn is over.
func (b *backlog) read(f *field) bool {
	f.entries = b.record.After(linkName, f.name, atOnce)
	if len(f.entries) == 0 {
		b.endTurn(f)
		return false
	}
	if f.node == nil {
		f.node = b.node(f.entries[0].Reading)
	}
	return true
}

// endTurn ends the turn of a field.
func (b *backlog) endTurn(f *field) { f.entries, f.busy, b.stale = nil, false, true }

// take deals with a result. Only the end of the connection is an error.
func (b *backlog) take(ctx context.Context, r result) error {
	f := r.field
	switch {
	case r.rest != nil:
		b.flying++
		b.repairs.Go(func() { b.results <- result{field: f, err: r.rest(ctx)} })
		return nil
	case r.err == nil:
		f.pause = 0
		b.done(f)
	case wants(r.err, ctx):
		f.pause = min(max(firstPause, 2*f.pause), mostPause)
		f.until = time.Now().Add(f.pause)
		b.endTurn(f)
		return nil
	case isAnswer(r.err):
		b.link.refuse(f.node.Name, r.err)
		b.skip(f)
	default:
		return r.err
	}
	if len(f.entries) > 0 {
		b.next(f)
	} else {
		b.endTurn(f)
	}
	return nil
}

// skip gives an entry up that the server does not take.
func (b *backlog) skip(f *field) {
	b.link.countSkipped()
	b.done(f)
}

// done moves the position behind the first entry of a field.
func (b *backlog) done(f *field) {
	b.record.Done(linkName, f.name, f.entries[0].Pos)
	f.entries = f.entries[1:]
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
