package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A read is a reading that the device is known to have taken: the gauge saw how
// the file was read.
type read struct {
	field     string
	value     int
	set, seen time.Time // since when the file had the value; when it was read
}

// A gauge holds files for sensors of kind "file". Each file has a value that no
// other has had before it, and gets the next one as soon as it was read: so a
// value stands for one reading, and reads are what the device really read,
// whoever lost it afterwards.
type gauge struct {
	t      testing.TB
	dir    string
	fields []string
	events *os.File // inotify(7)

	mu     sync.Mutex
	watch  map[int32]read // the file that stands or stood there, by watch descriptor
	reads  []read
	values map[string]int // the newest
	news   chan struct{}  // closed and replaced at each read
}

// newGauge makes a file for each field in dir. It ends with the test.
func newGauge(t testing.TB, dir string, fields ...string) *gauge {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	g := &gauge{t: t, dir: dir, fields: fields, events: os.NewFile(uintptr(fd), "inotify"),
		watch: map[int32]read{}, values: map[string]int{}, news: make(chan struct{})}
	for _, f := range fields {
		if err := g.next(f); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.run()
	}()
	t.Cleanup(func() {
		_ = g.events.Close()
		<-done
	})
	return g
}

func (g *gauge) path(field string) string { return filepath.Join(g.dir, field) }

// next puts the next value where the sensor reads. The watch is on the file
// itself, not on its name, and ends with the first read.
func (g *gauge) next(field string) error {
	v := g.values[field] + 1
	tmp := g.path(field) + ".new"
	if err := os.WriteFile(tmp, []byte(fmt.Sprintf("%d\n", v)), 0o600); err != nil {
		return err
	}
	wd, err := g.watchFile(tmp)
	if err != nil {
		return err
	}
	g.values[field], g.watch[int32(wd)] = v, read{field: field, value: v, set: time.Now()}
	return os.Rename(tmp, g.path(field))
}

func (g *gauge) watchFile(path string) (wd int, err error) {
	conn, err := g.events.SyscallConn()
	if err != nil {
		return 0, err
	}
	err2 := conn.Control(func(fd uintptr) {
		wd, err = syscall.InotifyAddWatch(int(fd), path, syscall.IN_CLOSE_NOWRITE|syscall.IN_ONESHOT)
	})
	return wd, errors.Join(err, err2)
}

// run notes what is read until the inotify file is closed.
func (g *gauge) run() {
	buf := make([]byte, 64<<10)
	for {
		n, err := g.events.Read(buf)
		if err != nil {
			return
		}
		for b := bytes.NewReader(buf[:n]); b.Len() > 0; {
			var e struct {
				Watch             int32
				Mask, Cookie, Len uint32
			}
			if err := binary.Read(b, binary.NativeEndian, &e); err != nil {
				g.t.Errorf("inotify: %v", err)
				return
			}
			_, _ = b.Seek(int64(e.Len), io.SeekCurrent) // over the name
			if e.Mask&syscall.IN_CLOSE_NOWRITE != 0 {
				g.wasRead(e.Watch)
			}
		}
	}
}

func (g *gauge) wasRead(wd int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.watch[wd]
	delete(g.watch, wd)
	r.seen = time.Now()
	g.reads = append(g.reads, r)
	if err := g.next(r.field); err != nil && !errors.Is(err, os.ErrClosed) {
		g.t.Errorf("gauge %s: %v", r.field, err)
	}
	close(g.news)
	g.news = make(chan struct{})
}

// all returns what was read so far, in order for each field, and how far the
// values have come.
func (g *gauge) all() (reads []read, newest map[string]int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	newest = map[string]int{}
	for f, v := range g.values {
		newest[f] = v
	}
	return slices.Clone(g.reads), newest
}

// await waits until fields were read after a moment.
func (g *gauge) await(t testing.TB, after time.Time, fields ...string) {
	t.Helper()
	limit := time.After(patience)
	for {
		left, news := g.unread(after, fields)
		if len(left) == 0 {
			return
		}
		select {
		case <-news:
		case <-limit:
			t.Fatalf("the device does not read its sensors: waited %v for %v", patience, left)
		}
	}
}

func (g *gauge) unread(after time.Time, fields []string) (left []string, news <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range fields {
		if !slices.ContainsFunc(g.reads, func(r read) bool { return r.field == f && r.seen.After(after) }) {
			left = append(left, f)
		}
	}
	return left, g.news
}

func TestGauge(t *testing.T) {
	g := newGauge(t, t.TempDir(), "a", "b")
	for _, want := range []struct{ field, text string }{{"a", "1\n"}, {"b", "1\n"}, {"a", "2\n"}, {"a", "3\n"}} {
		before := time.Now()
		text, err := os.ReadFile(g.path(want.field))
		if err != nil || string(text) != want.text {
			t.Fatalf("%s holds %q, %v, want %q", want.field, text, err, want.text)
		}
		g.await(t, before, want.field)
	}
	reads, newest := g.all()
	if len(reads) != 4 || reads[3].field != "a" || reads[3].value != 3 || newest["a"] != 4 || newest["b"] != 2 {
		t.Errorf("read: %v; in the files: %v", reads, newest)
	}
	for i, r := range reads {
		if r.set.After(r.seen) || i > 0 && r.seen.Before(reads[i-1].seen) {
			t.Errorf("read %d has the times %v and %v", i, r.set, r.seen)
		}
	}
}
