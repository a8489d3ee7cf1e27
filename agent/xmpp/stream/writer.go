package stream

import (
	"net"
	"sync"
	"time"
)

const (
	streamEnd = "</stream:stream>"
	chunk     = 16 << 10 // of one write: a TLS record; a slow link must move it within the write timeout
	keepBuf   = 64 << 10 // largest buffer that is kept for the next batch
)

// A writer sends whole stanzas in order. What is given to it while a write is
// under way goes out together in the next one, without a timer.
type writer struct {
	to      net.Conn
	timeout time.Duration
	failed  func(error)   // told of a write that failed
	wake    chan struct{} // holds one: there is something to send, or to stop for
	done    chan struct{} // closed when run has returned

	mu     sync.Mutex
	buf    []byte
	spare  []byte
	unsent int           // bytes in buf and in the write under way
	room   chan struct{} // closed when bytes were sent; nil when nobody waits
	ending error         // not nil when the end of the stream is in buf or was sent: why nothing may follow
	err    error         // why nothing can be sent any more
}

func newWriter(to net.Conn, timeout time.Duration, failed func(error)) *writer {
	return &writer{
		to: to, timeout: timeout, failed: failed,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// send queues a stanza. It waits for room until the write timeout.
func (w *writer) send(b []byte, on string) error {
	if len(b) > MaxUnsent {
		return &Error{Kind: KindPolicy, On: on, Text: "a stanza of more than 1 MiB cannot be sent"}
	}
	var expired <-chan time.Time
	for {
		room, err := w.offer(b)
		if room == nil {
			return err
		}
		if expired == nil {
			t := time.NewTimer(w.timeout)
			defer t.Stop()
			expired = t.C
		}
		select {
		case <-room:
		case <-expired:
			return &Error{Kind: KindTimeout, On: on, Text: "the server does not take what is sent", Hint: "check the network, or send less"}
		}
	}
}

// offer queues b if there is room, and else returns a channel that is closed
// when it is worth another try.
func (w *writer) offer(b []byte) (room <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ending != nil:
		return nil, w.ending
	case w.err != nil:
		return nil, w.err
	case w.unsent+len(b) > MaxUnsent:
		if w.room == nil {
			w.room = make(chan struct{})
		}
		return w.room, nil
	}
	w.push(b)
	return nil, nil
}

// put queues b whether there is room or not.
func (w *writer) put(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.push(b)
	}
}

// waiting tells whether bytes wait to be sent.
func (w *writer) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsent > 0
}

// push appends to the buffer. The caller holds the lock.
func (w *writer) push(b []byte) {
	w.buf = append(w.buf, b...)
	w.unsent += len(b)
	w.poke()
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// end queues the end of the stream, behind last if that is not empty. From now
// on send fails with why. Only the first call has an effect.
func (w *writer) end(last string, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && w.ending == nil {
		w.push([]byte(last + streamEnd))
		w.ending = why
	}
}

// stop makes all calls fail with err, the first one given, and run return.
func (w *writer) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.buf, w.unsent = nil, 0
	w.tellRoom()
	w.poke()
}

func (w *writer) cause() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *writer) tellRoom() {
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
}

// run sends until the end of the stream is out or stop is called.
func (w *writer) run() {
	defer close(w.done)
	for {
		batch := w.take()
		if batch == nil {
			return
		}
		for rest := batch; len(rest) > 0; {
			n := min(len(rest), chunk)
			if err := w.write(rest[:n]); err != nil {
				w.failed(err)
				return
			}
			rest = rest[n:]
			w.sent(n)
		}
		w.giveBack(batch)
	}
}

// take waits for bytes to send; nil means that there will be none.
func (w *writer) take() []byte {
	for {
		w.mu.Lock()
		batch, over := w.buf, w.ending != nil || w.err != nil
		if len(batch) > 0 {
			w.buf, w.spare = w.spare[:0], nil
		}
		w.mu.Unlock()
		switch {
		case len(batch) > 0:
			return batch
		case over:
			return nil
		}
		<-w.wake
	}
}

// write sends b at once. Before run it is called by the negotiation.
func (w *writer) write(b []byte) error {
	_ = w.to.SetWriteDeadline(time.Now().Add(w.timeout)) // what fails here fails in Write
	_, err := w.to.Write(b)
	return err
}

func (w *writer) sent(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsent = max(w.unsent-n, 0) // stop may have set it to 0
	w.tellRoom()
}

func (w *writer) giveBack(batch []byte) {
	if cap(batch) > keepBuf {
		return
	}
	w.mu.Lock()
	w.spare = batch[:0]
	w.mu.Unlock()
}
