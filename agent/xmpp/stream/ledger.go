package stream

import (
	"bytes"
	"fmt"
	"time"

	"pipit/agent/xmpp/wire"
)

// A ledger counts the stanzas of a managed stream in both directions and holds
// those that the server has not acknowledged (XEP-0198 section 4). Counters
// wrap at 2^32.
type ledger struct {
	in    uint32  // stanzas from the server
	acked uint32  // what the server last acknowledged
	queue []entry // sent or to be sent, not acknowledged, oldest first
	bytes int     // in queue
	total uint64  // stanzas entered since the beginning
	done  uint64  // of those, acknowledged or superseded
}

// An entry is a stanza that the server has not acknowledged.
type entry struct {
	raw []byte
	at  time.Time // of the first try
	class
}

// A class says what becomes of a stanza whose stream cannot be resumed.
type class uint8

const (
	repeated class = iota // nothing: who sent it repeats it, or sends what is true by then
	state                 // the same; and while there is no transport the newest replaces an older one
	keep                  // it is sent again on the next stream
)

// classify tells the class of a stanza: messages, subscriptions and answers to
// requests are kept. Requests belong to who waits for the answer, and refusals
// would let a stranger's flood push out what matters.
func classify(raw []byte) class {
	if bytes.HasPrefix(raw, []byte("<iq type='set'")) || bytes.HasPrefix(raw, []byte("<iq type='get'")) {
		return repeated // most are these
	}
	h, err := wire.Scan(raw)
	if err != nil {
		return repeated
	}
	switch h.Name + " " + h.Type {
	case "presence ", "presence unavailable":
		if h.To == "" {
			return state
		}
	case "presence subscribe", "presence subscribed", "presence unsubscribe", "presence unsubscribed", "iq result":
		return keep
	}
	if h.Name == "message" {
		return keep
	}
	return repeated
}

// add enters a stanza.
func (l *ledger) add(e entry) {
	l.queue = append(l.queue, e)
	l.bytes += len(e.raw)
	l.total++
}

// supersede removes the states among the newest n, and tells how many: they
// have not reached any transport, so no counter knows them.
func (l *ledger) supersede(n int) (removed int) {
	from := len(l.queue) - n
	kept := l.queue[:from]
	for _, e := range l.queue[from:] {
		if e.class == state {
			l.bytes -= len(e.raw)
			l.done++
			removed++
			continue
		}
		kept = append(kept, e)
	}
	clear(l.queue[len(kept):])
	l.queue = kept
	return removed
}

// ack takes over the server's count. It returns false, and changes nothing,
// when the server acknowledges what it was not sent or takes an
// acknowledgement back.
func (l *ledger) ack(h uint32) bool {
	n := h - l.acked // modulo 2^32
	if uint64(n) > uint64(len(l.queue)) {
		return false
	}
	for _, e := range l.queue[:n] {
		l.bytes -= len(e.raw)
	}
	clear(l.queue[:n])
	l.queue = l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil // let go of the array
	}
	l.acked = h
	l.done += uint64(n)
	return true
}

// A countError is a count of the server that cannot be.
type countError struct{ h, sent uint32 }

func (e *countError) Error() string {
	return fmt.Sprintf("the server acknowledges %d stanzas of %d", e.h, e.sent)
}

func (l *ledger) countError(h uint32) *countError {
	return &countError{h, l.acked + uint32(len(l.queue))}
}

// delayed returns a kept stanza as it is sent on a later stream: with the time
// of its first try (XEP-0203) unless it says one. An iq has no place for it.
func (e entry) delayed() []byte {
	for _, end := range []string{"</message>", "</presence>"} {
		if bytes.HasSuffix(e.raw, []byte(end)) && !bytes.Contains(e.raw, []byte("urn:xmpp:delay")) {
			b := append([]byte(nil), e.raw[:len(e.raw)-len(end)]...)
			b = append(b, "<delay xmlns='urn:xmpp:delay'"...)
			b = wire.Attr(b, "stamp", e.at.UTC().Format("2006-01-02T15:04:05.000Z"))
			return append(append(b, "/>"...), end...)
		}
	}
	return e.raw
}
