package rule

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func sample(f float64) func(string) (agent.Reading, bool) {
	return func(string) (agent.Reading, bool) { return agent.Reading{Value: agent.Number(f)}, true }
}

// TestIncidentBounds makes the greatest incident there can be.
func TestIncidentBounds(t *testing.T) {
	m := New(Rule{}, Incident{}, start, func() uint64 { return math.MaxUint64 })
	m.Step(start, no)
	now := start.Add(123456789)
	for range 50 {
		now = now.Add(20 * time.Minute)
		m.Step(now, yes)
		m.Ack(strings.Repeat("<", 300), now)
		m.Unack(strings.Repeat("<", 300), now)
		m.Ack(strings.Repeat("<", 300), now)
	}
	data, err := m.Incident().Marshal()
	if err != nil || len(data) > MaxIncident {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	got, err := Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Incident(), got); diff != "" {
		t.Error(diff)
	}
}

func TestUnmarshalErrors(t *testing.T) {
	for _, s := range []string{"", "{}", `{"phase":"up"}`, `{"phase":"idle","flaps":-1}`, `{"phase":"idle","by":"` + strings.Repeat("x", 300) + `"}`,
		`{"phase":"idle","history":[{"time":"2026-11-22T17:00:00Z","phase":"x"}]}`, `{"phase":"idle"}` + strings.Repeat(" ", MaxIncident)} {
		if i, err := Unmarshal([]byte(s)); err == nil {
			t.Errorf("%.50s: %+v", s, i)
		}
	}
}

// FuzzUnmarshal also runs a machine on what was read: Tick does all that is due.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"phase":"firing","since":"2026-11-22T17:00:00Z","number":17,"flaps":7,"silenced":"2026-11-23T17:00:00Z"}`))
	f.Add([]byte(`{"phase":"acked","by":"anna","history":[{"time":"2026-11-22T17:00:00Z","phase":"firing"}]}`))
	f.Add([]byte(`{"phase":"idle","recent":["2026-11-22T17:00:00Z","9999-11-22T17:00:00+23:00"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inc, err := Unmarshal(data)
		if err != nil {
			return
		}
		m := New(Rule{Repeat: time.Minute}, inc, start, nil)
		for i, r := range []Result{dunno, yes, yes, no, between, yes, dunno} {
			now := start.Add(time.Duration(i) * time.Hour)
			m.Step(now, r)
			if next := m.Next(); due(next, now) {
				t.Fatalf("Next %v has passed at %v: %+v", next, now, m.Incident())
			}
		}
		kept, err := m.Incident().Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Unmarshal(kept)
		if err != nil {
			t.Fatalf("%s: %v", kept, err)
		}
		if twice, _ := again.Marshal(); !bytes.Equal(kept, twice) {
			t.Fatalf("%s\n%s", kept, twice)
		}
	})
}
