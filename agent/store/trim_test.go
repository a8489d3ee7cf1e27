package store

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

// A clock far ahead makes all readings too old.
func TestTrimByAgeNeedsABelievedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		believed := false
		s := open(t, t.TempDir(), Options{Keep: 48 * time.Hour, MaxSize: 1 << 20, Believed: func() bool { return believed }})
		put := func(text string) {
			s.Append(agent.Reading{Name: "a", Value: agent.Text(text), Time: time.Now()})
			commit(t, s)
		}
		for range 20 {
			put("x")
			time.Sleep(7 * time.Hour) // a segment each
		}
		time.Sleep(70 * 365 * 24 * time.Hour)
		put("x")
		if st := s.Stats(); st.Readings != 21 || st.Aged != 0 {
			t.Errorf("trimmed by a clock that is not believed: %+v", st)
		}
		long := strings.Repeat("x", agent.MaxText)
		for range 1200 {
			put(long)
		}
		if st := s.Stats(); st.Trimmed == 0 || st.Aged != 0 || st.Bytes > 1<<20 {
			t.Errorf("the size does not need a clock: %+v", st)
		}
		believed = true
		time.Sleep(60 * time.Hour)
		put("x")
		if st := s.Stats(); st.Aged == 0 || st.Readings > 20 { // the last segment stays
			t.Errorf("believed again: %+v", st)
		}
	})
}
