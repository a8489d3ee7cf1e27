package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"pipit/agent"
)

// The bucket of alerts. Its sequence is the position of the newest ever.
//
//	a position (8 bytes, big endian): crc32c of the rest, 4 bytes; level; time in ms: varint; id, name, text;
//	  and, but not in older files, number: uvarint; state; 1 for a room; to, rule, replaced id; what follows is not read
//	l link: position, uvarint
//	t: names of damaged files, joined by NUL
const (
	alertKeys = "a"
	linkKeys  = "l"
	toldKey   = "t"
)

func alertKey(pos uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(alertKeys), pos)
}

func encodeAlert(a agent.Alert) []byte {
	b := binary.AppendVarint([]byte{0, 0, 0, 0, byte(a.Level)}, a.Time.UnixMilli())
	b = appendString(appendString(appendString(b, a.ID), a.Name), a.Text)
	b = binary.AppendUvarint(b, a.Number)
	b = append(b, byte(a.State), bit(a.Room))
	b = appendString(appendString(appendString(b, a.To), a.Rule), a.Replaces)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

func decodeAlert(v []byte) (a agent.Alert, err error) {
	if len(v) < 4 || binary.LittleEndian.Uint32(v) != crc32.Checksum(v[4:], castagnoli) {
		return a, errDamaged
	}
	d := decoder{b: v[4:]}
	a.Level = agent.Level(d.take(1)[0])
	a.Time = time.UnixMilli(d.varint()).UTC()
	a.ID, a.Name, a.Text = d.string(), d.string(), d.string()
	if len(d.b) > 0 { // older files have nothing more
		a.Number = d.uvarint()
		a.State = agent.AlertState(d.take(1)[0])
		a.Room = d.take(1)[0] == 1
		a.To, a.Rule, a.Replaces = d.string(), d.string(), d.string()
	}
	if d.failed {
		return agent.Alert{}, errDamaged
	}
	return a, nil
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// An alertFile is what a file has of alerts.
type alertFile struct {
	list  []agent.AlertEntry
	last  uint64
	links map[string]uint64
	told  []string
}

func readAlerts(tx *bbolt.Tx) (f alertFile, err error) {
	f.links = make(map[string]uint64)
	b := tx.Bucket(alertsBucket)
	if b == nil {
		return f, nil
	}
	f.last = b.Sequence()
	return f, b.ForEach(func(k, v []byte) error {
		switch kind, rest := k[:1], k[1:]; string(kind) {
		case alertKeys:
			if len(rest) != 8 {
				return errDamaged
			}
			a, err := decodeAlert(v)
			pos := binary.BigEndian.Uint64(rest)
			f.list, f.last = append(f.list, agent.AlertEntry{Pos: pos, Alert: a}), max(f.last, pos)
			return err
		case linkKeys:
			d := decoder{b: v}
			pos := d.uvarint()
			f.links[string(rest)], f.last = pos, max(f.last, pos)
		case toldKey:
			f.told = strings.Split(string(v), "\x00")
		}
		return nil
	})
}

// merge takes over what a freshly opened file has. What came before it could be
// opened follows behind, unless it is the same alert; then the positions of the
// file count, also those of links: better delivered twice than never.
func (q *alertQueue) merge(f alertFile) {
	fresh := q.version == 0
	own := slices.DeleteFunc(slices.Clone(q.list), func(e agent.AlertEntry) bool {
		return slices.ContainsFunc(f.list, func(o agent.AlertEntry) bool { return o.ID == e.ID })
	})
	if f.last > 0 {
		for i := range own {
			own[i].Pos = f.last + 1 + uint64(i)
		}
		for _, l := range q.links {
			*l = alertLink{}
		}
		q.saved = f.last
	}
	for name, pos := range f.links {
		q.link(name).pos = pos
	}
	q.list, q.size, q.last = append(f.list, own...), 0, max(q.last, f.last+uint64(len(own)))
	for _, e := range q.list {
		q.size += alertCost(e.Alert)
	}
	if q.told == nil {
		q.told = f.told
	}
	q.version++
	if fresh {
		q.written = q.version
	}
	ring(&q.rang)
}

// An alertBatch is what one transaction writes.
type alertBatch struct {
	add         []agent.AlertEntry
	first, last uint64 // what lies before first is deleted
	links       map[string]uint64
	told        []string
	version     uint64
}

// takeAlerts copies what is not on disk; ok is false when there is nothing.
func (s *Store) takeAlerts() (b alertBatch, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.alerts
	if q.version == q.written {
		return b, false
	}
	b = alertBatch{first: q.first(), last: q.last, links: make(map[string]uint64), told: q.told, version: q.version}
	for name, l := range q.links {
		b.links[name] = l.pos
	}
	i := slices.IndexFunc(q.list, func(e agent.AlertEntry) bool { return e.Pos > q.saved })
	if i >= 0 {
		b.add = slices.Clone(q.list[i:])
	}
	return b, true
}

// saveAlerts opens the file if need be and writes the alerts.
func (s *Store) saveAlerts() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.ensure(); err != nil {
		return err
	}
	return s.flushAlerts()
}

// flushAlerts writes what changed in the alerts, if anything did. It is called
// under writing.
func (s *Store) flushAlerts() error {
	b, ok := s.takeAlerts()
	if !ok {
		return nil
	}
	err := s.update(b.write)
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		if err = s.makeRoom(err); err == nil {
			err = s.update(b.write)
		}
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil { // else condemned since: all of it goes into the next file
		s.alerts.written, s.alerts.saved = b.version, b.last
	}
	return nil
}

func (b alertBatch) write(tx *bbolt.Tx) error {
	bucket, err := tx.CreateBucketIfNotExists(alertsBucket)
	if err != nil {
		return err
	}
	if err := deleteBefore(bucket, alertKey(b.first)); err != nil {
		return err
	}
	for _, e := range b.add {
		if err := bucket.Put(alertKey(e.Pos), encodeAlert(e.Alert)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.links)) {
		if err := bucket.Put([]byte(linkKeys+name), binary.AppendUvarint(nil, b.links[name])); err != nil {
			return err
		}
	}
	if len(b.told) > 0 {
		if err := bucket.Put([]byte(toldKey), []byte(strings.Join(b.told, "\x00"))); err != nil {
			return err
		}
	}
	return bucket.SetSequence(b.last)
}

// deleteBefore deletes the alerts before a key.
func deleteBefore(bucket *bbolt.Bucket, key []byte) error {
	c := bucket.Cursor()
	for {
		k, _ := c.Seek([]byte(alertKeys))
		if k == nil || bytes.Compare(k, key) >= 0 {
			return nil
		}
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
}
