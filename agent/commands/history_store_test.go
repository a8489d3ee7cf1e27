package commands

import (
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/store"
)

// The record on disk is what history and plot read, with what is still in memory.
func TestHistoryFromTheStore(t *testing.T) {
	const n, onDisk = 12_000, 9000
	dir, now := t.TempDir(), time.Now()
	reading := func(i int) agent.Reading {
		return agent.Reading{Name: "cellar", Unit: "°C", Value: agent.Number(float64(i % 100)), Time: now.Add(-time.Duration(n-i) * time.Second)}
	}
	open := func(from, to int) *store.Store {
		st, err := store.Open(dir, store.Options{Flush: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for i := from; i < to; i++ {
			st.Append(reading(i))
		}
		return st
	}
	if err := open(0, onDisk).Close(); err != nil {
		t.Fatal(err)
	}
	st := open(onDisk, n)
	d := device()
	d.Agent.Put(reading(n - 1))
	d.History = st
	d.Agent.Commands = All(d)
	if s := st.Stats(); s.Readings != onDisk || s.Uncommitted != n-onDisk {
		t.Errorf("%d readings on disk and %d in memory", s.Readings, s.Uncommitted)
	}
	for _, command := range []string{"history", "plot"} {
		ans, err := ask(t, d, viewer, command, map[string]string{"name": "cellar", "span": "1d"})
		if err != nil || !strings.HasSuffix(ans.Text, "\n12000 readings.") || !strings.Contains(ans.Text, "min 0.0 °C at ") || !strings.Contains(ans.Text, "mean 49.5, max 99.0 at ") {
			t.Errorf("%s: %q, %v", command, ans.Text, err)
		}
		if (ans.File != nil) != (command == "plot") {
			t.Errorf("%s: file %v", command, ans.File)
		}
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}
