package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/config"
	"pipit/agent/store"
)

func TestNewClock(t *testing.T) {
	if c := newClock(config.Device{TrustClock: true, ClockWait: time.Minute}, nil); c != nil {
		t.Error("a trusted clock is doubted")
	}
	if c := newClock(config.Device{ClockWait: time.Minute}, nil); c == nil || c.Wait != time.Minute {
		t.Errorf("got %+v", c)
	}
}

func TestStoreStatus(t *testing.T) {
	for name, c := range map[string]struct {
		stats store.Stats
		want  []string
	}{
		"all is well": {
			store.Stats{Readings: 1200, Uncommitted: 34, Bytes: 262144, Aged: 7, Links: []store.LinkStats{{Name: "xmpp", Lag: 3}}},
			[]string{"store: 1234 readings in 0.3 MB"}},
		"no disk": {
			store.Stats{Uncommitted: 50, Overflowed: 9, Error: "no space left on device"},
			[]string{
				"store: 50 readings in memory only, which a power cut would lose: no space left on device",
				"store: 9 readings dropped because the disk failed and memory was full"}},
		"after an outage": {
			store.Stats{Trimmed: 5, AlertsDropped: 4, Notice: "readings.db was damaged", Links: []store.LinkStats{{Name: "xmpp", Lag: 101, Lost: 2}}},
			[]string{
				"store: 0 readings in 0.0 MB",
				"store: readings.db was damaged",
				"store: 5 readings dropped because the file was at its max_size",
				"store: 4 alerts dropped because too many waited to be sent",
				"xmpp: 101 readings wait to be sent",
				"xmpp: 2 readings were dropped before they could be sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, storeStatus(c.stats)); d != "" {
				t.Error(d)
			}
		})
	}
}
