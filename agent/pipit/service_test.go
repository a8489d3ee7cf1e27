package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// A manager is a made-up service manager, link and set of loops for a service.
type manager struct {
	mu      sync.Mutex // of all below but svc
	start   time.Time
	heard   []string // "12s READY=1"
	deaf    bool
	line    string
	changed chan struct{}
	first   chan struct{}
	tried   sync.Once // first is closed
	stuck   []string
	svc     *service
	log     strings.Builder
}

// manage runs a service with a watchdog of 20 s in a bubble. stop ends it.
func manage(t *testing.T) (m *manager, stop func()) {
	m = &manager{start: time.Now(), line: "offline: not yet", changed: make(chan struct{}), first: make(chan struct{})}
	m.svc = &service{
		watchdog: 20 * time.Second, first: m.first, sensed: make(chan struct{}),
		notify: func(lines ...string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.deaf {
				return errors.New("nobody listens")
			}
			m.heard = append(m.heard, fmt.Sprintf("%v %s", time.Since(m.start), strings.Join(lines, " ")))
			return nil
		},
		watch: func() (string, <-chan struct{}) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.line, m.changed
		},
		stuck: func() []string {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.stuck
		},
		log: slog.New(slog.NewTextHandler(&m.log, nil)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- m.svc.Run(ctx) }()
	return m, func() {
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
}

// link changes the line of the link.
func (m *manager) link(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.changed
	m.line, m.changed = line, make(chan struct{})
	m.tried.Do(func() { close(m.first) })
	close(old)
}

// now sets how things stand.
func (m *manager) now(deaf bool, stuck ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf, m.stuck = deaf, stuck
}

// want compares what was heard but for the watchdog.
func (m *manager) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	var got []string
	for _, h := range m.heard {
		if !strings.HasSuffix(h, "WATCHDOG=1") {
			got = append(got, h)
		}
	}
	m.heard = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

func TestServiceReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := manage(t)
		put := m.svc.put(func(agent.Reading) {})
		m.want(t, "0s STATUS=offline: not yet")
		time.Sleep(time.Second)
		put(agent.Reading{Quality: agent.Fault})
		m.link("offline: refused")
		time.Sleep(6 * time.Second)
		m.want(t, "5s STATUS=offline: refused")
		put(agent.Reading{})
		put(agent.Reading{})
		m.want(t, "7s READY=1")
		stop()
		m.want(t, "7s STOPPING=1 STATUS=stopping")
	})
}

// Neither broken sensors nor a network that swallows everything keep it from
// getting ready; the try to connect ends by itself.
func TestServiceReadyInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := manage(t)
		time.Sleep(40 * time.Second)
		m.want(t, "0s STATUS=offline: not yet")
		m.tried.Do(func() { close(m.first) })
		m.want(t, "40s READY=1")
		m.link("offline: no answer")
		m.want(t, "40s STATUS=offline: no answer")
		stop()
	})
}

func TestServiceStatusRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := manage(t)
		for i := range 100 {
			time.Sleep(90 * time.Millisecond)
			m.link(fmt.Sprint("up\n", i))
			synctest.Wait()
		}
		m.link("up\n99") // nothing new
		time.Sleep(time.Minute)
		m.want(t, "0s STATUS=offline: not yet", "5s STATUS=up 54", "10s STATUS=up 99", "30s READY=1")
		m.link(strings.Repeat("x", 499) + "é")
		m.want(t, "1m9s STATUS="+strings.Repeat("x", 499))
		stop()
	})
}

func TestServiceWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := manage(t)
		defer stop()
		alive := func(want int) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			m.mu.Lock()
			defer m.mu.Unlock()
			got := 0
			for _, h := range m.heard {
				if strings.HasSuffix(h, " WATCHDOG=1") {
					got++
				}
			}
			m.heard = nil
			if got != want {
				t.Errorf("%d signs of life in a minute, want %d", got, want)
			}
		}
		time.Sleep(time.Second)
		alive(6)
		m.now(false, "bus i2c:1", "xmpp")
		time.Sleep(10 * time.Second)
		m.want(t, "1m10s STATUS=stuck: bus i2c:1, xmpp")
		alive(0)
		m.now(false)
		alive(6)
		if n := strings.Count(m.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, m.log.String())
		}
		m.now(true)
		alive(0)
		m.now(false)
		alive(6)
		if n := strings.Count(m.log.String(), "level=WARN"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, m.log.String())
		}
	})
}

func TestNewService(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	changed := make(chan struct{})
	watch := func() (string, <-chan struct{}) { return "", changed }
	t.Setenv("NOTIFY_SOCKET", "")
	if err := newService(watch, nil, 1, log).Run(t.Context()); err != nil {
		t.Error(err)
	}
	for sensors, sensed := range map[int]bool{0: true, 1: false} {
		t.Setenv("NOTIFY_SOCKET", "/run/notify")
		s := newService(watch, nil, sensors, log)
		s.begin()
		select {
		case <-s.sensed:
			if !sensed {
				t.Error("sensed nothing, but says so")
			}
		default:
			if sensed {
				t.Error("without sensors there is nothing to wait for")
			}
		}
		if s.first != (<-chan struct{})(changed) || s.notify == nil {
			t.Errorf("%+v", s)
		}
	}
}
