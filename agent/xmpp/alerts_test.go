package xmpp

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/wire"
	"pipit/agent/xmpp/xmpptest"
)

// fakeAlerts keeps alerts in memory for one link.
type fakeAlerts struct {
	mu   sync.Mutex
	all  []agent.Alert
	done uint64
	news chan struct{}
}

func newFakeAlerts() *fakeAlerts { return &fakeAlerts{news: make(chan struct{})} }

func (f *fakeAlerts) AppendAlert(a agent.Alert) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, a)
	close(f.news)
	f.news = make(chan struct{})
	return nil
}

func (f *fakeAlerts) PendingAlerts(ctx context.Context, _ string) ([]agent.AlertEntry, error) {
	for {
		f.mu.Lock()
		var list []agent.AlertEntry
		for i, a := range f.all {
			if pos := uint64(i + 1); pos > f.done {
				list = append(list, agent.AlertEntry{Pos: pos, Alert: a})
			}
		}
		news := f.news
		f.mu.Unlock()
		if len(list) > 0 {
			return list, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *fakeAlerts) AlertDone(_ string, pos uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = max(f.done, pos)
	return nil
}

func (f *fakeAlerts) isDone(pos uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done >= pos
}

// Alerts reach the owner whatever happens to connections and servers, with the
// same id each time, and are done only when the server has them.
func TestAlerts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		alerts := newFakeAlerts()
		d := newDevice(t, s)
		d.agent.Alerts = alerts
		d.run()
		c := d.owner()
		d.agent.Alert("boiler", agent.Critical, "85 °C & rising")
		first := alerts.all[0].ID
		got := c.Wait(xmpptest.Has("<message", "[critical] boiler: 85 °C &amp; rising"), patience)
		h, err := wire.Scan([]byte(got))
		if err != nil || h.ID != first || h.Type != "chat" {
			t.Errorf("the owner got %s", got)
		}
		for _, part := range []string{"urn:xmpp:sid:0", "urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "urn:xmpp:hints"} {
			if !strings.Contains(got, part) {
				t.Errorf("%s is not in %s", part, got)
			}
		}
		d.until("the server has it", patience, func() bool { return alerts.isDone(1) })

		d.proxy.Refuse(true)
		d.proxy.Cut()
		d.agent.Alert("boiler", agent.Warning, "while cut")
		time.Sleep(100 * time.Millisecond)
		if alerts.isDone(2) {
			t.Error("done though no server has it")
		}
		d.proxy.Refuse(false)
		c.Wait(xmpptest.Has("<message", "while cut"), patience)
		d.until("the server has it", patience, func() bool { return alerts.isDone(2) })

		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		d.agent.Alert("boiler", agent.Warning, "while killed")
		alerts.mu.Lock()
		alerts.all[2].Time = time.Now().Add(-time.Hour)
		alerts.mu.Unlock()
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.until("the server has it", patience, func() bool { return alerts.isDone(3) })
		c = xmpptest.Slixmpp(t, s, xmpptest.Owner+"/desk")
		c.Wait(xmpptest.Has("<message", "while killed", "urn:xmpp:delay"), patience)
		c.IQ("", "get", "<query xmlns='jabber:iq:roster'/>") // what is on its way comes before
		for _, s := range c.Inbox() {
			if strings.Contains(s, "while killed") {
				t.Errorf("the alert came again: %s", s)
			}
		}
	})
}

// A server without stream management is asked with a ping whether it has an alert.
func TestAlertsWithoutStreamManagement(t *testing.T) {
	t.Parallel()
	h := xmpptest.NewHostile(t, xmpptest.Behaviour{})
	alerts := newFakeAlerts()
	d := newDevice(t, nil)
	d.cfg = Config{Server: h.Addr, RootCAs: h.Pool}
	d.agent.Alerts = alerts
	d.agent.Alert("boiler", agent.Info, "well again")
	d.run()
	s := h.Next(t)
	s.Expect(t, xmpptest.Has("<message", "[info] boiler: well again"))
	d.until("the server has it", patience, func() bool { return alerts.isDone(1) })
}

// pings collects what is sent.
type pings chan string

func (p pings) Send(raw []byte) error { p <- string(raw); return nil }

// A ping that the server does not answer is repeated, not the alert before it.
func TestSyncRepeatsThePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := make(pings, 8)
		router := stanza.NewRouter(sent, "pi@example.org/pipit", func(string) bool { return false }, slog.New(slog.DiscardHandler))
		s := &session{link: &Link{cfg: Config{JID: "pi@example.org"}}, stream: new(stream.Managed), router: router}
		synced := make(chan error, 1)
		go func() { synced <- s.sync(t.Context()) }()
		<-sent // silence
		h, err := wire.Scan([]byte(<-sent))
		if err != nil {
			t.Fatal(err)
		}
		router.Receive("iq", []byte("<iq type='error' from='example.org' id='"+h.ID+"'/>"))
		if err := <-synced; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-sent; cancel() }()
		if err := s.sync(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}
