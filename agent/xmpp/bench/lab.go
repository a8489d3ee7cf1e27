package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
)

const domain = "bench.example"

// Accounts besides those of the contestants, which are named as they are.
const (
	device = "device" // of the program
	bare   = "bare"   // publishes what the program publishes
	owner  = "owner"
	admin  = "admin" // may create nodes at the PubSub service

	talkers = 24 // people who chat: nobody may say more than ten lines at once
)

func talker(i int) string { return fmt.Sprintf("talker%02d", i) }

func jidOf(account string) string { return account + "@" + domain }

func passwordOf(account string) string { return account + "-bench-password" }

// A lab is one private server.
type lab struct{ *server.Server }

func startLab(ctx context.Context, name string) (*lab, error) {
	o := server.Options{Domain: domain, Publishers: []string{admin}, Accounts: make(map[string]string)}
	for _, a := range append([]string{device, bare, owner, admin}, contestants...) {
		o.Accounts[a] = passwordOf(a)
	}
	for i := range talkers {
		o.Accounts[talker(i)] = passwordOf(talker(i))
	}
	run := server.StartProsody
	if name == "ejabberd" {
		run = server.StartEjabberd
	}
	s, err := run(ctx, o)
	if err != nil {
		return nil, err
	}
	return &lab{s}, nil
}

// stop ends the server; the context of the run may have ended.
func (l *lab) stop() error { return l.Stop(context.Background()) }

// login is what package stream needs to log an account in.
func (l *lab) login(account string) stream.Config {
	return stream.Config{
		JID: jidOf(account), Server: l.Addr, RootCAs: l.Pool(),
		Password: func() (string, error) { return passwordOf(account), nil },
	}
}

// A visitor is a plain connection: requests go out, messages come in.
type visitor struct {
	conn   *stream.Conn
	router *stanza.Router
	end    context.CancelFunc
	wg     sync.WaitGroup
}

// visit logs an account in and makes it available. onMessage may be nil.
func (l *lab) visit(ctx context.Context, account string, onMessage func(*stanza.Stanza)) (*visitor, error) {
	conn, err := stream.Dial(ctx, l.login(account))
	if err != nil {
		return nil, err
	}
	v := &visitor{conn: conn, router: stanza.NewRouter(conn, conn.JID(), func(string) bool { return false }, slog.New(slog.DiscardHandler))}
	if onMessage != nil {
		v.router.OnMessage(func(_ context.Context, m *stanza.Stanza) { onMessage(m) })
	}
	ctx, v.end = context.WithCancel(context.WithoutCancel(ctx))
	v.wg.Go(func() { v.router.Run(ctx) })
	v.wg.Go(func() { _ = conn.Serve(ctx, v.router.Receive) })
	return v, conn.Send([]byte("<presence/>"))
}

func (v *visitor) close() {
	v.end()
	v.wg.Wait()
	_ = v.conn.Close(context.Background())
}
