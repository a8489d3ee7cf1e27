//go:build emulate

package emulate

import (
	"encoding/xml"
	"slices"
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
