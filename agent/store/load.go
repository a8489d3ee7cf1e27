package store

import (
	"encoding/binary"
	"os"
	"strings"

	"go.etcd.io/bbolt"

	"pipit/agent"
)

// load takes a freshly opened file over. What was accepted in memory before the
// file could be opened comes behind what the file has.
func (s *Store) load(tx *bbolt.Tx, db *bbolt.DB, f *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first, s.segment = 1, 1
	if b := tx.Bucket(readingsBucket); b != nil {
		first, _ := b.Cursor().First()
		last, _ := b.Cursor().Last()
		if len(first) >= 8 && len(last) >= 8 {
			s.first, s.segment = binary.BigEndian.Uint64(first), binary.BigEndian.Uint64(last)+1
		}
		s.counters.Readings = b.Sequence()
	}
	err := each(tx, fieldsBucket, s.loadField)
	if err == nil {
		err = each(tx, linksBucket, s.loadPosition)
	}
	var kept alertFile
	if err == nil {
		kept, err = readAlerts(tx)
	}
	if err != nil {
		return err
	}
	s.alerts.merge(kept)
	s.boundAlerts()
	s.db, s.file = db, f
	ring(&s.grew)
	return nil
}

func each(tx *bbolt.Tx, bucket []byte, fn func(key string, a, b uint64) error) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		x, y, err := unpair(v)
		if err != nil {
			return err
		}
		return fn(string(k), x, y)
	})
}

func (s *Store) loadField(name string, last, segment uint64) error {
	f := s.fields[name]
	if f == nil {
		if segment < s.first || len(s.fields) >= maxFields {
			return nil // nothing of it is kept
		}
		f = &field{}
		s.fields[name] = f
	}
	if len(f.memory) > 0 && f.memory[0].Pos <= last {
		shift := last + 1 - f.memory[0].Pos
		moved := make([]agent.Entry, len(f.memory))
		for i, e := range f.memory {
			e.Pos += shift
			moved[i] = e
		}
		f.memory = moved
		f.last += shift
		for _, l := range s.links {
			delete(l.positions, name) // the file's count now; without one, all is new to the link
		}
	}
	f.last, f.segment = max(f.last, last), segment
	return nil
}

func (s *Store) loadPosition(key string, pos, segment uint64) error {
	link, name, _ := strings.Cut(key, "\x00")
	l := s.link(link)
	if f := s.fields[name]; f != nil {
		l.advance(name, min(pos, f.last), segment)
	}
	return nil
}
