package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"pipit/agent"
)

var _ interface {
	Append(agent.Reading)
	Pending(ctx context.Context, link string) ([]string, error)
	After(link, field string, limit int) []agent.Entry
	Done(link, field string, pos uint64)
} = (*Store)(nil)

var (
	equal = cmp.AllowUnexported(agent.Value{})
	start = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)
)

// reading returns the i-th reading of a field, one a minute.
func reading(name string, i int) agent.Reading {
	return agent.Reading{
		Name: name, Value: agent.Number(float64(i) / 10), Unit: "°C",
		Time: start.Add(time.Duration(i) * time.Minute),
	}
}

// open opens a store that keeps what the tests date in the past.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Keep == 0 {
		o.Keep = 100 * 365 * 24 * time.Hour
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.dir, s.opt)
}

// fill appends the readings from to to-1 of a field.
func fill(s *Store, name string, from, to int) {
	for i := from; i < to; i++ {
		s.Append(reading(name, i))
	}
}

func commit(t testing.TB, s *Store) {
	t.Helper()
	if err := s.commit(); err != nil {
		t.Fatal(err)
	}
}

// drain takes all of a field as a link does, and checks that positions grow by one.
func drain(t testing.TB, s *Store, link, name string) (list []agent.Entry) {
	t.Helper()
	for {
		entries := s.After(link, name, 7)
		if len(entries) == 0 {
			return list
		}
		for i, e := range entries {
			if i > 0 && e.Pos != entries[i-1].Pos+1 {
				t.Fatalf("position %d behind %d", e.Pos, entries[i-1].Pos)
			}
		}
		if again := s.After(link, name, 7); !cmp.Equal(again, entries, equal) {
			t.Fatalf("asked twice: %v and %v", entries, again)
		}
		list = append(list, entries...)
		s.Done(link, name, list[len(list)-1].Pos)
	}
}

// want checks entries: the readings from to to-1, the i-th at position i+1+shift.
func want(t testing.TB, got []agent.Entry, name string, from, to int, shift int) {
	t.Helper()
	var list []agent.Entry
	for i := from; i < to; i++ {
		list = append(list, agent.Entry{Pos: uint64(i + 1 + shift), Reading: reading(name, i)})
	}
	if diff := cmp.Diff(list, got, equal); diff != "" {
		t.Errorf("%s (-want +got):\n%.2000s", name, diff)
	}
}

func TestOrderAndPositionsOverRestart(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	fill(s, "a.x", 0, 100)
	fill(s, "b", 0, 3)
	want(t, s.After("xmpp", "a.x", 10), "a.x", 0, 10, 0)
	commit(t, s)
	fill(s, "a.x", 100, 120)
	want(t, s.After("xmpp", "a.x", 200), "a.x", 0, 120, 0)
	s.Done("xmpp", "a.x", 95)
	s.Done("xmpp", "a.x", 20) // never back
	s = reopen(t, s)
	fill(s, "a.x", 120, 130)
	want(t, drain(t, s, "xmpp", "a.x"), "a.x", 95, 130, 0)
	want(t, drain(t, s, "mqtt", "a.x"), "a.x", 0, 130, 0)
	want(t, s.After("xmpp", "b", 10), "b", 0, 3, 0)
	s = reopen(t, s)
	if got := drain(t, s, "xmpp", "a.x"); len(got) > 0 {
		t.Errorf("delivered again: %v", got)
	}
	s.Done("xmpp", "a.x", 1e9) // more than there is
	fill(s, "a.x", 130, 131)
	want(t, drain(t, s, "xmpp", "a.x"), "a.x", 130, 131, 0)
	st := s.Stats()
	if diff := cmp.Diff([]LinkStats{{"mqtt", 4, 0}, {"xmpp", 3, 0}}, st.Links); diff != "" || st.Readings != 133 || st.Uncommitted != 1 {
		t.Errorf("%+v\n%s", st, diff)
	}
}

func TestFileIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, dir, Options{})
	for path, mode := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, fileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestOneProcess(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if _, err := Open(s.dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	reopen(t, s)
}

func TestLastRangeBuckets(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	fill(s, "a", 0, 90)
	s = reopen(t, s)
	if r, ok := s.Last("a"); !ok || !cmp.Equal(r, reading("a", 89), equal) {
		t.Errorf("Last after a restart: %v, %v", r, ok)
	}
	fill(s, "a", 90, 120)
	s.Append(agent.Faulty("a", agent.Fault, start.Add(10*time.Minute), "no answer")) // the clock went back
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Minute) }
	list, err := s.Range("a", at(80), at(100), 1000)
	if err != nil || len(list) != 20 || list[0].Value != agent.Number(8) || list[19].Value != agent.Number(9.9) {
		t.Errorf("Range: %v, %v", list, err)
	}
	if list, _ := s.Range("a", at(0), at(100), 5); len(list) != 5 {
		t.Errorf("Range with limit: %v", list)
	}
	if list, _ := s.Range("a", at(10), at(11), 5); len(list) != 2 || list[1].Reason != "no answer" {
		t.Errorf("Range over a step of the clock: %v", list)
	}
	if r, ok := s.Last("a"); !ok || r.Quality != agent.Fault {
		t.Errorf("Last: %v, %v", r, ok)
	}
	if _, ok := s.Last("none"); ok {
		t.Error("Last of an unknown field")
	}
	buckets, err := s.Buckets("a", at(0), at(240), 4)
	means := []Bucket{{at(0), 0, 5.9, 2.95, 60}, {at(60), 6, 11.9, 8.95, 60}, {From: at(120)}, {From: at(180)}}
	for i := range buckets {
		buckets[i].Mean, _ = agent.Number(buckets[i].Mean).Round(6).Float()
	}
	if diff := cmp.Diff(means, buckets); diff != "" || err != nil {
		t.Errorf("Buckets: %v\n%s", err, diff)
	}
	for _, n := range []int{0, -1, MaxBuckets + 1} {
		if _, err := s.Buckets("a", at(0), at(240), n); err == nil {
			t.Errorf("%d buckets: no error", n)
		}
	}
	if _, err := s.Buckets("a", at(1), at(0), 3); err == nil {
		t.Error("buckets back in time: no error")
	}
}

func TestTrimBySize(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxSize: 1 << 20})
	s.After("xmpp", "a", 1)
	text := strings.Repeat("x", 500)
	const n = 5000
	for i := range n {
		r := reading("a", i)
		r.Value = agent.Text(fmt.Sprint(i, text))
		s.Append(r)
		if i%100 == 99 {
			commit(t, s)
		}
	}
	st := s.Stats()
	if st.Bytes > 1<<20 || st.Readings < 500 || st.Trimmed == 0 || st.Readings+st.Trimmed != n || st.Overflowed+st.Aged != 0 || st.Error != "" {
		t.Errorf("%+v", st)
	}
	list := drain(t, s, "xmpp", "a")
	if uint64(len(list)) != st.Readings || list[len(list)-1].Pos != n {
		t.Errorf("%d entries to %d", len(list), list[len(list)-1].Pos)
	}
	commit(t, s)
	st = s.Stats()
	if s = reopen(t, s); s.Stats().Readings != st.Readings || s.Stats().Notice != "" {
		t.Errorf("after a restart: %+v", s.Stats())
	}
}

func TestTrimByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), Options{Keep: 48 * time.Hour})
		s.Append(agent.Reading{Name: "b", Value: agent.Text("x"), Time: time.Now()})
		drain(t, s, "xmpp", "b")
		for range 10 {
			for range 12 {
				s.Append(agent.Reading{Name: "a", Value: agent.Bool(true), Time: time.Now()})
				commit(t, s)
				time.Sleep(time.Hour)
			}
		}
		st := s.Stats()
		if st.Readings < 48 || st.Readings > 48+7 || st.Readings+st.Aged != 121 || st.Trimmed != 0 {
			t.Errorf("%+v", st)
		}
		if list := s.After("mqtt", "a", 1000); len(list) < 48 || s.Stats().Links[0].Lost != 0 {
			t.Errorf("a new link begins with what is kept: %d, %+v", len(list), s.Stats())
		}
		s = reopen(t, s)
		if _, ok := s.Last("b"); ok {
			t.Error("a field of which nothing is kept is still known")
		}
		s.Append(agent.Reading{Name: "b", Value: agent.Text("y"), Time: time.Now()})
		if list := s.After("xmpp", "b", 9); len(list) != 1 || list[0].Pos != 1 {
			t.Errorf("a field that came back: %v", list)
		}
		s = reopen(t, s)
		if list := s.After("xmpp", "b", 9); len(list) != 1 {
			t.Errorf("a field that came back, after a restart: %v", list)
		}
	})
}

