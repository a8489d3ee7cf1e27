package muc

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

const (
	wait    = 30 * time.Second
	nsAdmin = NS + "#admin"
)

// A device is a connection to a real server with its rooms.
type device struct {
	t      *testing.T
	router *stanza.Router

	mu    sync.Mutex
	rooms []*Room
	heard []Line
	told  []string
	ended []string
	deaf  bool // to presence: what a room says is lost
}

func login(t *testing.T, s *server.Server) *device {
	t.Helper()
	link, err := stream.Dial(t.Context(), stream.Config{
		JID: xmpptest.JID(xmpptest.Device), Resource: "pipit", Server: s.Addr, RootCAs: s.Pool(),
		Password: func() (string, error) { return xmpptest.Password(xmpptest.Device), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	router := stanza.NewRouter(link, link.JID(), func(string) bool { return true }, slog.New(slog.DiscardHandler))
	d := &device{t: t, router: router}
	router.Handle("get", entity.NSPing, "ping", entity.Ping)
	router.OnPresence(d.presence)
	router.OnMessage(d.message)
	wg.Go(func() { router.Run(ctx) })
	wg.Go(func() {
		if err := link.Serve(ctx, router.Receive); err != nil && ctx.Err() == nil {
			t.Log(err)
		}
	})
	t.Cleanup(func() {
		if err := link.Close(ctx); err != nil {
			t.Log(err)
		}
		end()
		wg.Wait()
	})
	if err := router.Send([]byte("<presence/>")); err != nil {
		t.Fatal(err)
	}
	return d
}

// SendOnce implements Conn, with Start.
func (d *device) SendOnce(raw []byte) error { return d.router.Send(raw) }

func (d *device) Start(to, typ string, payload []byte, done func(*stanza.Stanza, error)) error {
	return d.router.Start(to, typ, payload, done)
}

func (d *device) presence(ctx context.Context, s *stanza.Stanza) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rooms {
		if !d.deaf && r.Presence(ctx, s) {
			return
		}
	}
}

func (d *device) message(ctx context.Context, s *stanza.Stanza) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rooms {
		if l, ok := r.Message(ctx, s); ok {
			d.heard = append(d.heard, l)
		}
	}
}

func (d *device) tell(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, text)
}

// enter runs a room as "pi" until leave or the end of the test. Waits that last
// minutes are short, but the wanted nick and self-pings wait for pokes.
func (d *device) enter(t *testing.T, jid string) (r *Room, leave func()) {
	t.Helper()
	r = New(Config{JID: jid, Nick: "pi", Tell: d.tell, Done: d.done}, slog.New(slog.DiscardHandler))
	r.times.kicked, r.times.wish = 50*time.Millisecond, 200*time.Millisecond
	d.mu.Lock()
	d.rooms = append(d.rooms, r)
	d.mu.Unlock()
	return r, d.run(t, r)
}

// run is a session of the room.
func (d *device) run(t *testing.T, r *Room) (leave func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx, d); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	leave = func() { end(); wg.Wait() }
	t.Cleanup(leave)
	return leave
}

func (d *device) joined(t *testing.T, r *Room) {
	t.Helper()
	until(t, "joined", func() bool { return r.Joined() })
}

// hears waits for the next line.
func (d *device) hears(t *testing.T, text string) (l Line) {
	t.Helper()
	until(t, "hears "+text, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.heard) == 0 {
			return false
		}
		l, d.heard = d.heard[0], d.heard[1:]
		return true
	})
	if l.Text != text || !l.Addressed {
		t.Errorf("heard %+v, want %q", l, text)
	}
	return l
}

func (d *device) done(id, stanzaID string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = append(d.ended, outcome(id, stanzaID, err))
}

// delivered waits until a message is done, and returns its stanza id.
func (d *device) delivered(t *testing.T, id string) (stanzaID string) {
	t.Helper()
	until(t, "delivered "+id, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, s := range d.ended {
			if strings.HasPrefix(s, id+" failed") {
				t.Fatal(s)
			}
			if got, after, _ := strings.Cut(s, " "); got == id {
				stanzaID = after
				return true
			}
		}
		return false
	})
	return stanzaID
}

// tells waits until the owners were told something.
func (d *device) tells(t *testing.T, part string) {
	t.Helper()
	until(t, "told "+part, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return strings.Contains(strings.Join(d.told, "\n"), part)
	})
}

// forgotten puts the device out of a room without its notice.
func (d *device) forgotten(t *testing.T, r *Room, owner *xmpptest.Client) {
	t.Helper()
	d.setDeaf(true)
	at := r.cfg.JID + "/" + r.Nick()
	if err := d.router.Send([]byte("<presence type='unavailable' to='" + at + "'/>")); err != nil {
		t.Fatal(err)
	}
	owner.Wait(xmpptest.Has("<presence", `from="`+at+`"`, `type="unavailable"`), wait)
	if _, err := d.router.Request(t.Context(), r.cfg.JID, "get", []byte("<ping xmlns='"+entity.NSPing+"'/>")); err != nil {
		t.Log(err) // an answer of any kind: what came before it was lost
	}
	d.setDeaf(false)
	if !r.Joined() {
		t.Fatal("noticed")
	}
}

func (d *device) setDeaf(deaf bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deaf = deaf
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// made is a room of the owner in which the owner has this nick.
func made(t *testing.T, owner *xmpptest.Client, jid, nick, whois string) {
	t.Helper()
	goIn(owner, jid, nick)
	reply := owner.IQ(jid, "set", "<query xmlns='"+nsOwner+"'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE' type='hidden'><value>"+NS+"#roomconfig</value></field>"+
		"<field var='muc#roomconfig_whois'><value>"+whois+"</value></field></x></query>")
	if !strings.Contains(reply, `type="result"`) {
		t.Fatalf("room not made: %s", reply)
	}
}

func goIn(c *xmpptest.Client, jid, nick string) {
	c.SendRaw("<presence to='" + jid + "/" + nick + "'><x xmlns='" + NS + "'/></presence>")
	c.Wait(xmpptest.Has("<presence", `from="`+jid+"/"+nick+`"`, `code="110"`), wait)
}

func speak(c *xmpptest.Client, jid, text string) {
	c.SendRaw("<message type='groupchat' id='from-owner' to='" + jid + "'><body>" + text + "</body></message>")
}

func admin(t *testing.T, owner *xmpptest.Client, jid, item string) {
	t.Helper()
	if reply := owner.IQ(jid, "set", "<query xmlns='"+nsAdmin+"'>"+item+"</query>"); !strings.Contains(reply, `type="result"`) {
		t.Fatalf("%s: %s", item, reply)
	}
}
