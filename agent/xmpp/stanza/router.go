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
	laneDepth   = 128              // stanzas waiting for one worker
	laneWait    = time.Second      // how long a full lane may hold up the reader
	maxWaiting  = 1024             // requests without a reply
	maxWaitTime = 30 * time.Second // for the reply to a request

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

	lanes [lanes]chan *Stanza
	seed  maphash.Seed
	done  chan struct{} // closed when Run returns

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
	}
	for i := range r.lanes {
		r.lanes[i] = make(chan *Stanza, laneDepth)
	}
	return r
}

// Handle serves requests of a type (get or set) by the name of their payload.
func (r *Router) Handle(typ, space, local string, h IQHandler) { r.iq[iqKey{typ, space, local}] = h }

// OnMessage sets the handler of messages.
func (r *Router) OnMessage(f func(context.Context, *Stanza)) { r.onMessage = f }

// OnPresence sets the handler of presences.
func (r *Router) OnPresence(f func(context.Context, *Stanza)) { r.onPresence = f }

// Send implements Sender.
func (r *Router) Send(raw []byte) error { return r.out.Send(raw) }

// Run works on received stanzas until ctx ends. It then fails the requests
// that wait for a reply and returns when its workers have.
func (r *Router) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, lane := range r.lanes {
		wg.Go(func() { r.work(ctx, lane) })
	}
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

func (r *Router) work(ctx context.Context, lane <-chan *Stanza) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-lane:
			r.serve(ctx, s)
		}
	}
}

// Receive takes one whole stanza from the connection. It is called from one
// goroutine and blocks at most laneWait. A stanza that does not parse is
// dropped: it has no sender to answer.
func (r *Router) Receive(_ string, raw []byte) {
	s, err := Parse(raw)
	if err != nil {
		r.log.Debug("stanza dropped", "error", err)
		return
	}
	if s.Name == "iq" && s.Type != "get" && s.Type != "set" {
		r.matchReply(s)
		return
	}
	lane := r.lanes[r.laneOf(s.From)]
	select {
	case lane <- s:
		return
	default:
	}
	t := time.NewTimer(laneWait)
	defer t.Stop()
	select {
	case lane <- s:
	case <-r.done:
	case <-t.C:
		r.log.Warn("stanza refused: its sender sends faster than it can be served", "from", s.From, "stanza", s.Name)
		if s.Name == "iq" {
			r.reply(s, nil, ResourceConstraint)
		}
	}
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
				r.reply(s, nil, InternalError)
			}
		}
	}()
	switch {
	case s.Name == "iq":
		payload, err := r.serveIQ(ctx, s)
		r.reply(s, payload, err)
	case s.Name == "message" && r.onMessage != nil:
		r.onMessage(ctx, s)
	case s.Name == "presence" && r.onPresence != nil:
		r.onPresence(ctx, s)
	}
}

func (r *Router) serveIQ(ctx context.Context, s *Stanza) ([]byte, error) {
	if !r.allow(s.From) {
		return nil, ServiceUnavailable
	}
	var v struct {
		Children []struct{ XMLName xml.Name } `xml:",any"`
	}
	if s.Decode(&v) != nil || len(v.Children) != 1 {
		return nil, BadRequest
	}
	name := v.Children[0].XMLName
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

// reply answers a request. A send that fails has lost the connection, and with
// it the asker.
func (r *Router) reply(s *Stanza, payload []byte, err error) {
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
	if err := r.out.Send(b); err != nil {
		r.log.Debug("answer not sent", "to", s.From, "error", err)
	}
}
