package muc

import (
	"fmt"
	"time"

	"pipit/agent/xmpp/wire"
)

const (
	joinWait    = 30 * time.Second // for the own presence
	firstWait   = 5 * time.Second  // after technical failure, doubled each time
	refusedWait = time.Minute      // after a refusal, doubled each time
	mostWait    = time.Hour
	steady      = 5 * time.Minute // inside, after which all failures are forgotten
	maxVariants = 9               // nick, nick-2 ... nick-9
	idle        = time.Hour       // an upper bound of waits, of no importance
	tellAgain   = 24 * time.Hour  // after something of the same kind was told
)

// start prepares for a session. What was sent in the one before and did not
// come back is sent again: the room may not have got it.
func (r *Room) start(conn Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn = conn
	if r.phase == gone {
		return
	}
	for _, m := range r.sent {
		if m.lost++; m.lost > maxLost {
			r.fail(m, errLost)
			continue
		}
		r.queue = insert(r.queue, m)
	}
	r.sent = nil
	r.phase, r.due, r.fails, r.variant, r.astray = outside, r.notBefore, 0, 0, false
}

// next returns what to do now, nil for nothing during the returned time. What
// it returns is called without the lock: to send may have to wait for the
// server, and what the server says has to come in meanwhile.
func (r *Room) next(now time.Time) (do func() error, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.notes) > 0 {
		note := r.notes[0]
		r.notes = r.notes[1:]
		return func() error { note(); return nil }, 0
	}
	if r.phase == joining && !now.Before(r.due) {
		r.retry(now, firstWait, "the room does not answer")
	}
	switch r.phase {
	case outside:
		if r.astray {
			r.astray = false
			b := append(r.presenceTo(r.nick, "unavailable"), "</presence>"...)
			return func() error { return r.conn.SendOnce(b) }, 0
		}
		if !now.Before(r.due) {
			return r.join(now), 0
		}
		return nil, r.due.Sub(now)
	case joining:
		return nil, r.due.Sub(now)
	case unlocking:
		return r.unlock(), idle
	case inside:
		return r.inside(now)
	}
	return nil, idle
}

// inside returns what is due in the room, the most urgent first.
func (r *Room) inside(now time.Time) (do func() error, wait time.Duration) {
	sendAt := r.sendAt(now)
	switch {
	case !r.askedInfo:
		return r.askInfo(), 0
	case r.stale:
		r.stale = false
		return r.finishPresence(r.presenceTo(r.nick, "")), 0
	case !now.Before(sendAt):
		return r.sendNext(now), 0
	case !r.pinging && !now.Before(r.pingAt):
		return r.ping(), 0
	case r.nick != r.cfg.Nick && !now.Before(r.wishAt):
		return r.renick(now), 0
	}
	wait = min(idle, sendAt.Sub(now))
	if !r.pinging {
		wait = min(wait, r.pingAt.Sub(now))
	}
	if r.nick != r.cfg.Nick {
		wait = min(wait, r.wishAt.Sub(now))
	}
	return nil, wait
}

func (r *Room) join(now time.Time) func() error {
	r.phase, r.due = joining, now.Add(joinWait)
	r.round++
	r.forget()
	if r.nick = r.cfg.Nick; r.variant > 0 {
		r.nick = fmt.Sprintf("%s-%d", r.cfg.Nick, r.variant+1)
	}
	b := r.presenceTo(r.nick, "")
	b = append(b, "<x xmlns='"+NS+"'><history maxstanzas='0'/>"...)
	if r.cfg.Password != "" {
		b = append(b, "<password>"...)
		b = wire.Escape(b, r.cfg.Password)
		b = append(b, "</password>"...)
	}
	return r.finishPresence(append(b, "</x>"...))
}

// renick asks for the wanted nick. A refusal changes nothing.
func (r *Room) renick(now time.Time) func() error {
	r.wishAt = now.Add(r.times.wish)
	return r.finishPresence(r.presenceTo(r.cfg.Nick, ""))
}

func (r *Room) presenceTo(nick, typ string) []byte {
	b := []byte("<presence")
	b = wire.Attr(b, "type", typ)
	b = wire.Attr(b, "to", r.cfg.JID+"/"+nick)
	return append(b, '>')
}

func (r *Room) finishPresence(b []byte) func() error {
	return func() error {
		if r.cfg.Presence != nil {
			b = append(b, r.cfg.Presence()...)
		}
		return r.conn.SendOnce(append(b, "</presence>"...))
	}
}

// leave takes leave of the room, if the connection still takes it.
func (r *Room) leave() {
	r.mu.Lock()
	in := r.phase == joining || r.phase == unlocking || r.phase == inside
	b := append(r.presenceTo(r.nick, "unavailable"), "</presence>"...)
	if r.phase != gone {
		r.phase, r.problem = offline, "the device is not connected"
	}
	r.forget()
	r.mu.Unlock()
	if !in {
		return
	}
	if err := r.conn.SendOnce(b); err != nil {
		r.log.Debug("no leave taken of the room", "error", err)
	}
}

// forget drops what was known of the room and those in it.
func (r *Room) forget() {
	clear(r.occupants)
	r.role, r.selfID, r.ids, r.sids = "", "", false, false
	r.pinging, r.askedInfo, r.stale, r.locked, r.strayPings = false, false, false, false, 0
}

// enter notes that the device is in the room.
func (r *Room) enter(now time.Time, isNew bool) {
	r.phase, r.locked = inside, isNew
	if isNew {
		r.phase = unlocking
	}
	r.entered, r.variant, r.problem = now, 0, ""
	r.wishAt = now.Add(r.times.wish)
	r.log.Info("in the room", "nick", r.nick, "new", isNew)
}
