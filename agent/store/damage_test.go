package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// sample returns the bytes of a store with several levels of pages and free pages.
func sample(t testing.TB) []byte {
	s := open(t, t.TempDir(), Options{})
	for i := range 40 {
		for f := range 20 {
			r := reading(fmt.Sprint("sensor", f, ".field"), i)
			r.Reason = strings.Repeat("r", i%7)
			s.Append(r)
		}
		s.After("xmpp", "sensor1.field", 1)
		commit(t, s)
		s.mu.Lock()
		s.segment += uint64(i % 2)
		s.mu.Unlock()
	}
	if err := s.Set("alerts", "a", bytes.Repeat([]byte("x"), 9000)); err != nil {
		t.Fatal(err)
	}
	pendingAlerts(t, s, "mqtt")
	appendAlerts(t, s, 0, 60)
	s.Close()
	data, err := os.ReadFile(filepath.Join(s.dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// use calls everything that touches the disk.
func use(t testing.TB, s *Store) {
	s.Append(reading("sensor1.field", 1000))
	for _, name := range []string{"sensor1.field", "sensor7.field"} {
		for range 100 {
			entries := s.After("xmpp", name, 10)
			if len(entries) == 0 {
				break
			}
			s.Done("xmpp", name, entries[len(entries)-1].Pos)
		}
		s.Last(name)
		s.Range(name, start, start.Add(time.Hour), 100)
		s.Buckets(name, start, start.Add(time.Hour), 10)
	}
	s.Get("alerts", "a")
	s.List("alerts")
	s.Set("alerts", "b", []byte("b"))
	s.AppendAlert(alertN(7))
	for range 100 {
		list := pendingAlerts(t, s, "xmpp")
		if len(list) == 0 {
			break
		}
		s.AlertDone("xmpp", list[len(list)-1].Pos)
	}
	s.commit()
	s.Append(reading("sensor2.field", 1001))
	if err := s.commit(); err != nil {
		t.Errorf("no way to a sound file: %v", err)
	}
	if r, ok := s.Last("sensor2.field"); !ok || !cmp.Equal(r, reading("sensor2.field", 1001), equal) {
		t.Errorf("Last: %v, %v", r, ok)
	}
}

func TestDamagedFileIsSetAside(t *testing.T) {
	whole := sample(t)
	zero := func(page int) func([]byte) []byte {
		return func(b []byte) []byte { clear(b[page*pageSize:][:pageSize]); return b }
	}
	for name, damage := range map[string]func([]byte) []byte{
		"garbage":       func(b []byte) []byte { return bytes.Repeat([]byte("garbage "), 9999) },
		"one byte":      func(b []byte) []byte { return b[:1] },
		"one page":      func(b []byte) []byte { return b[:pageSize] },
		"half":          func(b []byte) []byte { return b[:len(b)/4] },
		"zeroed":        func(b []byte) []byte { clear(b); return b },
		"zeroed metas":  func(b []byte) []byte { clear(b[:2*pageSize]); return b },
		"zeroed middle": func(b []byte) []byte { clear(b[2*pageSize : 40*pageSize]); return b },
		"wrong magic":   func(b []byte) []byte { b[16], b[pageSize+16] = 1, 1; return b },
		"wrong version": func(b []byte) []byte { b[20], b[pageSize+20] = 9, 9; return b },
		"shifted":       func(b []byte) []byte { return append([]byte("x"), b...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			data := damage(bytes.Clone(whole))
			os.WriteFile(filepath.Join(dir, fileName), data, 0o600)
			s := open(t, dir, Options{})
			use(t, s)
			st := s.Stats()
			aside, _ := filepath.Glob(filepath.Join(dir, "*.damaged-*"))
			if len(aside) != 1 || !strings.Contains(st.Notice, aside[0]) || st.Error != "" {
				t.Fatalf("%v, %+v", aside, st)
			}
			if kept, _ := os.ReadFile(aside[0]); !bytes.Equal(kept, data) {
				t.Error("the damaged file was changed")
			}
		})
	}
	// Each zeroed page is either not in use or found.
	for page := range len(whole) / pageSize {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, fileName), zero(page)(bytes.Clone(whole)), 0o600)
		use(t, open(t, dir, Options{}))
	}
}

func TestOldMetaIsGoodEnough(t *testing.T) {
	whole := sample(t)
	newer := 0
	if order.Uint64(whole[pageSize+16+48:]) > order.Uint64(whole[16+48:]) {
		newer = pageSize
	}
	whole[newer+30] ^= 1 // torn while it was written
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, fileName), whole, 0o600)
	s := open(t, dir, Options{})
	if st := s.Stats(); st.Notice != "" || st.Readings != 800 {
		t.Errorf("%+v", st)
	}
}

func TestKeepsTwoDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	for range 4 {
		os.WriteFile(filepath.Join(dir, fileName), []byte("garbage"), 0o600)
		open(t, dir, Options{}).Close()
		time.Sleep(2 * time.Millisecond) // the names are times
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.damaged-*")); len(aside) != 2 {
		t.Error(aside)
	}
}

