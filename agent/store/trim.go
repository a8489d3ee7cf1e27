package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"go.etcd.io/bbolt"
)

const trimMost = 256 // chunks in one transaction: bounds its memory

// count is called under mu.
func (s *Store) count(t trimmed) {
	s.counters.Aged += t.aged
	s.counters.Trimmed += t.bySize
	s.counters.Readings -= min(t.count(), s.counters.Readings)
	if t.first > 0 {
		s.first = t.first
	}
}

// trimmed says what a trim dropped.
type trimmed struct {
	aged, bySize uint64
	first        uint64 // the oldest segment left, 0: not known
}

func (t trimmed) count() uint64 { return t.aged + t.bySize }

// trim deletes the oldest chunks: those that are too old, and as many as it
// takes to keep a quarter of the file free for the copies a commit makes.
func (s *Store) trim(tx *bbolt.Tx, readings *bbolt.Bucket) (trimmed, error) {
	st := tx.DB().Stats()
	used := tx.Size() - int64(st.FreePageN+st.PendingPageN)*pageSize
	return s.trimTo(readings, used-(s.opt.MaxSize-growBy)/4*3)
}

// oldest returns the time, in ms, before which readings are too old. A clock
// that runs ahead would make that of all.
func (s *Store) oldest() int64 {
	if s.opt.Believed != nil && !s.opt.Believed() {
		return math.MinInt64
	}
	return time.Now().Add(-s.opt.Keep).UnixMilli()
}

func (s *Store) trimTo(readings *bbolt.Bucket, surplus int64) (t trimmed, err error) {
	oldest := s.oldest()
	present := chunkKey(s.segment, "")
	c := readings.Cursor()
	k, v := c.First()
	for n := 0; n < trimMost && k != nil && bytes.Compare(k, present) < 0; n++ {
		h, err := parse(v)
		if err != nil {
			return t, err
		}
		switch {
		case h.to < oldest:
			t.aged += h.count
		case surplus > 0:
			t.bySize += h.count
		default:
			t.first = binary.BigEndian.Uint64(k)
			return t, nil
		}
		surplus -= int64(len(k) + len(v) + element)
		if err := readings.Delete(k); err != nil {
			return t, err
		}
		k, v = c.First()
	}
	if len(k) >= 8 {
		t.first = binary.BigEndian.Uint64(k)
	}
	return t, nil
}

// makeRoom drops an eighth of MaxSize when a commit did not fit. It returns
// the error of that commit when there was nothing to drop.
func (s *Store) makeRoom(full error) error {
	var t trimmed
	err := s.update(func(tx *bbolt.Tx) (err error) {
		b := tx.Bucket(readingsBucket)
		if b == nil {
			return full
		}
		if t, err = s.trimTo(b, s.opt.MaxSize/8); err != nil {
			return err
		}
		return b.SetSequence(b.Sequence() - min(t.count(), b.Sequence()))
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.count(t)
	s.mu.Unlock()
	if t.count() == 0 {
		return full
	}
	return nil
}
