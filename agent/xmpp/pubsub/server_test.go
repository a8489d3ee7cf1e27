package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

// A conn is a device's connection to a real server. It counts requests and
// logs refusals.
type conn struct {
	*stanza.Router
	t  *testing.T
	mu sync.Mutex
	n  int // requests
}

func (c *conn) Request(ctx context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	reply, err := c.Router.Request(ctx, to, typ, payload)
	if err != nil {
		c.t.Logf("%s %.120s: %v", typ, payload, err)
	}
	return reply, err
}

func (c *conn) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func login(t *testing.T, s *server.Server) *conn {
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
	return &conn{Router: router, t: t}
}

const resp = "<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='2026-11-22T12:00:00.825Z'><q n='a' v='1'/></ts></resp>"

// Rows 33, 34 and 38 of the acceptance checks, on the servers that people run.
func TestServers(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		c := login(t, s)
		for _, service := range []string{"", s.PubSub} {
			access := "presence"
			if service != "" {
				access = "open"
			}
			t.Run("at "+service, func(t *testing.T) { publishAll(t, c, service, access) })
		}
		t.Run("presence at the service", func(t *testing.T) {
			n := &pubsub.Node{Conn: c, Service: s.PubSub, Name: "private", Access: "presence"}
			err := n.Publish(t.Context(), "current", []byte(resp))
			if s.Name == "prosody" && (err == nil || !strings.Contains(err.Error(), `does not take access model "presence"`)) {
				t.Errorf("error %v", err)
			}
		})
	})
}

func publishAll(t *testing.T, c *conn, service, access string) {
	n := &pubsub.Node{Conn: c, Service: service, Name: "pipit/a", Title: "a (°C)", Access: access, MaxItems: 100000}
	publish := func(id string) {
		t.Helper()
		if err := n.Publish(t.Context(), id, []byte(resp)); err != nil {
			t.Fatal(err)
		}
	}
	before := c.requests()
	for i := range 5 {
		publish(fmt.Sprintf("2026-11-22T12:00:0%d.000Z", i))
	}
	if n := c.requests() - before; n > 5+3 { // create, max_items refused, old ejabberd's options
		t.Errorf("%d requests for five items", n)
	}
	before = c.requests()
	publish("2026-11-22T12:00:00.000Z") // again: replaces
	if c.requests() != before+1 {
		t.Error("a publish takes more than one request")
	}
	items, err := pubsub.Items(t.Context(), c, service, n.Name, 100)
	if err != nil || len(items) != 5 || !strings.Contains(string(items[0].Payload), "urn:nf:iot:sd:1.0") {
		t.Errorf("%d items, %v: %+v", len(items), err, items)
	}

	// The owner opens the node with another client: closed again before the next item.
	if service == "" {
		reconfigure(t, c, service, n.Name, "open")
		publish("2026-11-22T12:00:06.000Z")
		if err := (&pubsub.Node{Conn: c, Service: service, Name: n.Name, Access: "whitelist"}).Ensure(t.Context()); err != nil {
			t.Error(err)
		}
		publish("2026-11-22T12:00:07.000Z")
	}
	if _, err := c.Request(t.Context(), service, "set", []byte("<pubsub xmlns='"+pubsub.NSOwner+"'><delete node='"+n.Name+"'/></pubsub>")); err != nil {
		t.Fatal(err)
	}
	publish("2026-11-22T12:00:08.000Z")
	if err := n.Publish(t.Context(), "bad", []byte("<a xmlns='urn:a'/><b xmlns='urn:b'/>")); err == nil {
		t.Error("two payloads in one item are taken")
	} else if e := new(stanza.Error); !errors.As(err, &e) || e.Type == "wait" {
		t.Errorf("error %v", err)
	}
}

func reconfigure(t *testing.T, c *conn, service, node, access string) {
	t.Helper()
	_, err := c.Request(t.Context(), service, "set", []byte("<pubsub xmlns='"+pubsub.NSOwner+"'><configure node='"+node+"'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE' type='hidden'><value>"+pubsub.NS+"#node_config</value></field>"+
		"<field var='pubsub#access_model'><value>"+access+"</value></field></x></configure></pubsub>"))
	if err != nil {
		t.Fatal(err)
	}
}
