package store

import (
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"pipit/agent"
)

// The buckets of the file. The sequence of the first is the number of readings
// in it. Fields and links are small and lie inside the root page.
var (
	readingsBucket = []byte("readings") // segment (8 bytes, big endian) name: chunk
	fieldsBucket   = []byte("fields")   // name: last position, newest segment
	linksBucket    = []byte("links")    // link NUL name: position, segment
	stateBucket    = []byte("state")    // space NUL key: value
	alertsBucket   = []byte("alerts")   // see alertfile.go
)

const (
	maxSegment  = 16 << 10 // bytes of all its chunks
	minSegment  = 4 << 10
	segmentTime = 6 * time.Hour
)

func chunkKey(segment uint64, name string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, segment), name...)
}

func pair(a, b uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, a), b)
}

func unpair(v []byte) (a, b uint64, err error) {
	d := decoder{b: v}
	a, b = d.uvarint(), d.uvarint()
	if d.failed {
		err = errDamaged
	}
	return a, b, err
}

// A batch is what one transaction writes.
type batch struct {
	entries map[string][]agent.Entry // by field
	fields  map[string]uint64        // last position; all that changed
	links   map[string]map[string]position
	more    bool
}

// take copies what is not on disk, up to a size.
func (s *Store) take() (b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b = batch{make(map[string][]agent.Entry), make(map[string]uint64), make(map[string]map[string]position), false}
	room := int(min(s.opt.MaxSize/16, maxMemory/4))
	for name, f := range s.fields {
		n := 0
		for n < len(f.memory) && room > 0 {
			room -= cost(f.memory[n])
			n++
		}
		if n > 0 {
			b.entries[name] = f.memory[:n]
		}
		if n < len(f.memory) {
			b.more = true
			b.fields[name] = f.memory[n].Pos - 1
		} else if f.dirty {
			b.fields[name] = f.last
		}
	}
	for link, l := range s.links {
		changed := make(map[string]position)
		for name, p := range l.positions {
			if p.dirty {
				changed[name] = *p
			}
		}
		if len(changed) > 0 {
			b.links[link] = changed
		}
	}
	return b
}

// commit writes all that is in memory.
func (s *Store) commit() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.ensure(); err != nil {
		return err
	}
	err := s.flushAlerts()
	if e := s.flushReadings(); err == nil {
		err = e
	}
	return err
}

// flushReadings is called under writing.
func (s *Store) flushReadings() error {
	for {
		b := s.take()
		if len(b.fields) == 0 && len(b.links) == 0 {
			return nil
		}
		if err := s.commitBatch(b); err != nil {
			return err
		}
		if !b.more {
			return nil
		}
	}
}

func (s *Store) commitBatch(b batch) error {
	var t trimmed
	segments := make(map[string]uint64)
	err := s.update(func(tx *bbolt.Tx) (err error) {
		readings, err := tx.CreateBucketIfNotExists(readingsBucket)
		if err != nil {
			return err
		}
		if t, err = s.trim(tx, readings); err != nil {
			return err
		}
		if err := s.write(tx, readings, b, segments); err != nil {
			return err
		}
		return readings.SetSequence(readings.Sequence() - min(t.count(), readings.Sequence()) + b.count())
	})
	if err != nil {
		// What the chunks hold may not be on disk: begin a new segment.
		s.chunks, s.size = nil, 0
		s.nextSegment()
		if !errors.Is(err, berrors.ErrMaxSizeReached) {
			return err
		}
		if err := s.makeRoom(err); err != nil {
			return err
		}
		return s.commitBatch(b)
	}
	s.settle(b, t, segments)
	return nil
}

func (b batch) count() (n uint64) {
	for _, entries := range b.entries {
		n += uint64(len(entries))
	}
	return n
}

// segmentSize is less in a small file: bbolt writes a chunk to pages in one
// piece, and the free ones of a full file are scattered.
func (s *Store) segmentSize() int {
	return int(min(max(minSegment, s.opt.MaxSize/512), maxSegment))
}

func (s *Store) nextSegment() {
	s.chunks, s.size, s.began = make(map[string]*chunk), 0, time.Now()
	s.mu.Lock()
	s.segment++
	s.mu.Unlock()
}

// write puts a batch into the present segment, and further ones as it fills.
func (s *Store) write(tx *bbolt.Tx, readings *bbolt.Bucket, b batch, segments map[string]uint64) error {
	if s.chunks == nil || time.Since(s.began) > segmentTime {
		s.nextSegment()
	}
	for name, entries := range b.entries {
		for len(entries) > 0 {
			if s.size > s.segmentSize() {
				s.nextSegment()
			}
			c := s.chunks[name]
			if c == nil {
				c = &chunk{}
				s.chunks[name] = c
			}
			was := len(c.body)
			for len(entries) > 0 && s.size+len(c.body)-was <= s.segmentSize() {
				c.add(entries[0])
				entries = entries[1:]
			}
			s.size += len(c.body) - was
			segments[name] = s.segment
			if err := readings.Put(chunkKey(s.segment, name), c.encode()); err != nil {
				return err
			}
		}
	}
	return s.writeHeads(tx, b, segments)
}

func (s *Store) writeHeads(tx *bbolt.Tx, b batch, segments map[string]uint64) error {
	fields, err := tx.CreateBucketIfNotExists(fieldsBucket)
	if err != nil {
		return err
	}
	for name, last := range b.fields {
		segment := segments[name]
		if segment == 0 {
			segment = s.segmentOf(name)
		}
		if err := fields.Put([]byte(name), pair(last, segment)); err != nil {
			return err
		}
	}
	links, err := tx.CreateBucketIfNotExists(linksBucket)
	if err != nil {
		return err
	}
	for link, positions := range b.links {
		for name, p := range positions {
			if err := links.Put([]byte(link+"\x00"+name), pair(p.pos, p.segment)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) segmentOf(name string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fields[name].segment
}

// settle takes over that a batch is on disk.
func (s *Store) settle(b batch, t trimmed, segments map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return // condemned since: the batch is in memory still, for the next file
	}
	for name, last := range b.fields {
		f := s.fields[name]
		for len(f.memory) > 0 && f.memory[0].Pos <= last {
			s.memory -= cost(f.memory[0])
			f.memory = f.memory[1:]
		}
		if len(f.memory) == 0 {
			f.memory = nil
		}
		f.segment, f.dirty = max(f.segment, segments[name]), f.last != last
	}
	for link, positions := range b.links {
		for name, p := range positions {
			if now := s.links[link].positions[name]; now != nil {
				now.dirty = now.pos != p.pos
			}
		}
	}
	s.count(t)
	s.counters.Readings += b.count()
}
