package remote

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
)

func newWatch(service string) *watch {
	w := &watch{
		c:       &Client{device: "pi@example.org", log: slog.New(slog.DiscardHandler)},
		service: service, seen: map[string]time.Time{}, nodes: map[string]bool{},
	}
	w.add(w.snapshotNode())
	return w
}

func event(t *testing.T, from, node string, readings ...agent.Reading) *stanza.Stanza {
	t.Helper()
	s, err := stanza.Parse([]byte("<message from='" + from + "'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='" +
		node + "'><item id='x'>" + string(sensordata.Encode(readings, sensordata.Options{})) + "</item></items></event></message>"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWatchTellsEachReadingOnce(t *testing.T) {
	at := func(second int, value float64) agent.Reading {
		return agent.Reading{Name: "a.b", Value: agent.Number(value), Time: time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC)}
	}
	stale := at(1, 1)
	stale.Quality, stale.Reason = agent.Stale, "why"
	w := newWatch("")
	var got []string
	see := func(s *stanza.Stanza) {
		t.Helper()
		err := w.event(s, func(r agent.Reading) error {
			got = append(got, agent.Stamp(r.Time)[17:19]+" "+r.Display())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	see(event(t, "pi@example.org", "pipit/a.b", at(0, 0)))              // not a node of interest yet
	see(event(t, "pi@example.org", sensordata.NS, at(1, 1)))            // the snapshot names it
	see(event(t, "pi@example.org", "pipit/a.b", at(1, 1)))              // the same as an item of its own
	see(event(t, "eve@example.org", "pipit/a.b", at(9, 9)))             // forged
	see(event(t, "pi@example.org.evil.example", "pipit/a.b", at(9, 9))) // look-alike
	see(event(t, "pi@example.org/pipit", "pipit/a.b", at(2, 2)))        // Prosody sends from both
	see(event(t, "pi@example.org", "pipit/a.b", at(1, 1)))              // late
	see(event(t, "pi@example.org", sensordata.NS, stale))               // stale repeats a time
	see(event(t, "pi@example.org", "pipit/a.b", at(3, 3), at(4, 4)))    // two at once
	bad, err := stanza.Parse([]byte("<message from='pi@example.org'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='pipit/a.b'><item id='x'><junk/></item></items></event></message>"))
	if err != nil {
		t.Fatal(err)
	}
	see(bad)
	if d := cmp.Diff([]string{"01 1", "02 2", "01 1 (stale)", "03 3", "04 4"}, got); d != "" {
		t.Error(d)
	}
	if !w.nodes["pipit/a.b"] || !w.dirty {
		t.Error("no interest in the node of a new reading")
	}
}

func TestWatchOnAService(t *testing.T) {
	w := newWatch("pubsub.example.org")
	n := 0
	count := func(agent.Reading) error { n++; return nil }
	r := agent.Reading{Name: "a", Value: agent.Number(1), Time: time.Unix(1, 0)}
	for _, s := range []*stanza.Stanza{
		event(t, "pubsub.example.org", "pipit/pi@example.org", r),
		event(t, "pi@example.org", "pipit/pi@example.org", r),
		event(t, "pubsub.example.org", "pipit/other@example.org", r),
	} {
		if err := w.event(s, count); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 || !w.nodes["pipit/pi@example.org/a"] {
		t.Errorf("%d readings, nodes %v", n, w.nodes)
	}
}

func TestWatchEndsWithItsReader(t *testing.T) {
	full := errors.New("no space left")
	w := newWatch("")
	err := w.event(event(t, "pi@example.org", sensordata.NS, agent.Reading{Name: "a", Value: agent.Number(1)}),
		func(agent.Reading) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}
