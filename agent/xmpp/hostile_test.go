package xmpp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/xmpptest"
)

// These tests put a whole link against a server that breaks every rule. What
// has to hold: no panic, no hang, a bounded heap, no command run for anybody
// who may not, and honest people served afterwards.

const (
	mostHeap = 24 << 20 // bytes by which an attack may grow the heap, the server's own part included

	mib = 1 << 20
)

// TestHostile attacks streams and logins first. While the links that lost
// theirs wait for the next try, one that is up has to bear the rest.
func TestHostile(t *testing.T) {
	leaves(t)
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // what is measured shall be what is held, not what was left behind
	streams, logins := endedStreams(t), endedLogins(t)
	t.Run("credentials", badCredentials)
	t.Run("stanzas", harmlessStanzas)
	t.Run("replay", replayed)
	t.Run("replies", forgedReplies)
	t.Run("flood", func(t *testing.T) {
		t.Run("plain", func(t *testing.T) { flood(t, false) })
		t.Run("managed", func(t *testing.T) { flood(t, true) })
	})
	for name, v := range streams {
		t.Run("after "+name, func(t *testing.T) { v.returns(t, 16*time.Second) })
	}
	for name, v := range logins {
		t.Run("after "+name, func(t *testing.T) { v.returns(t, 5*time.Second) })
	}
}

// Who sends.
var (
	deviceBare = xmpptest.JID(xmpptest.Device)
	deviceFull = deviceBare + "/pipit"
	owner      = xmpptest.JID(xmpptest.Owner) + "/phone"
	viewer     = xmpptest.JID(xmpptest.Viewer) + "/desk"
	stranger   = xmpptest.JID(xmpptest.Stranger) + "/x"
)

// A victim is a device under attack. Its one command counts how often it ran.
type victim struct {
	*xmpptest.Hostile
	link  *Link
	log   *logBook
	runs  atomic.Int32
	asked int32 // how often somebody asked who may
}

func newVictim(t *testing.T, b xmpptest.Behaviour) *victim {
	t.Helper()
	v := &victim{Hostile: xmpptest.NewHostile(t, b), log: &logBook{}}
	a := &agent.Agent{
		Name: "Shed", Version: "1", Started: time.Now(), Log: slog.New(slog.NewTextHandler(v.log, nil)),
		People: map[string]agent.Role{xmpptest.JID(xmpptest.Owner): agent.Owner, xmpptest.JID(xmpptest.Viewer): agent.Viewer},
	}
	a.Commands = []agent.Command{{Name: "count", Needs: agent.Viewer, Run: func(context.Context, agent.Request) (agent.Answer, error) {
		return agent.Answer{Text: fmt.Sprintf("run %d", v.runs.Add(1))}, nil
	}}}
	a.Put(agent.Reading{Name: "level", Value: agent.Number(1), Time: time.Now()}) // so that there is something to publish
	v.link = New(Config{
		JID: deviceBare, Resource: "pipit", Server: v.Addr, RootCAs: v.Pool, Access: "presence",
		Password: func() (string, error) { return xmpptest.Password(xmpptest.Device), nil },
	}, a, a.Log)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := v.link.Run(ctx); err != nil {
			t.Errorf("the link ended: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("the link does not end")
		}
		v.ranOnlyForPeople(t)
		v.log.check(t)
	})
	return v
}

func (v *victim) ranOnlyForPeople(t *testing.T) {
	t.Helper()
	if n := v.runs.Load(); n != v.asked {
		t.Errorf("the command ran %d times, and %d times somebody asked who may", n, v.asked)
		v.asked = n // told once
	}
}

// online returns the next session when the device has sent its presence.
// Those in which the device was bound to an address of others have no such end.
func (v *victim) online(t *testing.T) *xmpptest.Session {
	t.Helper()
	s := v.Next(t)
	for s.JID != deviceFull {
		s = v.Next(t)
	}
	s.Expect(t, xmpptest.Has("<presence", "<c ", "http://jabber.org/protocol/caps"))
	return s
}

