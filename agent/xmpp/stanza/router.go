package stanza

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"hash/maphash"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/wire"
)

const (
	lanes       = 4                // workers; stanzas of one sender keep their order
	maxWaiting  = 1024             // requests without a reply
	maxWaitTime = 30 * time.Second // for the reply to a request
	maxID       = 1024             // bytes of a request's id: the answer repeats it

	idBase = 36 // of the number in the id of a request
)

// ErrNoAnswer is in the chain of the error of a request that nobody answered in
// time.
var ErrNoAnswer = errors.New("no answer")

// ErrClosed is returned by Request when the connection has ended.
var ErrClosed = errors.New("the connection has ended")

// A Router stands between one connection and the protocols on it. Set it up
// with Handle, OnMessage and OnPresence before Run, then feed it whole stanzas
// with Receive. Request and Send may be called from any goroutine.
//
// Replies are matched in the goroutine of Receive and never wait behind a
// handler. Everything else goes to one of a few workers, chosen by the sender,
// so that one sender's stanzas keep their order.
type Router struct {
	out   Sender
	self  [3]string // addresses of the account: full, bare, its server
	log   *slog.Logger
	allow func(from string) bool

	iq                    map[iqKey]IQHandler
	onMessage, onPresence func(context.Context, *Stanza)
	onDenied              func(*Stanza)
	onRefused             func(*Stanza)

	lanes   [lanes]*lane
	refused *lane // requests that found no room in theirs
	seed    maphash.Seed
	done    chan struct{} // closed when Run returns
	repeats repeats

	mu      sync.Mutex
	down    bool      // Suspend was called
	since   time.Time // of the last Resume
	prefix  string
	seq     uint64
	waiting map[uint64]waiter // by the number in the id
	timer   *time.Timer       // calls expire; nil until it is needed
	armed   bool
	closed  bool
}

type iqKey struct{ typ, space, local string }

// NewRouter returns a router for the connection out, bound as the full JID
// self. allow tells whether a sender may send requests at all; those of others
// are answered as if no protocol were served here, and their messages and
// presences reach the handlers, which decide for themselves.
func NewRouter(out Sender, self string, allow func(from string) bool, log *slog.Logger) *Router {
	r := &Router{
		out: out, self: [...]string{self, jid.Bare(self), jid.Domain(self)}, log: log, allow: allow,
		iq: make(map[iqKey]IQHandler), waiting: make(map[uint64]waiter),
		prefix: rand.Text()[:12] + "-", seed: maphash.MakeSeed(), done: make(chan struct{}),
		refused: newLane(maxRefused),
	}
	for i := range r.lanes {
		r.lanes[i] = newLane(laneDepth)
	}
	return r
}

// Handle serves requests of a type (get or set) by the name of their payload.
func (r *Router) Handle(typ, space, local string, h IQHandler) { r.iq[iqKey{typ, space, local}] = h }

// OnMessage sets the handler of messages.
func (r *Router) OnMessage(f func(context.Context, *Stanza)) { r.onMessage = f }

// OnPresence sets the handler of presences.
func (r *Router) OnPresence(f func(context.Context, *Stanza)) { r.onPresence = f }

// OnDenied sets who is told of a request of somebody who may send none.
func (r *Router) OnDenied(f func(*Stanza)) { r.onDenied = f }

// OnRefused sets who is told of a stanza for which there was no room. Receive
// calls it, so it must not block.
func (r *Router) OnRefused(f func(*Stanza)) { r.onRefused = f }

// Send implements Sender.
func (r *Router) Send(raw []byte) error { return r.out.Send(raw) }

// Run works on received stanzas until ctx ends. It then fails the requests
// that wait for a reply and returns when its workers have.
func (r *Router) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, l := range r.lanes {
		wg.Go(func() { l.work(ctx, func(s *Stanza) { r.serve(ctx, s) }) })
	}
	wg.Go(func() { r.refused.work(ctx, func(s *Stanza) { r.reply(s, nil, ResourceConstraint) }) })
	<-ctx.Done()
	close(r.done)
	r.mu.Lock()
	r.closed = true
	left := slices.Collect(maps.Values(r.waiting))
	clear(r.waiting)
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	for _, w := range left {
		w.done(nil, ErrClosed)
	}
	wg.Wait()
}

