package stanza

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/wire"
)

// A waiter is a request without a reply.
type waiter struct {
	to   string
	sent time.Time
	done func(*Stanza, error) // called once, without the lock
}

func (r *Router) matchReply(s *Stanza) {
	number, ours := strings.CutPrefix(s.ID, r.prefix)
	seq, err := strconv.ParseUint(number, idBase, 64)
	if !ours || err != nil {
		return
	}
	r.mu.Lock()
	w, ok := r.waiting[seq]
	if ok = ok && r.sameSender(w.to, s.From); ok {
		delete(r.waiting, seq)
	}
	r.mu.Unlock()
	if ok { // else late, forged, or for nobody: RFC 6120 8.2.3 forbids an answer
		w.done(s, nil)
	}
}

// sameSender tells whether a reply from this address may answer a request to
// that one. The server answers for the account with or without an address.
func (r *Router) sameSender(to, from string) bool {
	if to == from {
		return true
	}
	ours := func(j string) bool { return j == "" || slices.Contains(r.self[:], j) }
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

// Request implements Requester. It waits for at most 30 s in which the stream
// has a transport; then ErrNoAnswer is in the chain of the error.
func (r *Router) Request(ctx context.Context, to, typ string, payload []byte) (*Stanza, error) {
	type reply struct {
		s   *Stanza
		err error
	}
	replies := make(chan reply, 1)
	seq, err := r.ask(to, typ, payload, func(s *Stanza, err error) { replies <- reply{s, err} })
	if err != nil {
		return nil, err
	}
	select {
	case got := <-replies:
		if got.err == nil && got.s.Type == "error" {
			return nil, ErrorOf(got.s)
		}
		return got.s, got.err
	case <-ctx.Done():
		r.forget(seq)
		return nil, fmt.Errorf("no answer from %s: %w", cmp.Or(to, "the own account"), ctx.Err())
	}
}

// Start implements Starter, with the times of Request.
func (r *Router) Start(to, typ string, payload []byte, done func(*Stanza, error)) error {
	_, err := r.ask(to, typ, payload, done)
	return err
}

// ask sends a request.
func (r *Router) ask(to, typ string, payload []byte, done func(*Stanza, error)) (seq uint64, err error) {
	if seq, err = r.expect(waiter{to, time.Now(), done}); err != nil {
		return 0, err
	}
	b := make([]byte, 0, 96+len(to)+len(payload))
	b = append(b, "<iq type='"...)
	b = append(b, typ...)
	b = append(b, "' id='"...)
	b = append(b, r.prefix...)
	b = strconv.AppendUint(b, seq, idBase)
	b = append(b, '\'')
	b = wire.Attr(b, "to", to)
	b = append(b, '>')
	b = append(b, payload...)
	b = append(b, "</iq>"...)
	if err := r.out.Send(b); err != nil && r.forget(seq) {
		return 0, err
	}
	return seq, nil
}

// expect enters a request and sees to it that it does not wait for ever.
func (r *Router) expect(w waiter) (seq uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, ErrClosed
	case len(r.waiting) >= maxWaiting:
		return 0, ResourceConstraint
	}
	r.seq++
	r.waiting[r.seq] = w
	switch {
	case r.timer == nil:
		r.timer = time.AfterFunc(maxWaitTime, r.expire)
	case !r.armed:
		r.timer.Reset(maxWaitTime)
	}
	r.armed = true
	return r.seq, nil
}

// forget takes a request off the list and reports whether it was there: then
// nobody else ends it.
func (r *Router) forget(seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.waiting[seq]
	delete(r.waiting, seq)
	return ok
}

// expire fails the requests that have waited for too long.
func (r *Router) expire() {
	var late []waiter
	r.mu.Lock()
	next := maxWaitTime
	for seq, w := range r.waiting {
		left := r.left(w.sent)
		if left <= 0 {
			late = append(late, w)
			delete(r.waiting, seq)
			continue
		}
		next = min(next, left)
	}
	if r.armed = len(r.waiting) > 0; r.armed {
		r.timer.Reset(next)
	}
	r.mu.Unlock()
	for _, w := range late {
		w.done(nil, fmt.Errorf("%w from %s within %v", ErrNoAnswer, cmp.Or(w.to, "the own account"), maxWaitTime))
	}
}

// left returns how long a request sent at this time may still wait for its
// reply. The caller holds the lock.
func (r *Router) left(sent time.Time) time.Duration {
	if r.down {
		return maxWaitTime
	}
	if r.since.After(sent) {
		sent = r.since
	}
	return maxWaitTime - time.Since(sent)
}
