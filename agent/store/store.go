// Package store keeps what survives a restart: every accepted reading by field
// and time, the position of each link in each field, and small state of other
// parts. It is an agent.Record on one bbolt file, readings.db.
//
//	Append ──> memory ──Run, every Flush──> one transaction: readings, positions, trims
//	             │                              │
//	             └── After, Range, Last, Buckets read both: what is not committed is seen too
//
//	AppendAlert, AlertDone ──> memory ──at once──> a transaction of its own
//	                             └── PendingAlerts
//
// It is an agent.Alerts too: alerts are few and stay in memory until every link
// has delivered them.
//
// # Layout
//
// Time is cut into segments of at most 16 KiB (4 to 16 KiB in a file below 8 MB)
// or 6 h; a segment holds one chunk for each field that has readings in it, under
// the key segment‖field. All chunks of the present segment lie side by side, so a
// commit writes two or three leaf pages and not one for each field, and a whole
// reading costs 3 to 5 bytes: one key for each reading would write the same
// pages, but take 20 times the space, and an SD card wears by pages written. To
// trim is to delete from the front. A restart begins a new segment.
//
// Within a field the order is that of acceptance (Pos), whatever the clock
// does. Queries by time look at all chunks whose span of time fits, and answer in
// the order of acceptance: after a step of the clock times may go back.
//
// # Failure
//
// Append, Pending and Done never touch the disk, and no failure of the disk is
// theirs: a full, read-only or absent disk leaves readings in memory (about
// 3 MB; then the field that waits with most loses its oldest) and is tried again
// each Flush. After and the queries read the disk, and what is in memory when
// they cannot. A damaged file is renamed to readings.db.damaged-TIME, and a new
// one begun, also in the middle of the work: bbolt has no checksums on its
// pages and panics, which is caught here. Stats tells all of it, and the store
// appends alerts of its own, named "store": one for each damaged file, and one
// when the disk begins to fail and one when that is over, at most once an hour.
package store

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"pipit/agent"
)

const (
	fileName  = "readings.db"
	minSize   = 1 << 20
	maxMemory = 3 << 20 // bytes of readings that are not committed
	maxFields = agent.MaxReadings
)

// ErrInUse tells that another process has the file open.
var ErrInUse = errors.New("another pipit uses it")

// Options of a store. The zero value is the default.
type Options struct {
	Flush   time.Duration // readings and positions are committed this often; 0: 10 s
	Keep    time.Duration // readings older than this are dropped, a segment at a time; 0: 30 days
	MaxSize int64         // bytes of the file, at least 1 MB; oldest readings are dropped to stay below; 0: 64 MB. A file that is greater already does not shrink
	Log     *slog.Logger  // nil: silent

	// Believed tells whether the time of day may be believed; while it may not,
	// nothing is dropped for its age. It is called in the middle of a commit and
	// may call Append, but nothing that waits for the disk. nil: always.
	Believed func() bool
}

// A Store is a record on disk. Its methods may be called from any goroutine.
type Store struct {
	opt      Options
	dir      string
	openFile func(name string, flag int, perm os.FileMode) (*os.File, error)
	full     chan struct{} // holds one: memory is filling up, commit now

	writing sync.Mutex // held by whoever writes to the disk; taken before mu
	chunks  map[string]*chunk
	size    int       // bytes in chunks
	began   time.Time // of the present segment

	mu       sync.Mutex
	db       *bbolt.DB // nil: in memory only
	file     *os.File  // under db
	damaged  error     // the file has to be set aside
	closed   bool
	fields   map[string]*field
	links    map[string]*link
	grew     chan struct{} // closed at the next Append; nil when nobody waits
	alerts   alertQueue
	alarm    alarm
	memory   int    // bytes, see cost
	limit    int    // of memory
	first    uint64 // oldest segment on disk
	segment  uint64 // present segment
	counters Stats
}