// returns expects that the device makes a new stream and is served on it; or,
// when it means to wait longer than most, that it does wait.
func (v *victim) returns(t *testing.T, most time.Duration) {
	_, wait, _ := strings.Cut(v.log.String(), "retry_in=")
	retry, err := time.ParseDuration(strings.Fields(wait + " ?")[0])
	if err != nil || retry > 10*time.Minute {
		t.Fatalf("the device does not say when it tries again: %s", v.log)
	}
	if retry < most || v.Connections() > 1 {
		v.serves(t, v.online(t))
	}
	v.ranOnlyForPeople(t)
}

var serial atomic.Int64

// execute is a request to run the command.
func execute(from, id string) string {
	return "<iq type='set' from='" + from + "' to='" + deviceFull + "' id='" + id + "'>" +
		"<command xmlns='http://jabber.org/protocol/commands' node='count' action='execute'/></iq>"
}

func writes(from, inner string) string {
	return fmt.Sprintf("<message type='chat' from='%s' to='%s' id='c%d'>%s</message>", from, deviceFull, serial.Add(1), inner)
}

// serves runs the command for the owner and looks that nobody else ran it.
// The answer comes after all that was sent before in the owner's name.
func (v *victim) serves(t *testing.T, s *xmpptest.Session) {
	t.Helper()
	v.ranOnlyForPeople(t)
	id := fmt.Sprintf("honest-%d", serial.Add(1))
	if err := s.Send(execute(owner, id)); err != nil {
		t.Fatalf("the device takes nothing: %v", err)
	}
	got := s.Expect(t, xmpptest.Has("<iq", "id='"+id+"'"))
	v.asked++
	if !strings.Contains(got, "type='result'") || !strings.Contains(got, fmt.Sprintf("run %d<", v.asked)) {
		t.Errorf("after %d runs the command answered %s", v.asked-1, got)
	}
	v.ranOnlyForPeople(t)
}

// settle waits until all that was sent to the device before is handled: by
// each of its workers, whoever sent it.
func settle(t *testing.T, s *xmpptest.Session) {
	t.Helper()
	for i := range 32 {
		id := fmt.Sprintf("settle-%d", serial.Add(1))
		if err := s.Send(fmt.Sprintf("<iq type='get' id='%s' from='s%d@example.org/x'><ping xmlns='urn:xmpp:ping'/></iq>", id, i)); err != nil {
			t.Fatal(err)
		}
		s.Expect(t, xmpptest.Has("id='"+id+"'"))
	}
}

// A logBook keeps what is logged at the level of the service.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// check fails the test for a panic, for the password, and for a log that
// others can fill at their will.
func (l *logBook) check(t *testing.T) {
	t.Helper()
	text := l.String()
	for _, bad := range []string{"panic", xmpptest.Password(xmpptest.Device), "level=ERROR"} {
		if strings.Contains(text, bad) {
			t.Errorf("the log holds %q:\n%.4000s", bad, text)
		}
	}
	if n := strings.Count(text, "level=WARN"); n > 50 || len(text) > 64<<10 {
		t.Errorf("%d warnings, %d bytes of log: %.4000s", n, len(text), text)
	}
}

// heapOf runs f and returns by how many bytes the heap grew while it ran.
func heapOf(f func()) (grown uint64) {
	runtime.GC()
	alloc := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := alloc()
	peak := before
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, alloc())
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	f()
	close(done)
	wg.Wait()
	return peak - before
}

// measured runs an attack and fails the test when the heap grew too much.
func measured(t *testing.T, f func()) {
	t.Helper()
	grown := heapOf(f)
	t.Logf("heap at most %.1f MiB more", float64(grown)/mib)
	if grown > mostHeap {
		t.Errorf("the heap grew by %.1f MiB, at most %d are allowed", float64(grown)/mib, mostHeap/mib)
	}
}

// leaves fails the test when goroutines are left at its end. Call it first.
func leaves(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines instead of %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}
