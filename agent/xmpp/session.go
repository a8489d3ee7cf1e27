package xmpp

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"pipit/agent"
	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/roster"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
)

// A session is one connection with everything that lives on it.
type session struct {
	link   *Link
	conn   *stream.Conn
	router *stanza.Router
	roster *roster.Roster
	adhoc  *adhoc.Server
	info   disco.Info
	sent   string // show and status of the last presence; touched by start and then keepPresence only
}

func newSession(l *Link, conn *stream.Conn) *session {
	s := &session{link: l, conn: conn}
	self := conn.JID()
	s.router = stanza.NewRouter(conn, self, l.mayAsk, l.log)
	s.roster = roster.New(s.router, l.cfg.JID, slices.Sorted(maps.Keys(l.agent.People)), l.log)
	s.adhoc = adhoc.New(l.agent, conn.JID, jid.Bare)
	s.info = discoInfo(l.agent)
	s.serve()
	return s
}

// run lives until the connection ends or ctx does. It always returns an error
// that says why, and leaves no goroutine behind.
func (s *session) run(ctx context.Context) error {
	live, end := context.WithCancelCause(context.Background())
	defer end(nil)
	var wg sync.WaitGroup
	part := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(live); err != nil {
				end(err)
			}
		})
	}
	part(func(ctx context.Context) error { s.router.Run(ctx); return nil })
	part(func(ctx context.Context) error {
		err := s.conn.Serve(ctx, s.router.Receive)
		if err == nil {
			err = errors.New("the server closed the stream")
		}
		return err
	})
	part(s.start)

	var err error
	select {
	case <-ctx.Done():
		err = errStopped
		s.leave()
	case <-live.Done():
		err = context.Cause(live)
	}
	closing, cancel := context.WithTimeout(context.Background(), stopTime)
	s.conn.Close(closing) // while Serve still reads, so that it sees the server's end
	cancel()
	end(err)
	wg.Wait()
	return err
}

// start brings the device online and then publishes until ctx ends.
func (s *session) start(ctx context.Context) error {
	if err := s.roster.Load(ctx); err != nil {
		return err
	}
	if err := s.sendPresence(); err != nil {
		return err
	}
	s.link.online(s.conn.JID())
	s.link.log.Info("online", "jid", s.conn.JID())
	if err := s.roster.Reconcile(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.link.log.Warn("subscriptions are not complete", "error", err)
	}
	loops := []func(context.Context) error{s.keepPresence, s.publishSnapshots}
	if record := s.link.agent.Record; record != nil {
		loops = append(loops, newBacklog(s.link, record, s.readingNode).run)
	}
	return firstError(ctx, loops)
}

// firstError runs loops until ctx ends or one of them fails, and waits for
// all. One that ends without an error has nothing left to do.
func firstError(ctx context.Context, loops []func(context.Context) error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(loops))
	for _, loop := range loops {
		wg.Go(func() { errs <- loop(ctx) })
	}
	for range loops {
		if err = <-errs; err != nil {
			break
		}
	}
	cancel()
	wg.Wait()
	return err
}

// leave tells contacts at once that the device goes, not after a timeout.
func (s *session) leave() {
	if err := s.conn.Send([]byte("<presence type='unavailable'><status>stopped</status></presence>")); err != nil {
		s.link.log.Debug("no leave taken", "error", err)
	}
}

// serve sets the handlers of everything that may come in.
func (s *session) serve() {
	a, r := s.link.agent, s.router
	r.Handle("set", roster.NS, "query", s.roster.Push)
	r.Handle("get", entity.NSPing, "ping", entity.Ping)
	r.Handle("get", entity.NSVersion, "query", entity.Version("Pipit", a.Version))
	r.Handle("get", entity.NSTime, "time", entity.Time)
	r.Handle("get", entity.NSLast, "query", s.link.last.Serve(a.Started))
	r.Handle("get", disco.NSInfo, "query", s.discoInfo)
	r.Handle("get", disco.NSItems, "query", s.discoItems)
	r.Handle("set", adhoc.NS, "command", func(ctx context.Context, iq *stanza.Stanza) ([]byte, error) {
		s.link.last.Touch()
		return s.adhoc.Serve(ctx, iq)
	})
	for _, ns := range sensordata.Namespaces {
		r.Handle("get", ns, "req", sensordata.Handler(a.Board.All))
	}
	r.OnMessage(s.message)
	r.OnPresence(s.presence)
}

func (s *session) message(ctx context.Context, m *stanza.Stanza) {
	if s.link.agent.Role(jid.Bare(m.From)) != agent.Stranger {
		s.link.last.Touch()
	}
	s.link.chat.Message(ctx, m)
}

func (s *session) presence(ctx context.Context, p *stanza.Stanza) {
	if !s.roster.Presence(ctx, p) && p.Type == "unavailable" {
		s.adhoc.Gone(p.From)
	}
}

// randomID returns 128 random bits as text.
func randomID() string { return rand.Text() }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