// Open opens the store in a directory, which it makes (mode 0700) with the
// file (0600) where they are missing. It waits at most 1 s for another process
// that has the file open, and then fails with ErrInUse. No other failure is an
// error: the store works in memory, Run tries the disk again, and Stats and the
// log say why. A damaged file is set aside.
//
// Open reads the whole file once, to know that it is sound, and takes as long as
// the disk needs for that: a file that is full at 64 MB has 50 MB, which is 25 ms
// from the page cache and 2.5 s from a slow SD card at 20 MB/s. Ten readings
// every 10 s for 30 days make about 15 MB. A board that has to sense sooner than
// that keeps less: Keep, MaxSize.
func Open(dir string, o Options) (*Store, error) {
	s := newStore(dir, o)
	err := s.saveAlerts() // of a damaged file
	if errors.Is(err, ErrInUse) {
		return nil, err
	}
	s.tell(err)
	return s, nil
}

func newStore(dir string, o Options) *Store {
	if o.Flush <= 0 {
		o.Flush = 10 * time.Second
	}
	if o.Keep <= 0 {
		o.Keep = 30 * 24 * time.Hour
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 64 << 20
	}
	o.MaxSize = min(max(o.MaxSize, minSize), 1<<30) // bbolt maps it at once: 32-bit boards
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{
		opt: o, dir: dir, openFile: os.OpenFile, full: make(chan struct{}, 1), limit: maxMemory,
		fields: make(map[string]*field), links: make(map[string]*link),
		alerts: alertQueue{links: make(map[string]*alertLink)},
	}
}

// Run commits every Flush, and earlier when memory fills up, until ctx ends,
// and then once more. It returns nil.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(s.opt.Flush)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.full:
		case <-t.C:
		}
		s.tell(s.commit())
	}
	return nil
}

// Close commits and closes the file; the error is that of the commit. The
// store goes on in memory if it is used afterwards.
func (s *Store) Close() error {
	err := s.commit()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.leave()
	return err
}

// Stats is the state of a store. Counts are since Open, but for Readings.
type Stats struct {
	File        string      `json:"file"`        // path
	Bytes       int64       `json:"bytes"`       // of the file, 0 while there is none
	Readings    uint64      `json:"readings"`    // kept on disk
	Uncommitted int         `json:"uncommitted"` // in memory
	Aged        uint64      `json:"aged"`        // dropped: older than Keep
	Trimmed     uint64      `json:"trimmed"`     // dropped: the file was at MaxSize
	Overflowed  uint64      `json:"overflowed"`  // dropped: memory was full while the disk failed, or too many fields
	Error       string      `json:"error"`       // why readings stay in memory, "" when all is well
	Notice      string      `json:"notice"`      // the last damaged file and its new name, or ""
	Links       []LinkStats `json:"links"`       // by name

	Alerts        int    `json:"alerts"`         // that a link has not delivered yet
	AlertsDropped uint64 `json:"alerts_dropped"` // before every link had delivered them: there were too many
}

// LinkStats is where a link stands.
type LinkStats struct {
	Name string `json:"name"`
	Lag  uint64 `json:"lag"`  // readings not delivered
	Lost uint64 `json:"lost"` // dropped before they were delivered
}

// Stats returns the present state. It does not wait for the disk.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counters
	st.File = filepath.Join(s.dir, fileName)
	if s.file != nil {
		if info, err := s.file.Stat(); err == nil {
			st.Bytes = info.Size()
		}
	}
	for _, f := range s.fields {
		st.Uncommitted += len(f.memory)
	}
	st.Links = s.linkStats()
	st.Alerts = len(s.alerts.list)
	return st
}

// tell records the state of the disk, logs when it changes and alerts people.
func (s *Store) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	was := s.counters.Error
	s.counters.Error = text
	s.mu.Unlock()
	switch {
	case text == was:
	case text == "":
		s.opt.Log.Info("the store is on disk again", "dir", s.dir)
	default:
		s.opt.Log.Error("the store cannot write; readings stay in memory until it can: see to the disk, and that this user may write the directory", "dir", s.dir, "error", text)
	}
	s.raise(err)
}
