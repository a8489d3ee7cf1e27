package bridge

import (
	"context"
	"sync"
	"time"

	"pipit/agent"
)

const (
	stateOnline  = "online"
	stateOffline = "offline"

	maxCommands = 32  // that wait
	maxImports  = 512 // messages of other devices that wait
	infoEvery   = time.Minute
)

// A session is what goes on over one connection.
type session struct {
	*Bridge
	conn     *conn
	since    time.Time // what was read before is history
	commands chan incoming
	imports  chan incoming
	born     chan struct{} // holds one when Home Assistant has come up
}

// begin subscribes and says what stands. Imports come before the device says
// that it is online.
func (s *session) begin(ctx context.Context) error {
	s.conn.in = s.receive
	refused, err := s.conn.subscribe(ctx, s.topics()...)
	if err != nil {
		return err
	}
	for _, t := range refused {
		s.log.Warn("the broker refuses a subscription: check its ACL", "topic", t)
	}
	if err := s.announce(ctx); err != nil {
		return err
	}
	if err := s.showBoard(ctx); err != nil {
		return err
	}
	if err := s.showAlerts(ctx); err != nil {
		return err
	}
	if err := s.showInfo(ctx); err != nil {
		return err
	}
	return s.conn.publish(ctx, s.base+"/state", []byte(stateOnline), true)
}

// topics returns what to subscribe to.
func (s *session) topics() []string {
	topics := s.importer.topics()
	if s.cfg.Agent.MQTT != agent.Stranger {
		topics = append(topics, s.base+"/command", s.base+"/output/+/set")
	}
	if s.cfg.Announce != nil {
		topics = append(topics, s.cfg.Announce().Discovery+"/status")
	}
	return topics
}

// receive sorts what comes in. It is called in order and never blocks: what
// there is no room for is dropped.
func (s *session) receive(m incoming) {
	queue := s.imports
	if s.isCommand(m.topic) {
		queue = s.commands
	}
	select {
	case queue <- m:
	default:
		s.counted.dropped.Add(1)
	}
}

// work does everything until the connection is lost or ctx ends. It calls up when
// all that stands is published. What comes in is taken from the first moment on:
// retained messages come all at once.
func (s *session) work(ctx context.Context, up func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	run := func(loop func(context.Context) error) {
		wg.Go(func() {
			if err := loop(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	run(s.takeCommands)
	run(s.takeImports)
	run(func(ctx context.Context) error {
		if err := s.begin(ctx); err != nil {
			return err
		}
		up()
		for _, loop := range []func(context.Context) error{s.sendRecord, s.sendStale, s.sendAlerts, s.sendInfo, s.keepAnnounced} {
			run(loop)
		}
		return nil
	})
	select {
	case <-s.conn.lost:
		cancel(s.conn.cause())
	case <-ctx.Done():
	}
	wg.Wait()
	return context.Cause(ctx)
}

// leave says goodbye: the will is for who cannot.
func (s *session) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.conn.publish(ctx, s.base+"/state", []byte(stateOffline), true); err != nil {
		s.log.Debug("the broker was not told of the end", "error", err)
	}
}

// info is the payload of the topic info.
type info struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Connected time.Time `json:"connected"`
	Readings  int       `json:"readings"`
	Connects  uint64    `json:"connects"`
	Published uint64    `json:"published"`
	Received  uint64    `json:"received"`
	Dropped   uint64    `json:"dropped"`
	Refused   uint64    `json:"refused"`
}

func (s *session) showInfo(ctx context.Context) error {
	a, n := s.cfg.Agent, s.Counters()
	return s.conn.publish(ctx, s.base+"/info", encode(info{
		a.Name, a.Version, a.Started.UTC().Truncate(time.Second), s.since.UTC().Truncate(time.Second),
		len(a.Board.All()), n.Connects, n.Published, n.Received, n.Dropped, n.Refused,
	}), true)
}

func (s *session) sendInfo(ctx context.Context) error {
	for sleep(ctx, infoEvery) {
		if err := s.showInfo(ctx); err != nil {
			return err
		}
	}
	return nil
}