// Receive takes one whole stanza from the connection. It is called from one
// goroutine and blocks at most laneWait: it never sends, because room to send
// may only come with an acknowledgement that has yet to be read. A stanza that
// does not parse is dropped: it has no sender to answer. So is one whose address
// or id is longer than an honest one: the answer would repeat it, and servers
// end the stream over a stanza that is too large for them.
func (r *Router) Receive(_ string, raw []byte) {
	s, err := Parse(raw)
	if err != nil {
		r.log.Debug("stanza dropped", "error", err)
		return
	}
	if len(s.From) > jid.MaxLen || s.Name == "iq" && len(s.ID) > maxID {
		r.log.Debug("stanza dropped", "error", "its sender or id is too long", "stanza", s.Name)
		return
	}
	if s.Name == "iq" && s.Type != "get" && s.Type != "set" {
		r.matchReply(s)
		return
	}
	taken, first := r.lanes[r.laneOf(s.From)].put(s, r.done)
	if !taken {
		r.refuse(s, first)
	}
}

// refuse sees to the answer to a stanza for which there is no room. A flood of
// them is not answered: whoever sends it makes the stream carry it twice.
func (r *Router) refuse(s *Stanza, first bool) {
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	if r.onRefused != nil {
		r.onRefused(s)
	}
	answered := false
	if s.Name == "iq" {
		answered, _ = r.refused.offer(s)
	}
	r.log.Log(context.Background(), level, "stanza refused: more comes than can be served",
		"from", s.From, "stanza", s.Name, "answered", answered)
}

func (r *Router) laneOf(from string) int {
	bare, _, _ := strings.Cut(from, "/")
	return int(maphash.String(r.seed, bare) % lanes)
}

// serve hands one stanza to its handler. A panic costs this stanza only.
func (r *Router) serve(ctx context.Context, s *Stanza) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("handler panicked", "stanza", s.Name, "from", s.From, "panic", p, "stack", string(debug.Stack()))
			if s.Name == "iq" {
				r.repeats.keep(s, r.reply(s, nil, InternalError))
			}
		}
	}()
	switch {
	case s.Name == "iq" && !r.allow(s.From):
		if r.onDenied != nil {
			r.onDenied(s)
		}
		r.reply(s, nil, ServiceUnavailable)
	case s.Name == "iq":
		if answer := r.repeats.find(s); answer != nil {
			r.answer(s, answer)
			return
		}
		payload, err := r.serveIQ(ctx, s)
		r.repeats.keep(s, r.reply(s, payload, err))
	case s.Name == "message" && r.onMessage != nil:
		r.onMessage(ctx, s)
	case s.Name == "presence" && r.onPresence != nil:
		r.onPresence(ctx, s)
	}
}

func (r *Router) serveIQ(ctx context.Context, s *Stanza) ([]byte, error) {
	name, ok := s.Payload()
	if !ok {
		return nil, BadRequest
	}
	if h := r.iq[iqKey{s.Type, name.Space, name.Local}]; h != nil {
		return h(ctx, s)
	}
	other := "get"
	if s.Type == "get" {
		other = "set"
	}
	if r.iq[iqKey{other, name.Space, name.Local}] != nil {
		return nil, BadRequest
	}
	return nil, ServiceUnavailable
}

// reply answers a request and returns the answer.
func (r *Router) reply(s *Stanza, payload []byte, err error) []byte {
	b := make([]byte, 0, 160+len(payload))
	typ := "result"
	if err != nil {
		typ = "error"
	}
	b = append(b, "<iq"...)
	b = wire.Attr(b, "type", typ)
	b = wire.Attr(b, "id", s.ID)
	b = wire.Attr(b, "to", s.From)
	b = append(b, '>')
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			r.log.Warn("request failed", "from", s.From, "error", err)
			e = InternalError
		}
		b = e.Append(b)
	} else {
		b = append(b, payload...)
	}
	b = append(b, "</iq>"...)
	r.answer(s, b)
	return b
}

// answer sends the answer to s. A send that fails has lost the connection, and
// with it the asker.
func (r *Router) answer(s *Stanza, b []byte) {
	if err := r.out.Send(b); err != nil {
		r.log.Debug("answer not sent", "to", s.From, "error", err)
	}
}

// Payload returns the name of the one child of a request; ok is false when there
// is none, or more than one.
func (s *Stanza) Payload() (name xml.Name, ok bool) {
	var v struct {
		Children []struct{ XMLName xml.Name } `xml:",any"`
	}
	if s.Decode(&v) != nil || len(v.Children) != 1 {
		return xml.Name{}, false
	}
	return v.Children[0].XMLName, true
}
