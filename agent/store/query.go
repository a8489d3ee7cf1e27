package store

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"pipit/agent"
)

// A view is one moment of a field: what is in memory then, and where the rest
// is on disk. What is committed after the moment is in both, so whoever reads
// both takes from the disk only what is older than memory.
type view struct {
	memory      []agent.Entry
	last        uint64
	first, upTo uint64 // segments; upTo 0: none
}

// snapshot is called under mu.
func (s *Store) snapshot(f *field) view {
	return view{f.memory, f.last, s.first, f.segment}
}

// entries calls fn with the entries of a field in order until it returns
// false: from a segment on, those of the chunks that want accepts, then those
// in memory.
func (v view) entries(s *Store, name string, from uint64, want func(header) bool, fn func(segment uint64, e agent.Entry) bool) error {
	limit := v.last + 1
	if len(v.memory) > 0 {
		limit = v.memory[0].Pos
	}
	more := true
	err := s.view(func(tx *bbolt.Tx) (err error) {
		b := tx.Bucket(readingsBucket)
		var last uint64
		for segment := max(from, v.first); b != nil && more && segment <= v.upTo; segment++ {
			value := b.Get(chunkKey(segment, name))
			if value == nil {
				continue
			}
			h, err := parse(value)
			if err != nil {
				return err
			}
			if !want(h) {
				continue
			}
			more, err = h.each(name, func(e agent.Entry) bool {
				if e.Pos <= last || e.Pos >= limit {
					return true // a commit that failed and is there after all writes it twice
				}
				last = e.Pos
				return fn(segment, e)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for i := 0; more && i < len(v.memory); i++ {
		more = fn(0, v.memory[i])
	}
	return err
}

// behind returns up to limit entries behind a position, up to the first gap,
// and the segment of the first one. What cannot be read is gone: see Store.view.
func (v view) behind(s *Store, name string, p position, limit int) (entries []agent.Entry, segment uint64) {
	if len(v.memory) > 0 && v.memory[0].Pos <= p.pos+1 {
		v.upTo = 0
	}
	want := func(h header) bool { return h.last > p.pos }
	v.entries(s, name, p.segment, want, func(at uint64, e agent.Entry) bool {
		if e.Pos <= p.pos {
			return true
		}
		if n := len(entries); n > 0 && e.Pos != entries[n-1].Pos+1 {
			return false
		}
		if len(entries) == 0 {
			segment = at
		}
		entries = append(entries, e)
		return len(entries) < limit
	})
	return entries, segment
}

// between calls fn with the entries of a field whose time is in [from, to).
func (s *Store) between(name string, from, to time.Time, fn func(agent.Entry) bool) error {
	s.mu.Lock()
	f := s.fields[name]
	if f == nil {
		s.mu.Unlock()
		return nil
	}
	v := s.snapshot(f)
	s.mu.Unlock()
	want := func(h header) bool { return h.to >= from.UnixMilli() && h.from < to.UnixMilli() }
	return v.entries(s, name, 0, want, func(_ uint64, e agent.Entry) bool {
		return e.Time.Before(from) || !e.Time.Before(to) || fn(e)
	})
}

// Range returns the first limit (at least 1) readings of a field whose time is
// in [from, to), in the order of acceptance. An error says that the file is
// damaged; the readings that were found are returned with it.
func (s *Store) Range(name string, from, to time.Time, limit int) ([]agent.Reading, error) {
	var list []agent.Reading
	err := s.between(name, from, to, func(e agent.Entry) bool {
		list = append(list, e.Reading)
		return len(list) < limit
	})
	return list, err
}

// Last returns the reading of a field that was accepted last.
func (s *Store) Last(name string) (agent.Reading, bool) {
	s.mu.Lock()
	f := s.fields[name]
	if f == nil || f.newest.Name != "" {
		defer s.mu.Unlock()
		if f == nil {
			return agent.Reading{}, false
		}
		return f.newest, true
	}
	v := s.snapshot(f)
	s.mu.Unlock()
	var newest agent.Reading
	v.entries(s, name, v.upTo, func(header) bool { return true }, func(_ uint64, e agent.Entry) bool {
		newest = e.Reading
		return true
	})
	return newest, newest.Name != ""
}

// MaxBuckets is the most that Buckets gives.
const MaxBuckets = 10000

// A Bucket sums up the numbers of one stretch of time. Without any, Count is 0.
type Bucket struct {
	From           time.Time
	Min, Max, Mean float64
	Count          int
}

// Buckets divides [from, to) into n (1 to MaxBuckets) equal stretches and sums
// up the numbers of a field that may be used in each. It returns all n, empty
// ones too. The error is that of Range, or says that there is nothing to divide.
func (s *Store) Buckets(name string, from, to time.Time, n int) ([]Bucket, error) {
	start, span := from.UnixMilli(), to.UnixMilli()-from.UnixMilli()
	if n < 1 || n > MaxBuckets || span < int64(n) || span > 1<<48 {
		return nil, fmt.Errorf("buckets of %s: %s to %s cannot be divided by %d", name, agent.Stamp(from), agent.Stamp(to), n)
	}
	list := make([]Bucket, n)
	for i := range list {
		list[i].From = time.UnixMilli(start + span*int64(i)/int64(n)).UTC()
	}
	err := s.between(name, from, to, func(e agent.Entry) bool {
		if f, _ := e.Value.Float(); e.Value.Kind() == agent.IsNumber && e.OK() {
			list[min(int64(n)-1, (e.Time.UnixMilli()-start)*int64(n)/span)].add(f)
		}
		return true
	})
	return list, err
}

func (b *Bucket) add(f float64) {
	if b.Count == 0 {
		b.Min, b.Max = f, f
	}
	b.Count++
	b.Min, b.Max = min(b.Min, f), max(b.Max, f)
	b.Mean += (f - b.Mean) / float64(b.Count)
}
