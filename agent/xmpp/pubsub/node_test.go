package pubsub

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

const payload = "<resp xmlns='urn:nf:iot:sd:1.0' id=''/>"

func node(f *fake) *Node {
	return &Node{Conn: f, Name: "n", Title: "Readings", Access: "presence", MaxItems: 1000}
}

func config(access, items string) map[string]string {
	return map[string]string{"access_model": access, "max_items": items, "persist_items": "1",
		"send_last_published_item": "on_sub_and_presence", "title": "Readings"}
}

func without(config map[string]string, name string) map[string]string {
	delete(config, name)
	return config
}

// What the node looks like in the end, and which requests lead there.
func TestEnsure(t *testing.T) {
	wait := &stanza.Error{Type: "wait", Condition: "internal-server-error"}
	tests := []struct {
		name   string
		server *fake
		want   map[string]string // nil: refused
		log    string
	}{
		{"new", &fake{}, config("presence", "1000"), "create"},
		{"Prosody bounds max_items", &fake{maxItems: 256}, config("presence", "max"), "create create"},
		{"neither bound nor max", &fake{maxItems: 20, noMax: true}, config("presence", "10"), "create create create create create"},
		{"no max_items at all", &fake{lacks: []string{"max_items"}}, without(config("presence", ""), "max_items"),
			"create create create create create create create"},
		{"errors that name no field", &fake{silent: true, maxItems: 256}, config("presence", "max"), "create create"},
		{"an unknown option is dropped", &fake{lacks: []string{"send_last_published_item"}},
			without(config("presence", "1000"), "send_last_published_item"), "create create"},
		{"exists and fits", &fake{nodes: map[string]map[string]string{"n": config("presence", "1000")}}, config("presence", "1000"), "create get"},
		{"row 33: exists and is open", &fake{nodes: map[string]map[string]string{"n": config("open", "1000")}},
			config("presence", "1000"), "create get set:access_model"},
		{"exists with less", &fake{maxItems: 256, nodes: map[string]map[string]string{"n": config("presence", "1")}},
			config("presence", "max"), "create get set:max_items set:max_items"},
		{"exists with the fallback", &fake{maxItems: 256, nodes: map[string]map[string]string{"n": config("presence", "max")}},
			config("presence", "max"), "create get set:max_items"},
		{"exists, lacks an option", &fake{nodes: map[string]map[string]string{"n": without(config("presence", "1"), "title")}},
			without(config("presence", "1000"), "title"), "create get set:max_items"},
		{"access model refused", &fake{access: []string{"open", "whitelist"}}, nil, "create"},
		{"access model refused, unnamed", &fake{access: []string{"open"}, silent: true}, nil,
			"create create create create create create create create create create"},
		{"access model refused on an old node", &fake{access: []string{"open"}, nodes: map[string]map[string]string{"n": config("open", "1000")}}, config("open", "1000"),
			"create get set:access_model"},
		{"no PEP", &fake{createErr: stanza.ServiceUnavailable}, nil, "create"},
		{"later", &fake{createErr: wait}, nil, "create"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.server.items = map[string][]string{}
			if tt.server.nodes == nil {
				tt.server.nodes = map[string]map[string]string{}
			}
			err := node(tt.server).Ensure(t.Context())
			refused := tt.want == nil || tt.want["access_model"] != "presence"
			if (err != nil) != refused {
				t.Errorf("error %v", err)
			}
			if e := answer(err); err != nil && (e == nil || (e.Type == "wait") != (tt.name == "later")) {
				t.Errorf("error %v has type %+v", err, e)
			}
			if diff := cmp.Diff(tt.want, tt.server.nodes["n"]); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(tt.server.log, " "); got != tt.log {
				t.Errorf("asked %q, want %q", got, tt.log)
			}
		})
	}
}

func TestEnsureErrors(t *testing.T) {
	tests := []struct {
		name    string
		service string
		server  *fake
		want    string
	}{
		{"PEP is off", "", &fake{createErr: stanza.ServiceUnavailable},
			`node "n" of the own account: service-unavailable; the server has no PEP for this account: switch it on there, or name a PubSub service in the config`},
		{"no right on the service", "pubsub.example.org", &fake{createErr: stanza.Forbidden},
			`node "n" of pubsub.example.org: forbidden; let the device's account create nodes on the service, or make it a publisher of this node`},
		{"presence on a service", "pubsub.example.org", &fake{access: []string{"open", "whitelist"}},
			`node "n" of pubsub.example.org: the server does not take access model "presence": bad-request: Bad value of field 'pubsub#access_model'`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := node(tt.server)
			n.Service = tt.service
			err := n.Ensure(t.Context())
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if tt.server.to != tt.service {
				t.Errorf("asked %q", tt.server.to)
			}
		})
	}
}

