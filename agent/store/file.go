package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	lockWait    = time.Second
	lockPoll    = 50 * time.Millisecond
	growBy      = 64 << 10 // bytes; bbolt leaves the last step to MaxSize unused, and its own are 16 MiB
	keepDamaged = 2        // files set aside

	damagedInfix = ".damaged-" // between the name of the file and the time
)

var errNoDisk = errors.New("there is no file open")

// guard runs fn, in which bbolt may panic on a damaged page and a cut or
// unreadable file is a memory fault. Both become errDamaged.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return fn()
}

// view runs fn in a read transaction. After a damage the store is in memory
// only until the next commit begins a new file.
func (s *Store) view(fn func(*bbolt.Tx) error) error {
	s.mu.Lock()
	db := s.db
	s.mu.Unlock()
	if db == nil {
		return nil
	}
	err := guard(func() error { return db.View(fn) })
	if errors.Is(err, errDamaged) {
		s.condemn(db, err)
	}
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil // closed or moved away meanwhile
	}
	return err
}

// update runs fn in a write transaction. It is called under writing.
func (s *Store) update(fn func(*bbolt.Tx) error) error {
	s.mu.Lock()
	db := s.db
	s.mu.Unlock()
	if db == nil {
		return errNoDisk
	}
	err := guard(func() error { return db.Update(fn) })
	if errors.Is(err, errDamaged) {
		s.condemn(db, err)
	}
	return err
}

// condemn gives a damaged database up. It is not closed: after a panic its
// locks may be held for ever, and other readers may be inside. The mapping of
// the file stays behind, at most MaxSize of address space each time.
func (s *Store) condemn(db *bbolt.DB, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != db {
		return
	}
	syscall.Flock(int(s.file.Fd()), syscall.LOCK_UN)
	s.file.Close()
	s.damaged = why
	s.forget()
}

// forget turns to memory: nothing is on disk any more. It is called under mu.
func (s *Store) forget() {
	s.db, s.file = nil, nil
	s.counters.Readings = 0
	for _, f := range s.fields {
		f.segment, f.dirty = 0, true
	}
	for _, l := range s.links {
		for _, p := range l.positions {
			p.segment, p.dirty = 0, true
		}
	}
	s.alerts.saved = 0
	s.alerts.version++
}

// leave closes a sound database. It is called under writing.
func (s *Store) leave() {
	s.mu.Lock()
	db := s.db
	if db != nil {
		s.forget()
	}
	s.mu.Unlock()
	if db != nil {
		guard(db.Close) // waits for readers
	}
}

// ensure opens the file when none is open, or when the one that is open is not
// the one of that name any more. It is called under writing.
func (s *Store) ensure() error {
	s.mu.Lock()
	file, closed := s.file, s.closed
	s.mu.Unlock()
	if closed {
		return errors.New("the store is closed")
	}
	path := filepath.Join(s.dir, fileName)
	if file != nil {
		if isFile(file, path) {
			return nil
		}
		s.leave()
	}
	s.mu.Lock()
	damaged := s.damaged // after leave: a reader may have found it meanwhile
	s.mu.Unlock()
	s.chunks, s.size = nil, 0
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if damaged == nil {
		damaged = s.open(path)
	}
	if errors.Is(damaged, errDamaged) {
		if err := s.setAside(path, damaged); err != nil {
			return err
		}
		damaged = s.open(path)
	}
	if damaged == nil {
		s.noteDamaged()
	}
	return damaged
}

func isFile(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(open, named)
}

// open opens or makes the file and loads what the store has to know of it.
func (s *Store) open(path string) error {
	f, err := s.openFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := lockAndCheck(f); err != nil {
		f.Close()
		return err
	}
	var db *bbolt.DB
	err = guard(func() (err error) {
		// FreelistSync stays on: without it bbolt scans the file at each start, in a
		// goroutine of its own in which a panic on a bad page cannot be caught.
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			PageSize: pageSize, Timeout: lockWait, MaxSize: int(s.opt.MaxSize),
			InitialMmapSize: int(s.opt.MaxSize), // never mapped anew: readers do not wait for a commit
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		})
		return err
	})
	if err != nil {
		f.Close()
		return err
	}
	db.AllocSize = growBy
	if err := guard(func() error { return db.View(func(tx *bbolt.Tx) error { return s.load(tx, db, f) }) }); err != nil {
		guard(db.Close)
		return err
	}
	return nil
}

// lockAndCheck takes the lock that bbolt takes too, so that no other process
// writes while the file is looked at.
func lockAndCheck(f *os.File) error {
	for waited := time.Duration(0); ; waited += lockPoll {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if waited >= lockWait {
			return fmt.Errorf("lock %s: %w; stop it first", f.Name(), ErrInUse)
		}
		time.Sleep(lockPoll) // as bbolt does; bounded by lockWait
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	return checkFile(f, info.Size())
}

// setAside renames a damaged file and removes the oldest of those before it.
func (s *Store) setAside(path string, why error) error {
	aside := path + damagedInfix + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	old := slices.DeleteFunc(s.damagedFiles(), func(name string) bool { return name == filepath.Base(aside) })
	for i := range len(old) + 1 - keepDamaged {
		os.Remove(filepath.Join(s.dir, old[i]))
	}
	s.opt.Log.Error("the store was damaged and is set aside; a new one begins", "file", aside, "error", why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = nil
	s.counters.Notice = fmt.Sprintf("%s was %v; it is set aside as %s", path, why, aside)
	return nil
}

// damagedFiles returns the names of the files set aside, sorted.
func (s *Store) damagedFiles() (names []string) {
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fileName+damagedInfix) {
			names = append(names, e.Name())
		}
	}
	return names
}
