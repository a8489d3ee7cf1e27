package xmpp

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// patience is for what takes milliseconds on an idle machine, longPatience for
// what takes until a dead connection is noticed and longer.
const (
	patience     = 30 * time.Second
	longPatience = 3 * time.Minute
)

// A device is an agent with a link to a server, behind a proxy that can break
// the connection.
type device struct {
	t     *testing.T
	srv   *server.Server
	proxy *xmpptest.Proxy
	cfg   Config
	agent *agent.Agent
	link  *Link
	level int // of the last reading
}

// newDevice returns a device that is not running yet, for a server that may be
// nil. Its command "echo" answers with its argument.
func newDevice(t *testing.T, s *server.Server) *device {
	d := &device{t: t, srv: s}
	if s != nil {
		d.proxy = xmpptest.NewProxy(t, s.Addr)
		d.cfg = Config{Server: d.proxy.Addr, RootCAs: s.Pool()}
	}
	d.agent = &agent.Agent{
		Name: "Fault", Version: "test", Started: time.Now(), Record: newFakeRecord(),
		People: map[string]agent.Role{xmpptest.JID(xmpptest.Owner): agent.Owner},
		Commands: []agent.Command{{
			Name: "echo", Help: "echo", Needs: agent.Viewer, Params: []agent.Param{{Name: "text", Required: true}},
			Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
				return agent.Answer{Text: "echo of " + r.Args["text"]}, nil
			},
		}},
	}
	return d
}

// run runs the device until the test ends.
func (d *device) run() {
	t := d.t
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d.agent.Log = log
	d.cfg.JID, d.cfg.Resource, d.cfg.Access = xmpptest.JID(xmpptest.Device), "pipit", "presence"
	d.cfg.Password = func() (string, error) { return xmpptest.Password(xmpptest.Device), nil }
	d.link = New(d.cfg, d.agent, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.link.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	d.put()
}

// startDevice returns a running device.
func startDevice(t *testing.T, s *server.Server) *device {
	t.Helper()
	d := newDevice(t, s)
	d.run()
	return d
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// put accepts one more reading. Each has a millisecond of its own: that is its item id.
func (d *device) put() {
	d.level++
	d.agent.Put(agent.Reading{Name: "level", Value: agent.Number(float64(d.level)), Time: d.agent.Started.Add(time.Duration(d.level) * time.Millisecond)})
}

// until waits until ok holds.
func (d *device) until(what string, within time.Duration, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("still not: %s; %v", what, d.link.Status())
		}
	}
}

// drained waits until the server has all readings.
func (d *device) drained(within time.Duration) {
	d.t.Helper()
	record := d.agent.Record.(*fakeRecord)
	d.until("all readings at the server", within, func() bool {
		return len(record.After(linkName, "level", 1)) == 0
	})
}

// owner logs the owner in and waits until it sees the device.
func (d *device) owner() *xmpptest.Client {
	d.t.Helper()
	c := xmpptest.Slixmpp(d.t, d.srv, xmpptest.Owner+"/phone")
	c.Subscribe(xmpptest.JID(xmpptest.Device))
	c.Wait(fromDevice, patience)
	return c
}

func fromDevice(xml string) bool {
	return strings.HasPrefix(xml, "<presence") && strings.Contains(xml, d("from")) && strings.Contains(xml, "http://jabber.org/protocol/caps")
}

func d(attr string) string { return attr + `="` + xmpptest.JID(xmpptest.Device) + `/pipit"` }

// presences counts what the owner saw of the device's presence.
func presences(c *xmpptest.Client) (n int) {
	for _, s := range c.Inbox() {
		if fromDevice(s) {
			n++
		}
	}
	return n
}

// works checks that a command is answered and that every reading is on its
// node, once and in order.
func (d *device) works(c *xmpptest.Client) {
	t := d.t
	t.Helper()
	token := fmt.Sprintf("word%d", time.Now().UnixNano())
	c.Chat(xmpptest.JID(xmpptest.Device)+"/pipit", "echo "+token, "")
	c.Wait(xmpptest.Has("<message", "echo of "+token), patience)
	d.put()
	d.drained(patience)
	reply := c.IQ(xmpptest.JID(xmpptest.Device), "get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pipit/level'/></pubsub>")
	var got []string
	for _, part := range strings.Split(reply, "<q")[1:] {
		_, v, _ := strings.Cut(part, ` v="`)
		v, _, _ = strings.Cut(v, `"`)
		got = append(got, v)
	}
	slices.Reverse(got) // some servers give the newest first
	if !slices.IsSortedFunc(got, byNumber) {
		slices.Reverse(got)
	}
	want := make([]string, d.level)
	for i := range want {
		want[i] = fmt.Sprint(i + 1)
	}
	if !slices.Equal(got, want) {
		t.Errorf("on the node are %v, want %v: %s", got, want, reply)
	}
}

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// onBoth runs a test beside the others on each server.
func onBoth(t *testing.T, f func(t *testing.T, s *server.Server)) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		t.Parallel()
		f(t, s)
	})
}

