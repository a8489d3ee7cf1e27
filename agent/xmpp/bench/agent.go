package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/store"
	"pipit/agent/xmpp"
)

// An agentPlayer is the device's own Link with the real store as its Record.
// The Link may see a batch only when all of it is there: a backlog.
type agentPlayer struct {
	agent.Record
	store *store.Store
	batch int

	mu          sync.Mutex
	gate        chan struct{} // closed while the Link may look
	open        bool
	left        int
	first, last time.Time // results
	done        chan struct{}
}

func newAgentPlayer(ctx context.Context, j job) (player, error) {
	runtime.GOMAXPROCS(1) // as `pipit run` does
	pool, err := j.pool()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(os.TempDir(), "store-")
	if err != nil {
		return nil, err
	}
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return nil, err
	}
	p := &agentPlayer{Record: st, store: st, batch: j.Batch, gate: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	link := xmpp.New(xmpp.Config{
		JID: j.JID, Resource: "pipit", Password: func() (string, error) { return j.Password, nil },
		Server: j.TLSAddr, DirectTLS: true, RootCAs: pool, PubSub: j.Service, Access: j.Access,
	}, &agent.Agent{Name: "Bench", Record: p, Log: log}, log)
	go func() { _ = link.Run(ctx) }() // until the process ends
	return p, nil
}

// load lets the store commit what the batch before left in its memory, and
// appends a batch.
func (p *agentPlayer) load(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_ = p.store.Run(short) // commits when its context ends
	for i := range p.batch {
		p.Append(reading(i))
	}
	p.mu.Lock()
	p.left, p.first, p.done = p.batch, time.Time{}, make(chan struct{})
	p.mu.Unlock()
	return nil
}

func (p *agentPlayer) send(ctx context.Context) (time.Duration, error) {
	p.mu.Lock()
	close(p.gate)
	p.open = true
	p.mu.Unlock()
	defer p.shut()
	select {
	case <-p.done:
		return p.last.Sub(p.first), nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return 0, fmt.Errorf("%d of %d readings are left: %w", p.left, p.batch, ctx.Err())
	}
}

func (p *agentPlayer) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate, p.open = make(chan struct{}), false
}

func (p *agentPlayer) look() (gate chan struct{}, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate, p.open
}

// Pending implements agent.Record.
func (p *agentPlayer) Pending(ctx context.Context, link string) ([]string, error) {
	for {
		gate, _ := p.look()
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		list, err := p.Record.Pending(ctx, link)
		if _, open := p.look(); open || err != nil { // it may have waited for the next batch
			return list, err
		}
	}
}

// Done implements agent.Record.
func (p *agentPlayer) Done(link, field string, pos uint64) {
	p.Record.Done(link, field, pos)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() {
		p.first = now
	}
	p.last = now
	if p.left--; p.left == 0 {
		close(p.done)
	}
}
