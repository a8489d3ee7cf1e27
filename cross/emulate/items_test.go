//go:build emulate

package emulate

import (
	"encoding/xml"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/xmpptest"
)

// is tells whether a reading is good and has this value.
func is(r agent.Reading, want float64) bool {
	f, _ := r.Value.Float()
	return r.OK() && f == want
}

// follows waits for an item of a reading with this value.
func follows(t *testing.T, c *xmpptest.Client, reading string, want float64) {
	t.Helper()
	c.Wait(func(stanza string) bool {
		return slices.ContainsFunc(readingsIn(t, stanza, "pipit/"+reading), func(r agent.Reading) bool { return is(r, want) })
	}, patience)
}

// arrived are the readings that a subscriber gets of one node, in the order of
// their arrival, each once.
type arrived struct {
	t       *testing.T
	c       *xmpptest.Client
	reading string
	all     []agent.Reading
	waiting []agent.Reading // after those of all
}

func arrivals(t *testing.T, c *xmpptest.Client, reading string) *arrived {
	return &arrived{t: t, c: c, reading: reading}
}

// next waits for one more. The server sends the last one again to a client
// that has just come.
func (a *arrived) next() agent.Reading {
	a.t.Helper()
	for {
		for len(a.waiting) == 0 {
			a.c.Wait(func(stanza string) bool {
				a.waiting = readingsIn(a.t, stanza, "pipit/"+a.reading)
				return len(a.waiting) > 0
			}, patience)
		}
		r := a.waiting[0]
		a.waiting = a.waiting[1:]
		if len(a.all) == 0 || r != a.last() {
			a.all = append(a.all, r)
			return r
		}
	}
}

func (a *arrived) last() agent.Reading { return a.all[len(a.all)-1] }

// is checks that the next one is good and has this value.
func (a *arrived) is(want float64) agent.Reading {
	a.t.Helper()
	r := a.next()
	if !is(r, want) {
		a.t.Errorf("%s: a reading of %v, want %g", a.reading, r, want)
	}
	return r
}

// catchUp waits for all that stands on the node.
func (a *arrived) catchUp() {
	a.t.Helper()
	for on := len(stored(a.t, a.c, a.reading)); len(a.all) < on; {
		a.next()
	}
}

// readingsIn returns what an event of a node carries.
func readingsIn(t *testing.T, text, node string) (list []agent.Reading) {
	t.Helper()
	s, err := stanza.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	event, err := pubsub.ParseEvent(s)
	if err != nil || event == nil || event.Node != node {
		return nil
	}
	for _, item := range event.Items {
		list = append(list, decode(t, item.Payload)...)
	}
	return list
}

func decode(t *testing.T, payload []byte) []agent.Reading {
	t.Helper()
	readings, _, err := sensordata.Parse(payload)
	if err != nil {
		t.Fatalf("%v\n%s", err, payload)
	}
	return readings
}

// stored returns what stands on the node of a reading, oldest first.
func stored(t *testing.T, c *xmpptest.Client, reading string) (list []agent.Reading) {
	t.Helper()
	reply := c.IQ(xmpptest.JID(xmpptest.Device), "get",
		"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pipit/"+reading+"'/></pubsub>")
	var v struct {
		Items []struct {
			Payload []byte `xml:",innerxml"`
		} `xml:"pubsub>items>item"`
	}
	if err := xml.Unmarshal([]byte(reply), &v); err != nil {
		t.Fatal(err)
	}
	for _, item := range v.Items {
		list = append(list, decode(t, item.Payload)...)
	}
	slices.SortFunc(list, func(a, b agent.Reading) int { return a.Time.Compare(b.Time) })
	return list
}

// between waits until two values stand on the node of a reading, and returns
// all from the first to the last of them.
func between(t *testing.T, c *xmpptest.Client, reading string, first, last float64) []agent.Reading {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		all := stored(t, c, reading)
		from := slices.IndexFunc(all, func(r agent.Reading) bool { return is(r, first) })
		to := len(all)
		for to > 0 && !is(all[to-1], last) {
			to--
		}
		if from >= 0 && from < to {
			return all[from:to]
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no %g or no %g on its node: %v", reading, first, last, all)
		}
	}
}

// say writes a chat line to the device and returns its answer, which must hold
// these.
func say(c *xmpptest.Client, line string, want ...string) string {
	c.Chat(fullJID, line, "")
	reply := c.Wait(xmpptest.Has(append(want, "<body>")...), patience)
	_, body, _ := strings.Cut(reply, "<body>")
	body, _, _ = strings.Cut(body, "</body>")
	return html.UnescapeString(body)
}

// adhoc runs an ad-hoc command that asks for one thing and returns what it says.
func adhoc(t *testing.T, c *xmpptest.Client, node, field, value string) string {
	t.Helper()
	const command = "<command xmlns='http://jabber.org/protocol/commands' node='%s' sessionid='%s'>%s</command>"
	var v struct {
		Command struct {
			Session string `xml:"sessionid,attr"`
			Status  string `xml:"status,attr"`
			Note    string `xml:"note"`
		} `xml:"command"`
	}
	ask := func(payload, status string) {
		t.Helper()
		reply := c.IQ(fullJID, "set", fmt.Sprintf(command, node, v.Command.Session, payload))
		if err := xml.Unmarshal([]byte(reply), &v); err != nil || v.Command.Status != status {
			t.Fatalf("the ad-hoc command %s: %v, want %s: %s", node, err, status, reply)
		}
	}
	ask("", "executing")
	ask("<x xmlns='jabber:x:data' type='submit'><field var='"+field+"'><value>"+value+"</value></field></x>", "completed")
	return v.Command.Note
}
