// Package xmpp is the device's link to its XMPP server.
//
// One connection goes through these steps, each time anew:
//
//	dial, TLS, SASL, bind ──> roster ──> presence ──> subscriptions ──> nodes ──> live
//	   (package stream)                                                            │
//	        ▲                                                                      │
//	        └──────────── agent.Keep: 1 s to 2 min, longer for some errors ────────┘
//
// While it is live, readings go out and requests come in:
//
//	Board  ──Watch──> snapshot item "current" (at most one a second), presence (at most one a minute)
//	Record ──After──> an item for each reading on its own node, from the link's position (backlog.go)
//	stanza.Router ──> adhoc, chat, disco, entity, roster, sensordata ──> Agent.Do
//
// The link's positions live in the record, not in the connection, so the
// readings of an outage follow when the server is back, also after a restart. Stream management
// (XEP-0198) will live in package stream, below this one: a resumed connection
// never ends, so nothing here repeats itself.
package xmpp

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/chat"
	"pipit/agent/xmpp/entity"
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
	chat *chat.Responder // knows which messages it has answered
	last entity.Last     // when a person last asked for something

	mu      sync.Mutex
	state   state
	current *stanza.Router // nil while offline
}

// state is what Status tells.
type state struct {
	online  string // full JID, "" while offline
	since   time.Time
	problem string            // why offline
	refused map[string]string // node: why the server does not take it
	skipped uint64            // readings the server refused for good
}

// New returns a link for the agent. It starts nothing.
func New(cfg Config, a *agent.Agent, log *slog.Logger) *Link {
	l := &Link{cfg: cfg, agent: a, log: log.With("link", "xmpp"), boot: randomID()}
	l.state = state{since: time.Now(), problem: "not connected yet", refused: map[string]string{}}
	l.chat = &chat.Responder{Agent: a, Send: l, Bare: jid.Bare, Self: l.FullJID, Log: l.log}
	return l
}

// Send sends a stanza on the present connection. It implements stanza.Sender
// for what outlives connections.
func (l *Link) Send(raw []byte) error {
	l.mu.Lock()
	r := l.current
	l.mu.Unlock()
	if r == nil {
		return stanza.ErrClosed
	}
	return r.Send(raw)
}

// Run keeps the link up until ctx ends, then takes leave of the server, which
// takes at most two seconds.
func (l *Link) Run(ctx context.Context) error {
	return agent.Keep(ctx, l.agent.Log, "xmpp", l.connect)
}

// connect is the life of one connection. It returns why that ended.
func (l *Link) connect(ctx context.Context) error {
	conn, err := stream.Dial(ctx, stream.Config{
		JID: l.cfg.JID, Resource: l.cfg.Resource, Password: l.cfg.Password,
		Server: l.cfg.Server, DirectTLS: l.cfg.DirectTLS, RootCAs: l.cfg.RootCAs,
		AllowPlain: l.cfg.AllowPlain, Log: l.log,
	})
	if err != nil {
		l.offline(err)
		return err
	}
	s := newSession(l, conn)
	l.mu.Lock()
	l.current = s.router
	l.mu.Unlock()
	err = s.run(ctx)
	l.offline(err)
	return err
}

func (l *Link) offline(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.online != "" {
		l.state.since = time.Now()
	}
	l.current = nil
	l.state.online, l.state.problem = "", "the connection ended"
	if err != nil {
		l.state.problem = err.Error()
	}
}

func (l *Link) online(full string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.online, l.state.problem, l.state.since = full, "", time.Now()
	clear(l.state.refused)
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

// FullJID returns the address of the device while it is online, else the one
// it will ask for.
func (l *Link) FullJID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.online != "" {
		return l.state.online
	}
	if l.cfg.Resource == "" {
		return l.cfg.JID
	}
	return l.cfg.JID + "/" + l.cfg.Resource
}

// Status tells the state of the link in a line for people, with a further
// line for each kind of trouble.
func (l *Link) Status() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	since := s.since.Format("2006-01-02 15:04")
	lines := []string{"xmpp: offline since " + since + ": " + s.problem}
	if s.online != "" {
		lines[0] = "xmpp: online as " + s.online + " since " + since
	}
	if n := len(s.refused); n > 0 {
		node := slices.Min(slices.Collect(maps.Keys(s.refused)))
		lines = append(lines, plural(n, "node")+" refused by the server, for example "+node+": "+s.refused[node])
	}
	if s.skipped > 0 {
		lines = append(lines, plural(int(s.skipped), "reading")+" refused by the server")
	}
	return lines
}

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
