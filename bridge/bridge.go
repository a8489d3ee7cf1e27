// Package bridge is the MQTT link (3.1.1): what the device reads goes to topics,
// what other devices publish becomes readings and outputs, and Home Assistant
// finds all of it. It is the only importer of paho.
//
//	Record ──from position──> reading/NAME, history ──PUBACK──> position moves
//	Board, rules ───────────> what stands retained: stale readings, alert/RULE, state, info
//	import topics ──Reading──> Put (fields, board, record, rules)
//	command, output/NAME/set ──Request──> Agent.Do ──> answer/ID
//
// All topics are below PREFIX/DEVICE. A connection has a clean session and its
// own client: nothing is left to paho's reconnect, which drops messages and
// marks them done. After each connect everything that stands is published again.
// Messages go out with QoS 1. They come in with QoS 0: one that is old or comes
// twice is worth nothing, and one that is too large can be passed over.
package bridge

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pipit/agent"
)

// linkName is the link's name in the record.
const linkName = "mqtt"

// A Broker is where to connect and as whom.
type Broker struct {
	URL         string // mqtt://host:port, mqtts://, ws://host:port/path, wss://
	User        string // "": nobody
	Password    string
	ClientID    string
	RootCAs     *x509.CertPool   // nil: those of the system
	Certificate *tls.Certificate // of the client, nil: none
	Keepalive   time.Duration    // 0: a minute
}

// An Alert is how things stand with a rule that fires.
type Alert struct {
	Rule     string
	Level    string // info, warning, critical
	State    string // firing, acked
	Number   uint64
	Since    time.Time
	By       string    // who acknowledged it
	Silenced time.Time // until then nobody is told; zero: they are
	Text     string
}

// Config is what a Bridge works with. Agent and Broker.URL must be set.
type Config struct {
	Broker   Broker
	Prefix   string         // of all topics: "pipit"
	Device   string         // the level below it
	Plain    bool           // the bare value too, at reading/NAME/value
	Imports  []agent.Import // what is taken from other devices
	Agent    *agent.Agent   // its MQTT says whether commands are taken
	State    agent.State    // nil: what was announced is forgotten at the end
	Put      func(agent.Reading)
	Own      func(name string) bool // whether it is a sensor or an output of the device: no wildcard makes a reading of theirs; nil: none is
	Changed  func(output string)    // told when the device behind an output says something; must not block
	Alerts   func() []Alert         // the rules that fire; nil: there are none
	Announce func() Face            // what Home Assistant is told; nil: nothing
	Entities func() []Entity
	// Configured tells whether the config still has what gives this reading: then
	// one that has not come since the start stays with the broker. nil: nothing stays.
	Configured func(name string) bool
	Log        *slog.Logger // nil: silent
}

// Counters count since the start.
type Counters struct {
	Connects  uint64 // connections that worked
	Published uint64 // messages that the broker has
	Received  uint64 // messages from other devices
	Dropped   uint64 // of those: too many, too large, or too many names
	Refused   uint64 // commands that were retained or old, or no JSON
}

// A Bridge is the MQTT link of one device. Its methods may be called from any
// goroutine; but for Run none blocks.
type Bridge struct {
	cfg      Config
	log      *slog.Logger
	base     string // PREFIX/DEVICE
	importer *importer
	outputs  map[string]*output // by the import's name
	recent   recent             // commands that were run

	stale   names         // readings that became stale
	alerts  chan struct{} // an alert may have changed
	live    atomic.Pointer[conn]
	counted struct {
		connects, published, received, dropped, refused atomic.Uint64
	}

	mu      sync.Mutex
	offline time.Time // since then, the zero time while connected
	problem string    // why
}

// New returns a bridge; nothing happens before Run.
func New(cfg Config) *Bridge {
	b := &Bridge{
		cfg: cfg, log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("link", linkName), base: cfg.Prefix + "/" + cfg.Device,
		importer: newImporter(cfg.Imports), outputs: make(map[string]*output),
		alerts: make(chan struct{}, 1), offline: time.Now(),
	}
	for _, i := range cfg.Imports {
		if i.Output != nil {
			b.outputs[i.Name] = newOutput(b, i)
		}
	}
	return b
}

// Run keeps the link up until ctx ends.
func (b *Bridge) Run(ctx context.Context) error {
	return agent.Keep(ctx, b.cfg.Log, linkName, b.connect)
}

// connect makes one connection and works until it is lost or ctx ends.
func (b *Bridge) connect(ctx context.Context, up func()) (err error) {
	defer func() { b.down(err) }()
	c, err := dial(ctx, b)
	if err != nil {
		return err
	}
	defer c.close()
	s := &session{Bridge: b, conn: c, since: time.Now(), commands: make(chan incoming, maxCommands), imports: make(chan incoming, maxImports), born: make(chan struct{}, 1)}
	err = s.work(ctx, func() {
		b.up(c)
		up()
	})
	if ctx.Err() != nil {
		s.leave()
	}
	return err
}

func (b *Bridge) up(c *conn) {
	b.live.Store(c)
	b.counted.connects.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offline, b.problem = time.Time{}, ""
	b.log.Info("online", "broker", b.cfg.Broker.URL, "topics", b.base)
}

func (b *Bridge) down(err error) {
	b.live.Store(nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.offline.IsZero() {
		b.offline = time.Now()
	}
	if err != nil {
		b.problem = err.Error()
	}
}

// OfflineSince returns since when the broker is away, the zero time while it is not.
func (b *Bridge) OfflineSince() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.offline
}

// Status says how the link is, in a line for people.
func (b *Bridge) Status() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.offline.IsZero():
		return []string{"mqtt: online at " + b.cfg.Broker.URL + " as " + b.base}
	case b.problem == "":
		return []string{"mqtt: connecting to " + b.cfg.Broker.URL}
	}
	return []string{"mqtt: offline since " + b.offline.Local().Format("15:04") + ", " + b.problem}
}

// Counters returns what was counted so far.
func (b *Bridge) Counters() Counters {
	n := &b.counted
	return Counters{n.connects.Load(), n.published.Load(), n.received.Load(), n.dropped.Load() + b.importer.dropped(), n.refused.Load()}
}

// See notes readings that have become stale: the record does not have them.
func (b *Bridge) See(r agent.Reading) {
	if r.Quality == agent.Stale {
		b.stale.add(r.Name)
	}
}

// AlertsChanged says that Alerts may return something else now.
func (b *Bridge) AlertsChanged() {
	select {
	case b.alerts <- struct{}{}:
	default:
	}
}

// Output returns the driver of an import with an output, nil for another one.
func (b *Bridge) Output(name string) agent.Output {
	if o, ok := b.outputs[name]; ok {
		return o
	}
	return nil
}
