// Package xmpp is the device's link to its XMPP server.
//
// A stream outlives its transports (XEP-0198, package stream), and a session
// lives as long as a stream: its router, publishers and requests wait while
// there is no transport. The link is in one of these phases:
//
//	    ┌──────────────────── agent.Keep waits: about 1 s, later up to 2 min ───────────────────┐
//	    ▼                                                                                       │
//	┌─offline─┐ stream.Open: dial, TLS, SASL, bind, enable                                      │
//	│         ├──────────────────────────────────────────> starting ──────────> online          │
//	└─────────┘         a new stream, a new session         │                    │  ▲           │
//	    ▲                                                   │ roster, presence   │  │           │
//	    │                                                   │ (from here online) │  │           │
//	    │                                                   │ what was kept,     │  │           │
//	    │                                                   │ alerts; nodes,     │  │ resumed:  │
//	    │                                                   │ full state;        │  │ nothing   │
//	    │                                                   │ backlog            │  │ is said   │
//	    │                                                   ▼                    ▼  │ again     │
//	    ├── the stream ended: </stream:stream>, stream error, wrong count ───────┤  │           │
//	    │   the session ends; messages that the server has not acknowledged      │  │           │
//	    │   are kept for the next one                                            │  │           │
//	    │                                                 the transport is lost: │  │           │
//	    │                                                 cut, silent, no <a/>   ▼  │           │
//	    └────────────────────── not resumed ──────────────────────────────── suspended ─────────┘
//
// Every way back ends in online with presence, nodes, the full state and then
// the backlog. What goes out and comes in while it is online:
//
//	Board  ──Watch──> snapshot item "current" (at most one a second), presence (at most one a minute)
//	Record ──After──> an item for each reading on its own node, from the link's position (backlog.go)
//	stanza.Router ──> adhoc, chat, disco, entity, muc, roster, sensordata ──> Agent.Do
//
// The link's positions live in the record, not in the session, so the readings
// of an outage follow when the server is back, also after a restart.
package xmpp

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/chat"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/face"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
)

// Config is what a Link needs to know. JIDs are normalised.
type Config struct {
	JID        string                 // the device's account, bare
	Resource   string                 // asked for; a fixed one, so that commands stay addressable
	Password   func() (string, error) // asked at each login
	Server     string                 // "host:port", or "" for SRV
	DirectTLS  bool                   // with Server: TLS from the first byte
	RootCAs    *x509.CertPool         // nil: the system's
	AllowPlain bool                   // also log in with SASL PLAIN, inside TLS only
	PubSub     string                 // a PubSub service's JID, or "" for the own account (PEP)
	Access     string                 // access model of the nodes: presence, whitelist or open
	Summary    []string               // readings in the presence status, by name or glob; none: the first three
	Interval   time.Duration          // the longest time between two readings of a sensor, told to readers
	Rooms      []Room                 // each JID once
	Face       face.Face              // what contacts see of the device
	State      face.State             // what was written of Face; nil: nothing is written
}

// stopTime is how long a planned stop may take.
const stopTime = 2 * time.Second

// A Link keeps the device online.
type Link struct {
	cfg   Config
	agent *agent.Agent
	log   *slog.Logger
	boot  string // random, so that readers see a restart

	// These outlive connections.
	chat  *chat.Responder // knows which messages it has answered
	last  entity.Last     // when a person last asked for something
	rooms []*room

	interval atomic.Int64 // as Config.Interval
	returned returns      // what digests told
	files    chan parcel  // that wait to be uploaded
	waiting  atomic.Int64 // bytes of them

	session *session // belongs to Run; nil before the first one

	mu      sync.Mutex
	state   state
	changed chan struct{} // closed when state changes; nil while nobody waits
	current *session      // that takes stanzas; nil while offline
}

// phase is where the link stands; see the picture in the package comment.
type phase uint8

const (
	offline   phase = iota // no stream
	starting               // a new stream, not online yet
	online                 // contacts see the device
	suspended              // a stream without a transport, to be resumed
)

// state is what Status tells.
type state struct {
	phase
	jid      string // full, while there is a stream
	reached  bool   // the stream has come online
	since    time.Time
	problem  string            // why not online
	refused  map[string]string // node: why the server does not take it
	counters Counters
}

// Counters are the link's counters since the start of the process.
type Counters struct {
	Connects uint64 // streams begun
	Resumes  uint64 // streams resumed
	Skipped  uint64 // readings the server refused for good
	Unacked  int    // stanzas that the server has not acknowledged, now
}

// New returns a link for the agent. It starts nothing.
func New(cfg Config, a *agent.Agent, log *slog.Logger) *Link {
	l := &Link{cfg: cfg, agent: a, log: log.With("link", "xmpp"), boot: randomID(), files: make(chan parcel, maxFiles)}
	l.SetInterval(cfg.Interval)
	l.state = state{since: time.Now(), problem: "not connected yet", refused: map[string]string{}}
	l.chat = &chat.Responder{Agent: a, Send: l, Bare: jid.Bare, Self: l.FullJID, Log: l.log}
	l.chat.File = func(to string, f *agent.File) bool { return l.sendFile(parcel{to: to, file: f}) }
	if a.Events != nil {
		l.chat.Events = events{l}
	}
	l.rooms = l.newRooms()
	return l
}

// SetInterval exchanges Config.Interval.
func (l *Link) SetInterval(d time.Duration) { l.interval.Store(int64(d)) }

