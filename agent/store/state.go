package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// Bounds of the state of other parts.
const (
	MaxStateValue = 16 << 10 // bytes
	maxStateKey   = 256      // bytes of space and key together
	maxStateKeys  = 1024
	maxState      = 4 << 20 // bytes of all keys and values
)

// Set keeps a small value for another part of the program under a key in its
// own space. It is on disk when Set returns nil, and not changed otherwise.
func (s *Store) Set(space, key string, value []byte) error {
	k, err := stateKey(space, key)
	if err == nil && len(value) > MaxStateValue {
		err = fmt.Errorf("%d bytes are more than %d", len(value), MaxStateValue)
	}
	if err == nil {
		err = s.now(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(stateBucket)
			if err != nil {
				return err
			}
			if err := hasRoom(b, k, value); err != nil {
				return err
			}
			return b.Put(k, value)
		})
	}
	if err != nil {
		return fmt.Errorf("keep %s of %s: %w", key, space, err)
	}
	return nil
}

func hasRoom(b *bbolt.Bucket, key, value []byte) error {
	keys, size := 1, len(key)+len(value)
	err := b.ForEach(func(k, v []byte) error {
		if !bytes.Equal(k, key) {
			keys, size = keys+1, size+len(k)+len(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if keys > maxStateKeys || size > maxState {
		return fmt.Errorf("more than %d keys or %d bytes of state", maxStateKeys, maxState)
	}
	return nil
}

// Get returns a value. ok is false when there is none, or no disk.
func (s *Store) Get(space, key string) (value []byte, ok bool) {
	k, err := stateKey(space, key)
	if err != nil {
		return nil, false
	}
	s.view(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(stateBucket); b != nil {
			v := b.Get(k)
			value, ok = slices.Clone(v), v != nil
		}
		return nil
	})
	return value, ok
}

// Delete removes a value; one that is not there is no error. It is gone from
// the disk when Delete returns nil.
func (s *Store) Delete(space, key string) error {
	k, err := stateKey(space, key)
	if err == nil {
		err = s.now(func(tx *bbolt.Tx) error {
			if b := tx.Bucket(stateBucket); b != nil {
				return b.Delete(k)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("forget %s of %s: %w", key, space, err)
	}
	return nil
}

// List returns the keys of a space, sorted.
func (s *Store) List(space string) []string {
	var keys []string
	s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(stateBucket)
		if b == nil {
			return nil
		}
		prefix := []byte(space + "\x00")
		c := b.Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			keys = append(keys, string(k[len(prefix):]))
		}
		return nil
	})
	return keys
}

func stateKey(space, key string) ([]byte, error) {
	k := space + "\x00" + key
	if len(k) > maxStateKey || strings.Contains(space, "\x00") {
		return nil, fmt.Errorf("the key is longer than %d bytes, or the space has a zero byte", maxStateKey)
	}
	return []byte(k), nil
}

// now runs fn in a transaction of its own.
func (s *Store) now(fn func(*bbolt.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.ensure(); err != nil {
		return err
	}
	return s.update(fn)
}