func TestEnsureLogsDroppedOptions(t *testing.T) {
	var log bytes.Buffer
	n := node(&fake{lacks: []string{"title"}})
	n.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := n.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log.String(), "option=title"); got != 1 {
		t.Errorf("logged %d times: %s", got, log.String())
	}
}

func TestPublish(t *testing.T) {
	once := func(err error) func(int) error {
		return func(n int) error {
			if n == 1 {
				return err
			}
			return nil
		}
	}
	always := func(err error) func(int) error { return func(int) error { return err } }
	busy := &stanza.Error{Type: "wait", Condition: "resource-constraint"}
	invalid := &stanza.Error{Type: "modify", Condition: "bad-request"}
	broken := errors.New("connection lost")
	tests := []struct {
		name   string
		server *fake
		typ    string // of the refusal; "" none, "-" an error of the connection
		log    string
	}{
		{"new node", &fake{}, "", "create publish"},
		{"deleted meanwhile (row 38)", &fake{publish: once(stanza.ItemNotFound)}, "", "create publish create get publish"},
		{"deleted again and again", &fake{publish: always(stanza.ItemNotFound)}, "cancel", "create publish create get publish"},
		{"row 34: old ejabberd", &fake{noOptions: true}, "", "create publish get plain"},
		{"no options, and the access model is another", &fake{noOptions: true, deaf: true}, "cancel", "create publish get"},
		{"the access model is another", &fake{deaf: true}, "cancel", "create publish create get set:access_model publish"},
		{"row 35: busy", &fake{publish: always(busy)}, "wait", "create publish get plain"},
		{"payload refused", &fake{publish: always(invalid)}, "modify", "create publish"},
		{"connection", &fake{publish: always(broken)}, "-", "create publish"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := node(tt.server).Publish(t.Context(), "current", []byte(payload))
			switch e := answer(err); {
			case tt.typ == "" && err != nil, tt.typ == "-" && !errors.Is(err, broken):
				t.Errorf("error %v", err)
			case tt.typ != "" && tt.typ != "-" && (e == nil || e.Type != tt.typ):
				t.Errorf("error %v, %+v, want type %s", err, e, tt.typ)
			}
			if got := strings.Join(tt.server.log, " "); got != tt.log {
				t.Errorf("asked %q, want %q", got, tt.log)
			}
		})
	}
}

