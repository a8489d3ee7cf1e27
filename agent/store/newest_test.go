package store

import (
	"testing"
	"time"

	"pipit/agent"
)

func TestNewest(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if got := s.Newest(); !got.IsZero() {
		t.Errorf("of nothing: %v", got)
	}
	fill(s, "a", 0, 5)
	fill(s, "b", 0, 9)
	fill(s, "c", 0, 2)
	s = reopen(t, s) // from the disk
	want := reading("b", 8).Time
	if got := s.Newest(); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	marked := reading("a", 0)
	marked.Time, marked.Quality, marked.Reason = start.Add(1e6*time.Hour), agent.Uncertain, agent.ClockReason
	s.Append(marked)
	marked.Name, marked.Quality, marked.Reason = "c", agent.Fault, "no answer; "+agent.ClockReason
	s.Append(marked)
	if got := s.Newest(); !got.Equal(want) {
		t.Errorf("a time that was not believed counts: %v", got)
	}
	s.Append(reading("b", 9)) // in memory
	if got := s.Newest(); !got.Equal(reading("b", 9).Time) {
		t.Errorf("got %v from memory", got)
	}
}