// TestDamageWhileOpen damages the file under a store that works on it.
func TestDamageWhileOpen(t *testing.T) {
	for name, damage := range map[string]func(*os.File) error{
		"cut off": func(f *os.File) error { return f.Truncate(0) },
		"zeroed":  func(f *os.File) error { _, err := f.WriteAt(make([]byte, 60*pageSize), 2*pageSize); return err },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			os.WriteFile(path, sample(t), 0o600)
			s := open(t, dir, Options{})
			drain(t, s, "xmpp", "sensor1.field")
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				err = damage(f)
				f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			fill(s, "sensor1.field", 40, 45)
			use(t, s)
			if st := s.Stats(); st.Notice == "" || st.Error != "" {
				t.Errorf("%+v", st)
			}
			s = reopen(t, s)
			if list, err := s.Range("sensor1.field", start, start.Add(time.Hour), 100); len(list) != 5 || err != nil {
				t.Errorf("%v, %v", list, err)
			}
		})
	}
}

func TestDiskFails(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	fill(s, "a", 0, 10)
	commit(t, s)
	fd := int(s.file.Fd())
	good, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := os.Open(filepath.Join(s.dir, fileName)) // cannot be written
	if err != nil {
		t.Fatal(err)
	}
	syscall.Dup3(int(bad.Fd()), fd, syscall.O_CLOEXEC)
	bad.Close()
	fill(s, "a", 10, 20)
	for range 3 {
		s.tell(s.commit())
	}
	if st := s.Stats(); st.Error == "" || st.Uncommitted != 10 || st.Readings != 10 || st.Notice != "" {
		t.Errorf("while it fails: %+v", st)
	}
	if s.Set("x", "y", nil) == nil {
		t.Error("Set while the disk fails: no error")
	}
	want(t, drain(t, s, "xmpp", "a"), "a", 0, 20, 0)
	syscall.Dup3(good, fd, syscall.O_CLOEXEC)
	syscall.Close(good)
	s.tell(s.commit())
	if st := s.Stats(); st.Error != "" || st.Uncommitted != 0 || st.Readings != 20 {
		t.Errorf("afterwards: %+v", st)
	}
	s = reopen(t, s)
	want(t, drain(t, s, "mqtt", "a"), "a", 0, 20, 0)
}

// FuzzDamagedFile overwrites a part of a file: nothing may get out of the
// package but answers, and the store has to come to a sound file.
func FuzzDamagedFile(f *testing.F) {
	whole := sample(f)
	f.Add(uint32(0), []byte{0}, uint32(1<<30))
	f.Add(uint32(2*pageSize+8), []byte{1}, uint32(1<<30))
	f.Add(uint32(5*pageSize+12), []byte{9, 0, 0, 0}, uint32(1<<30))
	f.Add(uint32(7*pageSize+16), bytes.Repeat([]byte{0xff}, 64), uint32(1<<30))
	f.Add(uint32(9*pageSize), make([]byte, 512), uint32(17*pageSize))
	f.Fuzz(func(t *testing.T, at uint32, with []byte, size uint32) {
		data := bytes.Clone(whole)
		copy(data[int(at)%len(data):], with)
		data = data[:min(len(data), int(size))]
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, fileName), data, 0o600)
		s := open(t, dir, Options{})
		use(t, s)
		s.Close()
	})
}

func FuzzChunk(f *testing.F) {
	c := &chunk{}
	c.add(agent.Entry{Pos: 7, Reading: reading("a", 3)})
	c.add(agent.Entry{Pos: 9, Reading: agent.Reading{Value: agent.Text("x"), Reason: "why", Quality: agent.Uncertain}})
	f.Add(c.body)
	f.Fuzz(func(t *testing.T, body []byte) {
		d := decoder{b: body}
		var entries []agent.Entry
		for len(d.b) > 0 && !d.failed {
			entries = append(entries, d.entry())
		}
		_ = entries
	})
}

func TestChunkRoundTrip(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	var entries []agent.Entry
	add := func(gap uint64, r agent.Reading) {
		pos := gap + 1
		if n := len(entries); n > 0 {
			pos += entries[n-1].Pos
		}
		r.Name = "a"
		entries = append(entries, agent.Entry{Pos: pos, Reading: r})
	}
	for i, v := range []float64{0, 21.5, 21, -3.25, 1e300, 0.1 + 0.2, 1 << 60, 5e-324, 21.55, 21.5, -1e-9, 1 << 52, 1013.25} {
		add(uint64(i%3), agent.Reading{Value: agent.Number(v), Unit: "°C", Time: at(int64(i) * 1000)})
	}
	add(0, agent.Reading{Value: agent.Text("grün"), Time: at(-5)})
	add(1<<40, agent.Reading{Value: agent.Bool(true), Time: time.Time{}})
	add(0, agent.Reading{Value: agent.Bool(false), Quality: agent.Uncertain, Reason: "the clock is not set", Time: at(1 << 50)})
	add(0, agent.Faulty("a", agent.Fault, at(1), "no answer within 5s"))
	add(0, agent.Faulty("a", agent.Missing, at(1), ""))
	c := &chunk{}
	for _, e := range entries {
		c.add(e)
	}
	h, err := parse(c.encode())
	if err != nil || h.first != entries[0].Pos || h.last != c.last || h.count != uint64(len(entries)) || h.to != 1<<50 {
		t.Fatalf("%+v, %v", h, err)
	}
	var got []agent.Entry
	if more, err := h.each("a", func(e agent.Entry) bool { got = append(got, e); return true }); !more || err != nil {
		t.Error(more, err)
	}
	if diff := cmp.Diff(entries, got, equal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