// Send sends a stanza on the present stream. It implements stanza.Sender for
// what outlives streams.
func (l *Link) Send(raw []byte) error {
	l.mu.Lock()
	s := l.current
	l.mu.Unlock()
	if s == nil {
		return stanza.ErrClosed
	}
	return s.stream.Send(raw)
}

// Run keeps the link up until ctx ends, then takes leave of the server, which
// takes at most two seconds.
func (l *Link) Run(ctx context.Context) error {
	defer l.agent.Loops.Ended(loopName)
	err := agent.Keep(ctx, l.agent.Log, "xmpp", l.connect)
	if l.session != nil {
		l.session.end(errStopped) // it may have waited to be resumed
	}
	return err
}

// connect is the life of one transport. It returns why that ended.
func (l *Link) connect(ctx context.Context, up func()) error {
	l.moved(openTime)
	err := l.open(ctx)
	if err == nil {
		up()
		err = l.session.serve(ctx)
	}
	l.down(err)
	l.moved(agent.LongestWait(err) + openTime)
	return err
}

// open goes on with the present session on a new transport, or begins a new one.
func (l *Link) open(ctx context.Context) error {
	var old *stream.Managed
	if l.session != nil {
		if l.session.failed() {
			l.session.end(errStopped) // while it waited; it cannot go on
		}
		old = l.session.stream
	}
	st, err := stream.Open(ctx, stream.Config{
		JID: l.cfg.JID, Resource: l.cfg.Resource, Password: l.cfg.Password,
		Server: l.cfg.Server, DirectTLS: l.cfg.DirectTLS, RootCAs: l.cfg.RootCAs,
		AllowPlain: l.cfg.AllowPlain, Log: l.log, Turn: func() { l.moved(turnTime) },
	}, old)
	switch {
	case err != nil:
		return err
	case st == old:
		l.resumed()
		l.session.resume()
		return nil
	case l.session != nil:
		l.session.end(errStopped)
	}
	l.session = newSession(l, st)
	l.begun(l.session)
	return nil
}

// down notes that there is no transport, and why.
func (l *Link) down(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.phase == online {
		l.state.since = time.Now()
	}
	defer l.tellChange()
	l.state.problem = "the connection ended"
	if err != nil {
		l.state.problem = err.Error()
	}
	if l.session != nil && l.session.stream.Resumable() {
		l.state.phase = suspended
		return
	}
	l.current, l.state.jid, l.state.phase = nil, "", offline
}

// begun notes a new stream.
func (l *Link) begun(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.state.phase, l.state.jid, l.state.reached = s, starting, s.stream.JID(), false
	l.state.counters.Connects++
	l.tellChange()
	clear(l.state.refused)
}

// online notes that contacts see the device.
func (l *Link) online() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.reached = true
	l.log.Info("online", "jid", l.state.jid)
	if l.state.phase == starting {
		l.state.phase, l.state.problem, l.state.since = online, "", time.Now()
	}
	l.tellChange()
}

// resumed notes that the stream goes on.
func (l *Link) resumed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.phase = starting
	if l.state.reached {
		l.state.phase, l.state.problem, l.state.since = online, "", time.Now()
	}
	l.state.counters.Resumes++
	l.tellChange()
	l.log.Info("stream resumed", "jid", l.state.jid, "unacknowledged", l.current.stream.Unacked())
}

// refuse notes that the server does not take a node, and logs it once.
func (l *Link) refuse(node string, err error) {
	l.mu.Lock()
	_, known := l.state.refused[node]
	l.state.refused[node] = err.Error()
	l.mu.Unlock()
	if !known {
		l.log.Warn("the server refuses a node; chat, commands and presence go on without it", "node", node, "error", err)
	}
}

// FullJID returns the address of the device while it has one, else the one it
// will ask for.
func (l *Link) FullJID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.jid != "" {
		return l.state.jid
	}
	if l.cfg.Resource == "" {
		return l.cfg.JID
	}
	return l.cfg.JID + "/" + l.cfg.Resource
}

// Counters returns the link's counters.
func (l *Link) Counters() Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.state.counters
	if l.current != nil {
		c.Unacked = l.current.stream.Unacked()
	}
	return c
}

// OfflineSince returns since when contacts have not seen the device, the zero
// time while they do. Before the first connection it is the time of New.
func (l *Link) OfflineSince() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.phase == online {
		return time.Time{}
	}
	return l.state.since
}

// Status tells the state of the link in a line for people, with a further
// line for each kind of trouble.
func (l *Link) Status() []string {
	rooms := l.roomStatus()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	lines := []string{s.line()}
	if n := len(s.refused); n > 0 {
		node := slices.Min(slices.Collect(maps.Keys(s.refused)))
		lines = append(lines, plural(n, "node")+" refused by the server, for example "+node+": "+s.refused[node])
	}
	if n := s.counters.Skipped; n > 0 {
		lines = append(lines, plural(int(n), "reading")+" refused by the server")
	}
	return append(lines, rooms...)
}

func (l *Link) isPerson(bare string) bool { return l.agent.Role(bare) != agent.Stranger }

// mayAsk tells whether a sender may send requests: people of the config, the
// own account and its server.
func (l *Link) mayAsk(from string) bool {
	if from == "" || from == jid.Domain(l.cfg.JID) {
		return true
	}
	bare := jid.Bare(from)
	return bare == l.cfg.JID || l.agent.Role(bare) != agent.Stranger
}

var errStopped = errors.New("stopped")
