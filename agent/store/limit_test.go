package store

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent"
)

// TestFileSizeLimit lets the kernel refuse what the store writes (EFBIG, as a
// full disk does with ENOSPC), in a process of its own.
func TestFileSizeLimit(t *testing.T) {
	if os.Getenv("STORE_TEST_ROLE") == "" {
		if out, err := child("TestFileSizeLimit", "limit", "").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // else it ends the process
	for name, limit := range map[string]func(size int64) int64{
		"no growth":      func(size int64) int64 { return size },
		"room for pages": func(size int64) int64 { return size + 3*growBy },
		"half a file":    func(size int64) int64 { return size/2 + pageSize/2 },
		"metas only":     func(int64) int64 { return 2 * pageSize },
		"no byte":        func(int64) int64 { return 0 },
		"from the start": nil,
	} {
		t.Run(name, func(t *testing.T) { outlive(t, limit) })
	}
}

// limitFiles sets the greatest size of a file of this process.
func limitFiles(t *testing.T, size int64) {
	t.Helper()
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l)
	if l.Cur = l.Max; size >= 0 {
		l.Cur = uint64(size)
	}
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// outlive works through a time in which files are limited, from the start when limit is nil.
func outlive(t *testing.T, limit func(int64) int64) {
	defer limitFiles(t, -1)
	dir, n, wanted := t.TempDir(), 0, " warning id-3"
	if limit == nil {
		limitFiles(t, 0)
	}
	s := open(t, dir, Options{})
	if limit != nil {
		n, wanted = fillText(s, n, 50), " id-0 id-1 id-2"+wanted
		appendAlerts(t, s, 0, 3)
		commit(t, s)
		limitFiles(t, limit(s.Stats().Bytes))
	}
	for range 5 {
		n = fillText(s, n, 100)
		s.tell(s.commit())
	}
	if st := s.Stats(); !strings.Contains(st.Error, "file too large") || st.Uncommitted < 100 || st.Notice != "" {
		t.Errorf("while it fails: %+v", st)
	}
	if list := drain(t, s, "xmpp", "a"); len(list) != n {
		t.Errorf("%d readings of %d while it fails", len(list), n)
	}
	err := s.AppendAlert(alertN(3)) // where free pages are left, it may be on disk
	if got := alertWords(t, s); got != wanted {
		t.Errorf("alerts while it fails: %q, want %q", got, wanted)
	}

	limitFiles(t, -1)
	if err == nil {
		if got := alertWords(t, copyOf(t, s)); got != wanted {
			t.Errorf("AppendAlert says that %q is on disk, where %q is", wanted, got)
		}
	}
	s.tell(s.commit())
	if st := s.Stats(); st.Notice+st.Error != "" || st.Uncommitted != 0 || st.Readings != uint64(n) {
		t.Errorf("afterwards: %+v", st)
	}
	s = copyOf(t, s)
	if got := alertWords(t, s); got != wanted+" info" {
		t.Errorf("alerts afterwards: %q", got)
	}
	list, err := s.Range("a", time.Time{}, start.AddDate(1, 0, 0), 1e6)
	if len(list) != n || err != nil || s.Stats().Notice != "" {
		t.Errorf("%d readings of %d: %v, %+v", len(list), n, err, s.Stats())
	}
}

// fillText appends count long readings from n on and returns the next n.
func fillText(s *Store, n, count int) int {
	for i := range count {
		r := reading("a", n+i)
		r.Value = agent.Text(fmt.Sprint(n+i, strings.Repeat("x", 900)))
		s.Append(r)
	}
	return n + count
}

// alertWords returns the ids of the alerts that are pending, and the level of the store's own.
func alertWords(t *testing.T, s *Store) (words string) {
	for _, e := range pendingAlerts(t, s, "xmpp") {
		if e.Name == alertName {
			e.ID = e.Level.String()
		}
		words += " " + e.ID
	}
	return words
}
