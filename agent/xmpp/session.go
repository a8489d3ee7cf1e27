package xmpp

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"

	"pipit/agent"
	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/face"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/roster"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
)

// A session is one stream with everything that lives on it. It may have many
// transports, one after the other, with times without any in between.
type session struct {
	link   *Link
	stream *stream.Managed
	router *stanza.Router
	roster *roster.Roster
	adhoc  *adhoc.Server
	info   disco.Info

	sentShow, sent string // show and status of the last presence; touched by start and then keepPresence only

	live context.Context // of the parts; its cause says why one of them failed
	stop context.CancelCauseFunc
	wg   sync.WaitGroup
}

// newSession starts the parts of a session. Call serve for each transport of
// its stream, and end at last.
func newSession(l *Link, st *stream.Managed) *session {
	s := &session{link: l, stream: st}
	s.live, s.stop = context.WithCancelCause(context.Background())
	s.router = stanza.NewRouter(st, st.JID(), l.mayAsk, l.log)
	s.roster = roster.New(s.router, l.cfg.JID, l.agent.Persons, l.isPerson,
		func(from string) { l.agent.Outside.Note(from, "asked to see the device") }, l.log)
	s.adhoc = adhoc.New(l.agent, st.JID, jid.Bare)
	s.adhoc.File = l.chat.File
	s.info = discoInfo(l.agent)
	s.handle()
	s.wg.Go(func() { s.router.Run(s.live) })
	s.wg.Go(func() {
		if err := s.start(s.live); err != nil {
			s.stop(err)
		}
	})
	return s
}

// serve lives until the transport is lost, the stream or ctx ends, or a part
// fails. It always returns an error that says why. Unless the stream may be
// resumed, the session is over then, with no goroutine left.
func (s *session) serve(ctx context.Context) error {
	served := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-served:
			return
		case <-ctx.Done():
			s.leave()
		case <-s.live.Done():
		}
		s.close() // while Serve still reads, so that it sees the server's end
	})
	err := s.stream.Serve(context.Background(), s.router.Receive)
	s.router.Suspend()
	close(served)
	wg.Wait()
	switch {
	case ctx.Err() != nil:
		err = errStopped
	case s.failed():
		err = context.Cause(s.live)
	case err == nil:
		err = errors.New("the server closed the stream")
	}
	if !s.stream.Resumable() {
		s.end(err)
	}
	return err
}

// resume goes on after the stream was resumed.
func (s *session) resume() { s.router.Resume() }

// failed tells whether a part has failed, or end was called.
func (s *session) failed() bool { return s.live.Err() != nil }

// end ends the stream and waits for the parts. It may be called again.
func (s *session) end(why error) {
	s.stop(why)
	s.close()
	s.wg.Wait()
}

func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if err := s.stream.Close(ctx); err != nil {
		s.link.log.Debug("the stream did not end cleanly", "error", err)
	}
}

// start brings the device online and then publishes until ctx ends.
func (s *session) start(ctx context.Context) error {
	if err := s.roster.Load(ctx); err != nil {
		return err
	}
	if err := s.sendPresence(); err != nil {
		return err
	}
	s.link.online()
	if n, err := s.stream.Redeliver(); err != nil {
		return err
	} else if n > 0 {
		s.link.log.Info("messages of before sent again", "stanzas", n)
	}
	loops := []func(context.Context) error{s.compareClock, s.keepPresence, s.sendAlerts, s.sendMessages, s.sendFiles, s.publish}
	return firstError(ctx, append(loops, s.roomLoops()...))
}

// compareClock lets the server's clock vouch for the device's.
func (s *session) compareClock(ctx context.Context) error {
	theirs, err := entity.ServerTime(ctx, s.router, jid.Domain(s.link.cfg.JID))
	if err != nil {
		s.link.log.Debug("the server does not tell its time", "error", err)
		return nil
	}
	s.link.agent.Clock.Compare(theirs)
	return nil
}

// publish brings subscriptions and the full state up to date, and then sends
// readings and states as they come.
func (s *session) publish(ctx context.Context) error {
	changed := s.link.agent.PeopleChanged()
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	now := s.newSnapshots()
	loops := []func(context.Context) error{now.run, s.showFace, func(ctx context.Context) error { return s.followPeople(ctx, changed) }}
	if record := s.link.agent.Record; record != nil {
		loops = append(loops, func(ctx context.Context) error {
			if !now.wait(ctx) {
				return nil
			}
			return newBacklog(s.link, record, s.readingNode).run(ctx)
		})
	}
	return firstError(ctx, loops)
}

// showFace writes what contacts see beside the presence.
func (s *session) showFace(ctx context.Context) error {
	if s.link.cfg.State == nil {
		return nil
	}
	err := face.Write(ctx, s.router, s.link.cfg.Access, s.link.cfg.Face, s.link.cfg.State, s.link.log)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		s.link.log.Debug("contacts do not see all of the device", "error", err)
	}
	return nil
}

// reconcile makes the subscriptions fit the people. The error is that of ctx.
func (s *session) reconcile(ctx context.Context) error {
	if err := s.roster.Reconcile(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.link.log.Warn("subscriptions are not complete", "error", err)
	}
	return nil
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
	if err := s.stream.Send([]byte("<presence type='unavailable'><status>stopped</status></presence>")); err != nil {
		s.link.log.Debug("no leave taken", "error", err)
	}
}

// handle sets the handlers of everything that may come in.
func (s *session) handle() {
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
	r.OnDenied(s.denied)
	r.OnRefused(s.refused)
}

func (s *session) message(ctx context.Context, m *stanza.Stanza) {
	if r := s.link.roomOf(m.From); r != nil {
		r.message(ctx, m)
		return
	}
	if s.link.agent.Role(jid.Bare(m.From)) != agent.Stranger {
		s.link.last.Touch()
	}
	s.link.chat.Message(ctx, m)
}

// denied notes that somebody without a role asked for a command. What else
// servers and clients ask by themselves means nothing.
func (s *session) denied(iq *stanza.Stanza) {
	if name, ok := iq.Payload(); ok && name.Space == adhoc.NS && iq.Type == "set" {
		s.link.agent.Outside.Note(jid.Bare(iq.From), "asked for a command")
	}
}

func (s *session) presence(ctx context.Context, p *stanza.Stanza) {
	if r := s.link.roomOf(p.From); r != nil {
		r.muc.Presence(ctx, p)
		return
	}
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