// What the server has taught is kept for the items that follow.
func TestPublishStaysPlain(t *testing.T) {
	f := &fake{noOptions: true}
	n := node(f)
	for range 3 {
		if err := n.Publish(t.Context(), "current", []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Join(f.log, " "), "create publish get plain plain plain"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// Another configuration may mean other rules: publish-options are tried again.
func TestPublishLeavesPlain(t *testing.T) {
	f := &fake{noOptions: true}
	n := node(f)
	for range 2 {
		if err := n.Publish(t.Context(), "current", []byte(payload)); err != nil {
			t.Fatal(err)
		}
		f.noOptions = false
		delete(f.nodes, "n")
	}
	if got, want := strings.Join(f.log, " "), "create publish get plain plain create publish"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// late holds back the answers to publishes of the item "late".
type late struct{ *fake }

func (l late) Request(ctx context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	reply, err := l.fake.Request(ctx, to, typ, payload)
	if bytes.Contains(payload, []byte("'late'")) {
		time.Sleep(time.Minute)
	}
	return reply, err
}

// A refusal that comes when the node has been repaired already costs no second repair.
func TestPublishRefusedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		n := node(f)
		n.Conn = late{f}
		if err := n.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		delete(f.nodes, "n")
		var wg sync.WaitGroup
		for _, id := range []string{"late", "soon"} {
			wg.Go(func() {
				if err := n.Publish(t.Context(), id, []byte(payload)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if got, want := strings.Join(f.log, " "), "create publish publish create publish publish"; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	})
}

// A node of somebody else is used as it is; publish-options guard it. Prosody
// answers forbidden, not conflict, to the creation by those who may create none.
func TestPublishOnForeignNode(t *testing.T) {
	for _, createErr := range []error{nil, stanza.Forbidden} {
		for access, want := range map[string]string{"presence": "create foreign publish", "open": "create foreign publish create foreign publish"} {
			f := &fake{foreign: true, createErr: createErr, nodes: map[string]map[string]string{"n": config(access, "1")}, items: map[string][]string{}}
			n := node(f)
			n.Service = "pubsub.example.org"
			err := n.Publish(t.Context(), "current", []byte(payload))
			if (err == nil) != (access == "presence") {
				t.Errorf("%s, %v: error %v", access, createErr, err)
			}
			if got := strings.Join(f.log, " "); got != want {
				t.Errorf("%s, %v: asked %q, want %q", access, createErr, got, want)
			}
		}
	}
}

type recorder struct{ sent []string }

func (r *recorder) Request(_ context.Context, _, typ string, payload []byte) (*stanza.Stanza, error) {
	r.sent = append(r.sent, typ+" "+string(payload))
	return stanza.Parse([]byte("<iq type='result' id='1'/>"))
}

func TestPublishWire(t *testing.T) {
	r := &recorder{}
	n := &Node{Conn: r, Name: "pipit/a&b", Access: "whitelist"}
	if err := n.Publish(t.Context(), "2026-11-22T17:18:55.825Z", []byte(payload)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`set <pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='pipit/a&amp;b'/><configure><x xmlns='jabber:x:data' type='submit'>` +
			`<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>` +
			`<field var='pubsub#access_model'><value>whitelist</value></field>` +
			`<field var='pubsub#persist_items'><value>true</value></field>` +
			`<field var='pubsub#send_last_published_item'><value>on_sub_and_presence</value></field></x></configure></pubsub>`,
		`set <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='pipit/a&amp;b'><item id='2026-11-22T17:18:55.825Z'>` + payload + `</item></publish>` +
			`<publish-options><x xmlns='jabber:x:data' type='submit'>` +
			`<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>` +
			`<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options></pubsub>`,
	}
	if diff := cmp.Diff(want, r.sent); diff != "" {
		t.Error(diff)
	}
}

// slow holds every request back for a second.
type slow struct{ *fake }

func (s slow) Request(ctx context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.fake.Request(ctx, to, typ, payload)
}

// Many items in flight share one Ensure, at the start and at a repair.
func TestPublishInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		n := node(f)
		n.Conn = slow{f}
		burst := func() {
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					if err := n.Publish(t.Context(), "current", []byte(payload)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		burst()
		delete(f.nodes, "n")
		burst()
		creates := 0
		for _, l := range f.log {
			if l == "create" {
				creates++
			}
		}
		if creates != 2 || len(f.items["n"]) != 32 {
			t.Errorf("%d creates, %d items", creates, len(f.items["n"]))
		}
	})
}

func TestEnsureWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := node(nil)
		n.Conn = slow{&fake{}}
		go n.Ensure(t.Context())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := n.Ensure(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Second)
	})
}

// A starter is a fake that answers before Start returns.
type starter struct {
	*fake
	cut bool // the connection has ended
}

func (s starter) Start(to, typ string, payload []byte, done func(*stanza.Stanza, error)) error {
	if s.cut {
		return stanza.ErrClosed
	}
	reply, err := s.Request(context.Background(), to, typ, payload)
	if e := answer(err); e != nil {
		reply, err = stanza.Parse(append(e.Append([]byte("<iq type='error'>")), "</iq>"...))
	}
	done(reply, err)
	return nil
}

func TestStart(t *testing.T) {
	refused := func(n int) error {
		if n == 1 {
			return stanza.ItemNotFound
		}
		return nil
	}
	for _, tt := range []struct {
		name   string
		server starter
		ready  bool // Ensure was called
		rest   bool // one request was not enough
		want   string
		ok     bool
	}{
		{"one request", starter{fake: &fake{}}, true, false, "create publish", true},
		{"no node yet", starter{fake: &fake{}}, false, true, "create publish", true},
		{"node gone", starter{fake: &fake{publish: refused}}, true, true, "create publish create get publish", true},
		{"refused", starter{fake: &fake{publish: func(int) error { return stanza.Forbidden }}}, true, true, "create publish", false},
		{"cut", starter{fake: &fake{}, cut: true}, true, true, "create", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := node(tt.server.fake)
			n.Conn = tt.server
			if tt.ready {
				if err := n.Ensure(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			called, rest := 0, func(context.Context) error { return nil }
			n.Start("current", []byte(payload), func(r func(context.Context) error) {
				if called++; r != nil {
					rest = r
				}
				if (r != nil) != tt.rest {
					t.Errorf("something is left to do: %v", r != nil)
				}
			})
			if err := rest(t.Context()); (err == nil) != tt.ok || called != 1 {
				t.Errorf("error %v, done was called %d times", err, called)
			}
			if got := strings.Join(tt.server.log, " "); !strings.HasPrefix(got, tt.want) {
				t.Errorf("asked %q, want %q", got, tt.want)
			}
		})
	}
}