func TestLostIsCountedOnce(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	fill(s, "a", 0, 10)
	drain(t, s, "xmpp", "a")
	fill(s, "a", 10, 20)
	commit(t, s)
	// The middle is gone: memory overflowed while the disk failed.
	fill(s, "a", 20, 50)
	s.mu.Lock()
	s.limit = 10 * cost(agent.Entry{Reading: reading("a", 0)})
	s.mu.Unlock()
	fill(s, "a", 50, 51)
	want(t, s.After("xmpp", "a", 100), "a", 10, 20, 0)
	s.Done("xmpp", "a", 20)
	want(t, drain(t, s, "xmpp", "a"), "a", 41, 51, 0)
	if st := s.Stats(); st.Links[0].Lost != 21 || st.Overflowed != 21 || st.Uncommitted != 10 {
		t.Errorf("%+v", st)
	}
	s = reopen(t, s)
	if list, _ := s.Range("a", start, start.Add(time.Hour), 1000); len(list) != 30 {
		t.Errorf("%d readings", len(list))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := memoryOnly(t)
	fill(s, "quiet", 0, 3)
	for i := range 20000 {
		r := reading("busy", i)
		r.Reason = strings.Repeat("r", 200)
		s.Append(r)
	}
	s.mu.Lock()
	memory := s.memory
	s.mu.Unlock()
	if st := s.Stats(); memory > maxMemory || st.Uncommitted+int(st.Overflowed) != 20003 || st.Uncommitted < 5000 {
		t.Errorf("%d bytes, %+v", memory, st)
	}
	want(t, drain(t, s, "xmpp", "quiet"), "quiet", 0, 3, 0)
	for i := range maxFields + 10 {
		s.Append(reading(fmt.Sprintf("f%d", i), 0))
	}
	s.Append(reading("Bad Name", 0))
	if len(s.fields) != maxFields {
		t.Errorf("%d fields", len(s.fields))
	}
}

func memoryOnly(t testing.TB) *Store {
	s := newStore(t.TempDir(), Options{Keep: 100 * 365 * 24 * time.Hour})
	s.openFile = func(string, int, os.FileMode) (*os.File, error) { return nil, errors.New("read-only file system") }
	t.Cleanup(func() { s.Close() })
	return s
}

func TestDiskComesLater(t *testing.T) {
	old := open(t, t.TempDir(), Options{})
	fill(old, "a", 0, 50)
	old.After("xmpp", "a", 1)
	old.Done("xmpp", "a", 30)
	old.Close()

	s := memoryOnly(t)
	s.dir = old.dir
	fill(s, "a", 50, 60)
	s.Append(reading("new", 0))
	s.tell(s.commit())
	if st := s.Stats(); st.Error == "" || st.Uncommitted != 11 {
		t.Errorf("%+v", st)
	}
	if s.Set("x", "y", nil) == nil {
		t.Error("Set without a disk: no error")
	}
	want(t, s.After("xmpp", "a", 100), "a", 50, 60, -50)
	s.openFile = os.OpenFile
	s.tell(s.commit())
	if st := s.Stats(); st.Error != "" || st.Uncommitted != 0 || st.Readings != 61 {
		t.Errorf("%+v", st)
	}
	want(t, drain(t, s, "xmpp", "a"), "a", 30, 60, 0)
	want(t, drain(t, s, "xmpp", "new"), "new", 0, 1, 0)
}

func TestFileVanishes(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	fill(s, "a", 0, 10)
	drain(t, s, "xmpp", "a")
	commit(t, s)
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	fill(s, "a", 10, 20)
	commit(t, s)
	s = reopen(t, s)
	want(t, drain(t, s, "xmpp", "a"), "a", 10, 20, 0)
	if r, ok := s.Last("a"); !ok || r.Value != agent.Number(1.9) {
		t.Error(r, ok)
	}
}

func TestPendingWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), Options{})
		fill(s, "b", 0, 1)
		fill(s, "a", 0, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		for _, link := range []string{"xmpp", "mqtt"} {
			if f, err := s.Pending(ctx, link); err != nil || !slices.Equal(f, []string{"a", "b"}) {
				t.Errorf("%s: %v, %v", link, f, err)
			}
			drain(t, s, link, "a")
			drain(t, s, link, "b")
		}
		var got [][]string
		var ended error
		go func() {
			for ended == nil {
				var f []string
				if f, ended = s.Pending(ctx, "xmpp"); ended == nil {
					got = append(got, f)
					drain(t, s, "xmpp", f[0])
				}
			}
		}()
		synctest.Wait()
		fill(s, "b", 1, 2)
		synctest.Wait()
		s.Append(reading("c", 0))
		synctest.Wait()
		if !cmp.Equal(got, [][]string{{"b"}, {"c"}}) {
			t.Errorf("woken with %v", got)
		}
		down := errors.New("the link is down")
		cancel(down)
		synctest.Wait()
		if !errors.Is(ended, down) {
			t.Errorf("ended with %v", ended)
		}
	})
}

func TestRunCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), Options{Flush: 10 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		fill(s, "a", 0, 5)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Uncommitted != 5 {
			t.Errorf("too early: %+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Uncommitted != 0 || st.Readings != 5 {
			t.Errorf("too late: %+v", st)
		}
		fill(s, "a", 5, 10000) // a flood does not wait for the next tick
		synctest.Wait()
		if st := s.Stats(); st.Uncommitted > 7000 || st.Overflowed > 0 {
			t.Errorf("a flood: %+v", st)
		}
		cancel()
		if err := <-done; err != nil || s.Stats().Uncommitted != 0 || s.Stats().Readings != 10000 {
			t.Errorf("at the end: %v, %+v", err, s.Stats())
		}
	})
}

func TestConcurrent(t *testing.T) {
	s := open(t, t.TempDir(), Options{Flush: time.Millisecond, MaxSize: 4 << 20})
	const n = 3000
	ctx, cancel := context.WithCancel(t.Context())
	var run, work sync.WaitGroup
	run.Go(func() { s.Run(ctx) })
	for _, name := range []string{"a", "b", "c"} {
		work.Go(func() { fill(s, name, 0, n) })
	}
	for _, link := range []string{"xmpp", "mqtt"} {
		work.Go(func() {
			next := map[string]uint64{}
			for total := 0; total < 3*n; {
				fields, err := s.Pending(ctx, link)
				if err != nil {
					t.Error(err)
					return
				}
				for _, name := range fields {
					for _, e := range s.After(link, name, 100) {
						if next[name]++; e.Pos != next[name] || e.Value != agent.Number(float64(e.Pos-1)/10) {
							t.Errorf("%s %s: entry %d is %+v", link, name, next[name], e)
							return
						}
						total++
					}
					s.Done(link, name, next[name])
				}
			}
		})
	}
	work.Go(func() {
		for i := range 30 {
			if err := s.Set("x", fmt.Sprint(i%3), []byte{byte(i)}); err != nil {
				t.Error(err)
			}
			s.Buckets("a", start, start.Add(n*time.Minute), 100)
			s.Last("b")
			s.Stats()
		}
	})
	work.Wait()
	cancel()
	run.Wait()
	if st := s.Stats(); st.Readings != 3*n || st.Links[0].Lost+st.Links[1].Lost != 0 || st.Error+st.Notice != "" {
		t.Errorf("%+v", st)
	}
}

func TestState(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, k := range []string{"b", "a", "c"} {
		if err := s.Set("alerts", k, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	s.Set("alert", "z", nil)
	if err := s.Delete("alerts", "c"); err != nil {
		t.Error(err)
	}
	if err := s.Delete("none", "c"); err != nil {
		t.Error(err)
	}
	// Durable without Close: a copy of the file has it.
	data, _ := os.ReadFile(filepath.Join(s.dir, fileName))
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, fileName), data, 0o600)
	s = open(t, dir, Options{})
	if got := s.List("alerts"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("List: %q", got)
	}
	if v, ok := s.Get("alerts", "a"); !ok || string(v) != "a" {
		t.Errorf("Get: %q, %v", v, ok)
	}
	if v, ok := s.Get("alert", "z"); !ok || len(v) != 0 {
		t.Errorf("Get of an empty value: %q, %v", v, ok)
	}
	if _, ok := s.Get("alerts", "c"); ok {
		t.Error("a deleted value is there")
	}
	for _, c := range []struct{ space, key, value string }{
		{"a\x00b", "k", ""}, {"a", strings.Repeat("k", 300), ""}, {"a", "k", strings.Repeat("v", MaxStateValue+1)},
	} {
		if s.Set(c.space, c.key, []byte(c.value)) == nil {
			t.Errorf("Set(%.10q, %.10q) with %d bytes: no error", c.space, c.key, len(c.value))
		}
	}
}

func TestStateIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	err := s.update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(stateBucket)
		for i := 0; i < maxStateKeys && err == nil; i++ {
			err = b.Put(fmt.Append(nil, "x\x00", i), []byte("v"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Set("x", "0", []byte("w")) != nil || s.Set("x", "more", nil) == nil {
		t.Error("the bound on keys does not hold")
	}
}
