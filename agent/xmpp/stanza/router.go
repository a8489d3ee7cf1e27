package stanza

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"strconv"
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
	self  string // full JID
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
	waiting map[string]waiter
	closed  bool
}

type iqKey struct{ typ, space, local string }

type waiter struct {
	to    string
	reply chan *Stanza // holds one
}

// NewRouter returns a router for the connection out, bound as the full JID
// self. allow tells whether a sender may send requests at all; those of others
// are answered as if no protocol were served here, and their messages and
// presences reach the handlers, which decide for themselves.
func NewRouter(out Sender, self string, allow func(from string) bool, log *slog.Logger) *Router {
	r := &Router{
		out: out, self: self, log: log, allow: allow,
		iq: make(map[iqKey]IQHandler), waiting: make(map[string]waiter),
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
	for id, w := range r.waiting {
		close(w.reply)
		delete(r.waiting, id)
	}
	r.mu.Unlock()
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

func (r *Router) matchReply(s *Stanza) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.waiting[s.ID]
	if !ok || !r.sameSender(w.to, s.From) {
		return // late, forged, or for nobody: RFC 6120 8.2.3 forbids an answer
	}
	delete(r.waiting, s.ID)
	w.reply <- s
}

// sameSender tells whether a reply from this address may answer a request to
// that one. The server answers for the account with or without an address.
func (r *Router) sameSender(to, from string) bool {
	if to == from {
		return true
	}
	ours := func(j string) bool {
		return j == "" || j == r.self || j == jid.Bare(r.self) || j == jid.Domain(r.self)
	}
	if ours(to) {
		return ours(from)
	}
	x, err := jid.Parse(to)
	y, err2 := jid.Parse(from)
	return err == nil && err2 == nil && x == y
}

// Suspend stops the clock of the requests that wait for a reply: the stream has
// no transport, and a reply may still come when it is resumed. Resume starts
// the clock anew.
func (r *Router) Suspend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
}

// Resume is the end of Suspend.
func (r *Router) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down, r.since = false, time.Now()
}

// left returns how long a request sent at this time may still wait for its reply.
func (r *Router) left(sent time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return maxWaitTime
	}
	if r.since.After(sent) {
		sent = r.since
	}
	return maxWaitTime - time.Since(sent)
}

// Request implements Requester. It waits for at most 30 s in which the stream
// has a transport; then ErrNoAnswer is in the chain of the error.
func (r *Router) Request(ctx context.Context, to, typ string, payload []byte) (*Stanza, error) {
	id, reply, err := r.expect(to)
	if err != nil {
		return nil, err
	}
	defer func() {
		r.mu.Lock()
		delete(r.waiting, id)
		r.mu.Unlock()
	}()
	b := make([]byte, 0, 96+len(to)+len(payload))
	b = append(b, "<iq type='"...)
	b = append(b, typ...)
	b = append(b, '\'')
	b = wire.Attr(b, "id", id)
	b = wire.Attr(b, "to", to)
	b = append(b, '>')
	b = append(b, payload...)
	b = append(b, "</iq>"...)
	sent := time.Now()
	if err := r.out.Send(b); err != nil {
		return nil, err
	}
	t := time.NewTimer(maxWaitTime)
	defer t.Stop()
	for {
		select {
		case s, ok := <-reply:
			switch {
			case !ok:
				return nil, ErrClosed
			case s.Type == "error":
				return nil, ErrorOf(s)
			}
			return s, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("no answer from %s: %w", cmp.Or(to, "the own account"), ctx.Err())
		case <-t.C:
			left := r.left(sent)
			if left <= 0 {
				return nil, fmt.Errorf("%w from %s within %v", ErrNoAnswer, cmp.Or(to, "the own account"), maxWaitTime)
			}
			t.Reset(left)
		}
	}
}

func (r *Router) expect(to string) (string, chan *Stanza, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return "", nil, ErrClosed
	case len(r.waiting) >= maxWaiting:
		return "", nil, ResourceConstraint
	}
	r.seq++
	id := r.prefix + strconv.FormatUint(r.seq, 36)
	w := waiter{to, make(chan *Stanza, 1)}
	r.waiting[id] = w
	return id, w.reply, nil
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
