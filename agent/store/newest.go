package store

import (
	"maps"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// Newest returns the newest time among the last readings of all fields, but
// for those that were taken by a clock that was not believed; the zero time
// when there is none. It reads the disk once for each field: for the start.
func (s *Store) Newest() (newest time.Time) {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.fields))
	s.mu.Unlock()
	for _, name := range names {
		r, ok := s.Last(name)
		if ok && !strings.HasSuffix(r.Reason, agent.ClockReason) && r.Time.After(newest) {
			newest = r.Time
		}
	}
	return newest
}
