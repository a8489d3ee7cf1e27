package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"pipit/agent"
)

// A field is what the store knows about one reading's name.
type field struct {
	last    uint64        // position of the newest entry
	newest  agent.Reading // unset (no Name) until it was looked up
	memory  []agent.Entry // not committed; never changed in place, so that a copy of the slice stays good
	segment uint64        // newest segment with a chunk of it, 0: none
	dirty   bool          // last and segment are not on disk
}

// A link has delivered a field up to a position.
type link struct {
	positions map[string]*position
	lost      uint64
}

type position struct {
	pos     uint64
	segment uint64 // where to look first: a hint
	dirty   bool
}

// cost is what an entry takes in memory.
func cost(e agent.Entry) int {
	n := 128 + len(e.Unit) + len(e.Reason)
	if e.Value.Kind() == agent.IsText {
		n += len(e.Value.String())
	}
	return n
}

// Append adds a reading. It never waits for the disk. The time is kept in
// milliseconds. A reading with a bad name, or of more than 4096 fields, is
// dropped and counted.
func (s *Store) Append(r agent.Reading) {
	r.Time = time.UnixMilli(r.Time.UnixMilli()).UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fields[r.Name]
	if f == nil {
		if agent.CheckName(r.Name) != nil || len(s.fields) >= maxFields {
			s.counters.Overflowed++
			return
		}
		f = &field{}
		s.fields[r.Name] = f
		for _, l := range s.links {
			l.positions[r.Name] = &position{dirty: true} // known links miss nothing of a new field
		}
	}
	f.last++
	f.newest, f.dirty = r, true
	e := agent.Entry{Pos: f.last, Reading: r}
	f.memory = append(f.memory, e)
	s.memory += cost(e)
	for s.memory > s.limit {
		s.overflow()
	}
	if s.memory > s.limit/4 && s.counters.Error == "" {
		wake(s.full)
	}
	ring(&s.grew)
}

// overflow drops the oldest entry of the field that has most: one busy field
// does not push the others out.
func (s *Store) overflow() {
	var most *field
	for _, f := range s.fields {
		if most == nil || len(f.memory) > len(most.memory) {
			most = f
		}
	}
	s.memory -= cost(most.memory[0])
	most.memory = most.memory[1:]
	s.counters.Overflowed++
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// link returns a link, a new one if need be. It is called under mu.
func (s *Store) link(name string) *link {
	l := s.links[name]
	if l == nil {
		l = &link{positions: make(map[string]*position)}
		s.links[name] = l
	}
	return l
}

// at returns where a link stands in a field; known is false for a link that
// begins with what is kept. It is called under mu.
func (l *link) at(name string) (p position, known bool) {
	if p := l.positions[name]; p != nil {
		return *p, true
	}
	return position{}, false
}

// advance moves a position forward, never back. It is called under mu.
func (l *link) advance(name string, pos, segment uint64) {
	p := l.positions[name]
	if p == nil {
		p = &position{dirty: true}
		l.positions[name] = p
	}
	p.segment = max(p.segment, segment)
	if pos > p.pos {
		p.pos, p.dirty = pos, true
	}
}

// Pending waits until there are entries behind a link's position and returns
// their fields, sorted. Links are known by name; one that is not known yet
// begins with the oldest entry of each field. When ctx ends it returns its cause.
func (s *Store) Pending(ctx context.Context, name string) ([]string, error) {
	for {
		s.mu.Lock()
		l := s.link(name)
		var fields []string
		for n, f := range s.fields {
			if p, _ := l.at(n); p.pos < f.last {
				fields = append(fields, n)
			}
		}
		grew := waitFor(&s.grew)
		s.mu.Unlock()
		if len(fields) > 0 {
			slices.Sort(fields)
			return fields, nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// After returns up to limit (at least 1) entries of a field behind the link's
// position, oldest first, without a gap between them. What was dropped before
// the link got it is passed over and counted as lost for the link, so that an
// empty answer means that nothing is pending. It reads the disk for what is
// committed, and does not wait for a commit under way.
func (s *Store) After(name, of string, limit int) []agent.Entry {
	limit = max(limit, 1)
	s.mu.Lock()
	l := s.link(name)
	f := s.fields[of]
	if f == nil {
		s.mu.Unlock()
		return nil
	}
	p, known := l.at(of)
	v := s.snapshot(f)
	s.mu.Unlock()

	entries, segment := v.behind(s, of, p, limit)
	first := v.last + 1
	if len(entries) > 0 {
		first = entries[0].Pos
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, _ := l.at(of); known && now.pos == p.pos && first > p.pos+1 {
		l.lost += first - 1 - p.pos
	}
	l.advance(of, first-1, segment)
	return entries
}

// Done tells that a link has delivered a field up to pos. It is in force at
// once and on disk with the next commit; until then a crash makes the link
// deliver again. A position never goes back.
func (s *Store) Done(name, of string, pos uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.fields[of]; f != nil {
		s.link(name).advance(of, min(pos, f.last), 0)
	}
}

// linkStats is called under mu.
func (s *Store) linkStats() []LinkStats {
	list := []LinkStats{}
	for name, l := range s.links {
		st := LinkStats{Name: name, Lost: l.lost}
		for n, f := range s.fields {
			p, _ := l.at(n)
			st.Lag += f.last - min(p.pos, f.last)
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b LinkStats) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