// A connection that is cut again and again is resumed each time: nothing is
// said twice, nothing is lost.
func TestCutAndResumed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := startDevice(t, s)
		c := d.owner()
		d.works(c)
		before := presences(c)
		const cuts = 10
		for i := range cuts {
			for range 5 {
				d.put()
			}
			c.Chat(xmpptest.JID(xmpptest.Device)+"/pipit", fmt.Sprintf("echo cut%d", i), "")
			d.proxy.Cut()
			d.until("resumed", patience, func() bool { return d.link.Counters().Resumes == uint64(i)+1 })
		}
		d.works(c)
		answers := 0
		for _, s := range c.Inbox() {
			if strings.Contains(s, "echo of cut") {
				answers++
			}
		}
		// The rate limit of chat lets 10 at once through, and one was used by works.
		if answers < cuts-2 || answers > cuts {
			t.Errorf("%d answers to %d commands", answers, cuts)
		}
		if n := presences(c); n != before {
			t.Errorf("%d presences more, want none", n-before)
		}
		if n := d.link.Counters(); n.Connects != 1 || n.Resumes != cuts {
			t.Errorf("%+v", n)
		}
	})
}

// After a server was killed its streams cannot be resumed: a new one begins,
// and a message of before goes out on it with its id and the time of then.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := startDevice(t, s)
		c := d.owner()
		d.works(c)
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		d.until("noticed", patience, func() bool { return d.link.phaseNow() != online })
		for range 5 {
			d.put()
		}
		if err := d.link.Send([]byte("<message type='chat' id='kept' to='" + xmpptest.JID(xmpptest.Owner) + "'><body>kept</body></message>")); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.until("online again", patience, func() bool { return d.link.phaseNow() == online })
		// A message that comes while its recipient logs in may stay with the
		// server: ejabberd looks for old ones before the recipient is available.
		d.drained(patience) // which begins after what was kept
		d.until("the server has it", patience, func() bool { return d.link.Counters().Unacked == 0 })
		c = xmpptest.Slixmpp(t, s, xmpptest.Owner+"/desk")
		c.Wait(xmpptest.Has("<message", `id="kept"`, "urn:xmpp:delay", "<body>kept</body>"), patience)
		if n := d.link.Counters(); n.Connects != 2 || n.Resumes != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// A server that is shut down says so, and its streams are not resumed.
func TestShutDownServer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := startDevice(t, s)
		d.works(d.owner())
		s.ShutDown(t.Context())
		d.put()
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.until("online again", patience, func() bool { return d.link.phaseNow() == online })
		c := xmpptest.Slixmpp(t, s, xmpptest.Owner+"/desk")
		c.Wait(fromDevice, patience)
		d.works(c)
	})
}

// A server that is absent when the device starts is found when it comes.
func TestServerAbsentAtStart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		s.ShutDown(t.Context())
		d := startDevice(t, s)
		d.until("a reason", patience, func() bool { return !strings.Contains(d.link.Status()[0], "not connected yet") })
		d.put()
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.works(d.owner())
	})
}

// A half-open connection (a black hole, no RST), a server that is frozen, and
// one that swallows everything for longer than it is waited for.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := startDevice(t, s)
		c := d.owner()
		d.works(c)
		d.proxy.Blackhole(true)
		for range 3 {
			d.put()
		}
		d.until("noticed", longPatience, func() bool { return d.link.phaseNow() == suspended })
		d.put()
		d.proxy.Blackhole(false)
		d.until("online again", longPatience, func() bool { return d.link.phaseNow() == online })
		d.works(c)
		if n := d.link.Counters(); n.Connects != 1 || n.Resumes < 1 {
			t.Errorf("%+v", n)
		}
	})
}

func TestFrozenServer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := startDevice(t, s)
		d.works(d.owner())
		if err := s.Freeze(); err != nil {
			t.Fatal(err)
		}
		d.put()
		d.until("noticed", longPatience, func() bool { return d.link.phaseNow() != online })
		if err := s.Thaw(); err != nil {
			t.Fatal(err)
		}
		d.until("online again", longPatience, func() bool { return d.link.phaseNow() == online })
		d.works(xmpptest.Slixmpp(t, s, xmpptest.Owner+"/desk"))
	})
}

// A stream error in the middle of a stanza is no XML: the stream ends, and the
// next one works.
func TestErrorInsideAStanza(t *testing.T) {
	t.Parallel()
	h := xmpptest.NewHostile(t, xmpptest.Behaviour{})
	d := newDevice(t, nil)
	d.cfg = Config{Server: h.Addr, RootCAs: h.Pool}
	d.run()
	for _, last := range []string{
		"<message><body>half of a sta<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
		"<message from='a'><body>",
		"<message><body></stream:stream>",
	} {
		s := h.Next(t)
		s.Expect(t, xmpptest.Has("<presence"))
		if err := s.Send(last); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	s := h.Next(t)
	s.Expect(t, xmpptest.Has("<presence"))
}

// No goroutine is left when a link ends, wherever it stands.
func TestEndsWhileSuspended(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := newDevice(t, s)
		t.Run("device", func(t *testing.T) {
			d.t = t
			d.run()
			d.until("online", patience, func() bool { return d.link.phaseNow() == online })
			d.proxy.Refuse(true)
			d.proxy.Cut()
			d.until("suspended", patience, func() bool { return d.link.phaseNow() == suspended })
		})
		if d.link.phaseNow() == online || !d.link.session.failed() {
			t.Error("the session goes on")
		}
	})
}

func (l *Link) phaseNow() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.phase
}
