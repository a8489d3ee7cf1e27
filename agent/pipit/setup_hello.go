package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/roster"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/wire"
)

const (
	helloTime  = 30 * time.Second // for all of introduce
	bounceTime = 2 * time.Second  // for a server to say that it knows no such account
)

// An introducer is a device that is logged in, to say hello once.
type introducer interface {
	// introduce asks to see a person and lets them see the device, and sends a
	// first message.
	introduce(ctx context.Context, to, text string) error
	close()
}

// dialIntroducer logs in. close must be called.
func dialIntroducer(ctx context.Context, cfg stream.Config) (introducer, error) {
	conn, err := stream.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &greeter{conn: conn}, nil
}

type greeter struct{ conn *stream.Conn }

func (g *greeter) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = g.conn.Close(ctx) // nothing depends on a clean end
}

func (g *greeter) introduce(ctx context.Context, to, text string) error {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	router := stanza.NewRouter(g.conn, g.conn.JID(), func(string) bool { return false }, log)
	id, refused := rand.Text(), make(chan error, 1)
	router.OnMessage(func(_ context.Context, m *stanza.Stanza) {
		if m.Type == "error" && m.ID == id {
			select {
			case refused <- stanza.ErrorOf(m):
			default:
			}
		}
	})
	var wg sync.WaitGroup
	serving, stop := context.WithCancel(ctx)
	wg.Go(func() { router.Run(serving) })
	wg.Go(func() { _ = g.conn.Serve(serving, router.Receive) }) // what waits for it fails then
	defer func() { g.close(); stop(); wg.Wait() }()
	if err := g.subscribe(ctx, router, to, log); err != nil {
		return err
	}
	if err := g.conn.Send(firstMessage(id, to, text)); err != nil {
		return err
	}
	select {
	case err := <-refused:
		return fmt.Errorf("the message to %s came back: %w", to, err)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(bounceTime):
		return nil
	}
}

// subscribe makes the subscription of both as the agent does, and leaves all
// other contacts alone.
func (g *greeter) subscribe(ctx context.Context, conn roster.Conn, to string, log *slog.Logger) error {
	everybody := func(string) bool { return true }
	r := roster.New(conn, jid.Bare(g.conn.JID()), func() []string { return []string{to} }, everybody, func(string) {}, log)
	if err := r.Load(ctx); err != nil {
		return err
	}
	return r.Reconcile(ctx)
}

func firstMessage(id, to, text string) []byte {
	b := wire.Attr([]byte("<message type='chat'"), "id", id)
	b = wire.Attr(b, "to", to)
	b = append(b, "><body>"...)
	b = wire.Escape(b, text)
	return append(b, "</body><store xmlns='urn:xmpp:hints'/></message>"...)
}
