package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/xmpptest"
)

// A follower is a subscriber that knows all that has arrived: as an event of
// PubSub, or on the node when it looks. It belongs to the goroutine of the test.
type follower struct {
	t      *testing.T
	s      *server.Server
	fields []string
	client *xmpptest.Client

	items    map[string]map[string]string // field: id: value
	newest   map[string]string            // field: newest id that came as an event in this connection
	events   int                          // items that came as an event first
	presence string                       // the last of the device
	wrong    []string
}

func follow(t *testing.T, s *server.Server, fields ...string) *follower {
	t.Helper()
	f := &follower{t: t, s: s, fields: fields, items: map[string]map[string]string{}}
	for _, field := range fields {
		f.items[field] = map[string]string{}
	}
	f.connect()
	f.client.Subscribe(xmpptest.JID(xmpptest.Device))
	return f
}

// connect logs in, again after the server has been away.
func (f *follower) connect() {
	f.t.Helper()
	if f.client != nil {
		f.look()
		f.client.Close()
	}
	f.newest, f.presence = map[string]string{}, ""
	f.client = xmpptest.Slixmpp(f.t, f.s, "owner/desk")
	var nodes []string
	for _, field := range f.fields {
		nodes = append(nodes, "pipit/"+field)
	}
	f.client.Notify(nodes...)
}

// meet starts a device and waits until f sees it. ejabberd sends no events to
// a client that told its interests before it was subscribed: so it logs in anew.
func (d *device) meet(f *follower) {
	d.t.Helper()
	f.presence = ""
	d.start()
	f.online(patience)
	f.connect()
	f.online(patience)
}

// online waits until the device is seen to be there.
func (f *follower) online(limit time.Duration) {
	f.t.Helper()
	f.until("the device is online", limit, func() bool {
		return strings.Contains(f.presence, "http://jabber.org/protocol/caps") && !strings.Contains(f.presence, `type="unavailable"`)
	})
}

// until looks at what comes until ok.
func (f *follower) until(what string, limit time.Duration, ok func() bool) {
	f.t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if f.look(); ok() {
			return
		}
		if time.Since(start) > limit {
			f.t.Fatalf("waited %v until %s; the last presence was %q", limit, what, f.presence)
		}
	}
}

// look takes the stanzas that have come.
func (f *follower) look() {
	f.t.Helper()
	for _, raw := range f.client.Take() {
		s, err := stanza.Parse([]byte(raw))
		switch {
		case err != nil:
			f.t.Fatalf("%v: %s", err, raw)
		case s.Name == "presence" && s.From == full:
			f.presence = raw
		case s.Name == "message":
			f.event(s)
		}
	}
}

func (f *follower) event(s *stanza.Stanza) {
	f.t.Helper()
	e, err := pubsub.ParseEvent(s)
	if err != nil {
		f.t.Fatal(err)
	}
	if e == nil || !strings.HasPrefix(e.Node, "pipit/") {
		return
	}
	field := strings.TrimPrefix(e.Node, "pipit/")
	for _, i := range e.Items {
		_, known := f.items[field][i.ID]
		if i.ID < f.newest[field] && !known {
			f.complain("%s: event %s came after %s", field, i.ID, f.newest[field])
		}
		f.newest[field] = max(f.newest[field], i.ID)
		if !known {
			f.events++
		}
		f.add(field, i.ID, i.Payload)
	}
}

// fetch looks at what the nodes hold. The server has to be there.
func (f *follower) fetch() {
	f.t.Helper()
	f.look()
	for _, field := range f.fields {
		reply := f.client.IQ(xmpptest.JID(xmpptest.Device), "get",
			"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pipit/"+field+"'/></pubsub>")
		s, err := stanza.Parse([]byte(reply))
		if err != nil {
			f.t.Fatal(err)
		}
		var v struct {
			Items []struct {
				ID      string `xml:"id,attr"`
				Payload []byte `xml:",innerxml"`
			} `xml:"pubsub>items>item"`
		}
		if err := s.Decode(&v); err != nil {
			f.t.Fatal(err)
		}
		for _, i := range v.Items {
			f.add(field, i.ID, i.Payload)
		}
	}
}

func (f *follower) add(field, id string, payload []byte) {
	f.t.Helper()
	readings, _, err := sensordata.Parse(payload)
	if err != nil || len(readings) != 1 {
		f.complain("%s: item %s holds %d readings (%v): %s", field, id, len(readings), err, payload)
		return
	}
	value := fmt.Sprint(readings[0].Value)
	if before, known := f.items[field][id]; known && before != value {
		f.complain("%s: item %s has had the value %s and now %s", field, id, before, value)
	}
	f.items[field][id] = value
}

func (f *follower) complain(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// ledger says what has arrived so far of what g was read for.
func (f *follower) ledger(g *gauge, every time.Duration, spared []span) *ledger {
	l := &ledger{every: every, arrived: map[string]map[string]string{}, spared: spared}
	for field, items := range f.items {
		l.arrived[field] = maps.Clone(items)
	}
	l.reads, l.newest = g.all() // after the items: an item is never ahead of its read
	return l
}

// settle waits until all has arrived that was read until now, tells what has
// not, and what is wrong.
func (f *follower) settle(g *gauge, every time.Duration, spared []span, limit time.Duration) {
	f.t.Helper()
	reads, _ := g.all()
	start := time.Now()
	var missing []read
	for {
		f.fetch()
		l := f.ledger(g, every, spared)
		l.reads = reads
		if missing = l.missing(); len(missing) == 0 || time.Since(start) > limit {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	l := f.ledger(g, every, spared)
	f.t.Logf("%d readings; %d items have arrived, %d as an event first; all after %.1f s of calm; %s",
		len(reads), f.count(), f.events, time.Since(start).Seconds(), l.losses())
	if len(missing) > 0 {
		f.t.Errorf("%d readings have not arrived after %v of calm:%s", len(missing), limit, listed(missing))
	}
	for _, what := range append(l.wrong(), f.wrong...) {
		f.t.Error(what)
	}
}

func (f *follower) count() (n int) {
	for _, items := range f.items {
		n += len(items)
	}
	return n
}

// listed shows the first of many.
func listed(reads []read) string {
	var b strings.Builder
	for _, r := range reads[:min(len(reads), 20)] {
		fmt.Fprintf(&b, "\n%s %d read at %s", r.field, r.value, r.seen.UTC().Format(time.TimeOnly+".000"))
	}
	return b.String()
}
