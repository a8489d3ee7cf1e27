package xmpp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

// A valve is a writer that blocks while it is shut.
type valve struct {
	shut atomic.Bool
	open chan struct{}
}

func (v *valve) Write(b []byte) (int, error) {
	if v.shut.Load() {
		<-v.open
	}
	return len(b), nil
}

// A link that is offline for days moves, whatever Keep waits for; one that is
// held up inside the program is stuck.
func TestLinkMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &valve{open: make(chan struct{})}
		a := &agent.Agent{Log: slog.New(slog.NewTextHandler(v, nil))}
		// Nobody listens at port 0.
		l := New(Config{JID: "pi@example.org", Server: "127.0.0.1:0", Password: func() (string, error) { return "", nil }}, a, slog.New(slog.DiscardHandler))
		_, changed := l.Watch()
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- l.Run(ctx) }()
		<-changed // the first try
		if line, _ := l.Watch(); !strings.HasPrefix(line, "xmpp: offline since") || strings.Contains(line, "not connected yet") {
			t.Errorf("got %q", line)
		}
		for range 3000 {
			time.Sleep(time.Minute)
			if stuck := a.Loops.Stuck(); stuck != nil {
				t.Fatalf("offline is no reason: %q", stuck)
			}
		}
		v.shut.Store(true) // the next failure is logged within the hour
		time.Sleep(2 * time.Hour)
		if stuck := a.Loops.Stuck(); len(stuck) != 1 || stuck[0] != "xmpp" {
			t.Errorf("stuck: %q", stuck)
		}
		v.shut.Store(false)
		close(v.open)
		time.Sleep(5 * time.Minute) // Keep waits first
		if stuck := a.Loops.Stuck(); stuck != nil {
			t.Errorf("it goes on, but is stuck: %q", stuck)
		}
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if stuck := a.Loops.Stuck(); stuck != nil {
			t.Errorf("after the end: %q", stuck)
		}
	})
}

// Each change of the state wakes who watches, with the new line.
func TestLinkWatch(t *testing.T) {
	l := New(Config{JID: "pi@example.org"}, &agent.Agent{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, step := range []struct {
		do   func()
		want string // a part
	}{
		{func() { l.down(errors.New("refused")) }, ": refused"},
		{func() { l.state.phase, l.state.jid = starting, "pi@example.org/pipit"; l.online() }, "online as pi@example.org/pipit since"},
		{func() { l.down(errors.New("cut")) }, ": cut"},
	} {
		_, changed := l.Watch()
		select {
		case <-changed:
			t.Error("a change before it")
		default:
		}
		step.do()
		<-changed
		if line, _ := l.Watch(); !strings.Contains(line, step.want) || line != l.Status()[0] {
			t.Errorf("got %q, want %q in it", line, step.want)
		}
	}
}
