// Package muc keeps the device in chat rooms: XEP-0045 as an occupant, with
// XEP-0410 (self-ping), XEP-0421 (occupant ids) and XEP-0500 (slow mode).
//
// A Room lives as long as the device; Run serves it during one session. What it
// sends goes out from Run. What comes in changes its state under a lock and
// wakes Run, which does what is due:
//
//	              no answer, refused for now,           own presence (110)
//	              other nick ┌───────────────┐       ┌──────────────────────┐ new room (201)
//	                         ▼               │       │                      ▼
//	offline ──Run──────> outside ──due──> joining ───┤                  unlocking
//	   ▲                     ▲                       ▼                      │ answered
//	   └──Run ends           ├─────────────────── inside <──────────────────┘
//	                         │  kicked, service restarted,      self-ping or
//	                         │  or a message came back: "you are not in it"
//	                         │
//	banned, removed, destroyed, wrong password ──> gone, until the device restarts
//
// A session whose stream is resumed goes on in the room; a new one joins anew.
//
// A nick says nothing about who somebody is. The only proof that a room gives
// is Occupant.RealJID, and it is taken from the room's own item in a presence.
// It is worth as much as the server that runs the room: that could name any.
package muc

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pipit/agent/xmpp/stanza"
)

// maxOccupants are known at once; others are nobody.
const maxOccupants = 1000

// Conn is what a room needs of a session: SendOnce as of stream.Managed, because
// the room itself repeats what was lost with a stream, and Start as of
// stanza.Router.
type Conn interface {
	SendOnce(raw []byte) error
	stanza.Starter
}

// Config says which room to be in, and how.
type Config struct {
	JID      string // of the room: bare, normalised
	Nick     string // wanted
	Password string // of the room, "" for none

	// Presence returns the child elements of the device's presence in the
	// room, such as its capabilities. It may be nil.
	Presence func() []byte
	// Tell tells the device's owners something that they should know, at most
	// once a day for each kind of it. Run calls it, and waits for it.
	Tell func(text string)
	// Done says once what became of a message. Without an error the room has
	// repeated it to all, and stanzaID is the id that it gave the message
	// (XEP-0359) and by which people react to it, "" for none; a private one
	// was sent. Run calls it, and Send for a message that a newer one pushes
	// out.
	Done func(id, stanzaID string, err error)
}

// A Room is one room. Its methods may be called from any goroutine; all but Run
// return without waiting for the network.
type Room struct {
	cfg   Config
	log   *slog.Logger
	times times
	news  chan struct{} // holds one when Run has something to look at

	mu        sync.Mutex
	conn      Conn // of the session; only Run changes it
	phase     phase
	due       time.Time // outside: when to join; joining: when to give up
	notBefore time.Time // a kick forbids to join, in whatever session
	round     int       // of joining; replies to requests of another one are void
	problem   string    // why not inside
	nick      string    // asked for, or held
	variant   int       // of the nick: 0 is the wanted one
	role      string    // own
	selfID    string    // own occupant id
	ids, sids bool      // the room announces XEP-0421 and XEP-0359
	occupants map[string]Occupant
	seats     uint64 // given to occupants so far

	entered    time.Time
	fails      int // rows of failed joins
	kicks      int
	locked     bool // we made the room, and nobody has unlocked it
	askedInfo  bool
	stale      bool // Refresh was called
	astray     bool // Lost was called: take leave before the next join
	pinging    bool
	pingAt     time.Time
	strayPings int // in a row that found nobody under our nick
	wishAt     time.Time
	told       map[string]time.Time // by kind
	notes      []func()             // what Run calls without the lock: Tell and Done

	seq   uint64
	queue []message   // to be sent, by seq
	sent  []message   // not repeated by the room yet, by seq
	rate  []time.Time // of the last sends
	hold  time.Time   // nothing is sent before
	slow  int         // refusals for sending too much, in a row
}

type phase uint8

const (
	offline phase = iota
	outside
	joining
	unlocking
	inside
	gone
)

// times are those that tests shorten.
type times struct {
	kicked, kickedAgain time.Duration // until the next join
	silence             time.Duration // until a self-ping
	wish                time.Duration // between two tries to get the wanted nick
}

// New returns a room. It sends nothing until Run.
func New(cfg Config, log *slog.Logger) *Room {
	return &Room{
		cfg: cfg, log: log.With("room", cfg.JID), nick: cfg.Nick,
		times:     times{kicked: time.Minute, kickedAgain: 10 * time.Minute, silence: 15 * time.Minute, wish: 10 * time.Minute},
		news:      make(chan struct{}, 1),
		occupants: make(map[string]Occupant),
		told:      make(map[string]time.Time),
		problem:   "not joined yet",
	}
}

// Run keeps the device in the room until ctx ends, and then leaves it. It
// returns early only when the connection does not take what is sent. Call it
// once the session's own presence is sent, and one at a time.
func (r *Room) Run(ctx context.Context, conn Conn) error {
	r.start(conn)
	defer r.leave()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.news:
		case <-timer.C:
		}
		wait, err := r.work(ctx)
		if err != nil {
			return fmt.Errorf("room %s: %w", r.cfg.JID, err)
		}
		timer.Reset(wait)
	}
}

// work does all that is due and returns how long there is nothing to do.
func (r *Room) work(ctx context.Context) (time.Duration, error) {
	for ctx.Err() == nil {
		do, wait := r.next(time.Now())
		if do == nil {
			return wait, nil
		}
		if err := do(); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// Joined tells whether the device is in the room.
func (r *Room) Joined() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.phase == inside
}

// Nick returns the nick that the device has in the room now, or will ask for.
func (r *Room) Nick() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nick
}

// Status tells people how things stand.
func (r *Room) Status() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.phase {
	case inside:
		voice := ""
		if r.role == "visitor" {
			voice = " without voice"
		}
		return fmt.Sprintf("in the room as %q%s, %d present", r.nick, voice, len(r.occupants))
	case joining, unlocking:
		return fmt.Sprintf("joining as %q", r.nick)
	case outside:
		return fmt.Sprintf("not in the room: %s; next try in %v", r.problem, max(0, time.Until(r.due)).Round(time.Second))
	}
	return "not in the room: " + r.problem
}

// Occupant returns what is known of a nick while the device is in the room: for
// requests that come through it.
func (r *Room) Occupant(nick string) (Occupant, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, ok := r.occupants[nick]
	if r.phase != inside && r.phase != unlocking {
		return Occupant{}, false
	}
	return r.shown(o), ok
}

// shown hides an id that the room does not vouch for.
func (r *Room) shown(o Occupant) Occupant {
	if !r.ids {
		o.ID = ""
	}
	return o
}

// Refresh sends the device's presence in the room anew: what Config.Presence
// returns has changed, and rooms do not get the presence that contacts get.
func (r *Room) Refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale = true
	r.wake()
}

func (r *Room) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// nickOf returns the nick in the address of an occupant of this room, "" for
// the room itself. Nicks are compared as they are: the server has normalised
// them, and newer Unicode than ours may be in them.
func (r *Room) nickOf(from string) (nick string, ours bool) {
	bare, nick, _ := strings.Cut(from, "/")
	return nick, bare == r.cfg.JID
}
