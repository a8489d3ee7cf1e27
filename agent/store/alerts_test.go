package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

var _ agent.Alerts = (*Store)(nil)

// alertN returns the n-th alert of the tests.
func alertN(n int) agent.Alert {
	return agent.Alert{
		ID: fmt.Sprint("id-", n), Time: start.Add(time.Duration(n) * time.Second),
		Level: agent.Level(n % 3), Name: "boiler", Text: fmt.Sprint("it is ", n, " °C"),
		Number: uint64(n), State: agent.AlertState(n % 4), Room: n%2 == 0, To: fmt.Sprintf("p%d@example.org", n%5),
		Rule: fmt.Sprint("rule", n%7), Replaces: fmt.Sprint("id-", n/2),
	}
}

func appendAlerts(t testing.TB, s *Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := s.AppendAlert(alertN(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// pendingAlerts returns what a link gets now, nothing when it would wait.
func pendingAlerts(t testing.TB, s *Store, link string) []agent.AlertEntry {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	list, err := s.PendingAlerts(ctx, link)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return list
}

// drainAlerts delivers all that a link gets.
func drainAlerts(t testing.TB, s *Store, link string) (all []agent.AlertEntry) {
	t.Helper()
	for {
		list := pendingAlerts(t, s, link)
		if len(list) == 0 {
			return all
		}
		if len(list) > alertsAtOnce || all != nil && list[0].Pos <= all[len(all)-1].Pos {
			t.Fatalf("%d alerts from position %d", len(list), list[0].Pos)
		}
		all = append(all, list...)
		if err := s.AlertDone(link, list[len(list)-1].Pos); err != nil {
			t.Fatal(err)
		}
	}
}

// wantAlerts checks that entries are the alerts from to to-1.
func wantAlerts(t testing.TB, got []agent.AlertEntry, from, to int) {
	t.Helper()
	var list, alerts []agent.Alert
	for n := from; n < to; n++ {
		list = append(list, alertN(n))
	}
	for _, e := range got {
		alerts = append(alerts, e.Alert)
	}
	if diff := cmp.Diff(list, alerts); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
}

// copyOf opens a copy of a store as a crash would leave it.
func copyOf(t testing.TB, s *Store) *Store {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, fileName), data, 0o600)
	return open(t, dir, s.opt)
}

func TestAlertsAreOnDiskAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), Options{Flush: time.Hour})
	appendAlerts(t, s, 0, 40)
	wantAlerts(t, pendingAlerts(t, s, "xmpp"), 0, 40)
	wantAlerts(t, pendingAlerts(t, s, "xmpp"), 0, 40) // until they are done
	pos := pendingAlerts(t, s, "xmpp")[4].Pos
	if err := s.AlertDone("xmpp", pos); err != nil {
		t.Fatal(err)
	}
	s.AlertDone("xmpp", pos-2) // never back
	s.AlertDone("nobody", 30)
	c := copyOf(t, s)
	wantAlerts(t, drainAlerts(t, c, "xmpp"), 5, 40)
	appendAlerts(t, c, 40, 42)
	wantAlerts(t, drainAlerts(t, copyOf(t, c), "xmpp"), 40, 42)
	if st := s.Stats(); st.Alerts != 35 || st.AlertsDropped != 0 {
		t.Errorf("%+v", st)
	}
	if err := s.AppendAlert(agent.Alert{Text: "who am I"}); err == nil {
		t.Error("an alert without an id: no error")
	}
}

func TestOnlyWhatWasGivenIsDone(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	appendAlerts(t, s, 0, alertsAtOnce+4)
	list := pendingAlerts(t, s, "xmpp")
	if err := s.AlertDone("xmpp", 1e9); err != nil {
		t.Fatal(err)
	}
	wantAlerts(t, list, 0, alertsAtOnce)
	wantAlerts(t, drainAlerts(t, s, "xmpp"), alertsAtOnce, alertsAtOnce+4)
}

// An alert that an older version kept is read, and one that a newer version
// kept, with more behind it.
func TestAlertsOfOtherVersions(t *testing.T) {
	full := alertN(3)
	full.Time = full.Time.UTC()
	old := agent.Alert{ID: full.ID, Time: full.Time, Level: full.Level, Name: full.Name, Text: full.Text}
	seal := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
		return b
	}
	b := encodeAlert(full)
	tail := 1 + 2 + (1 + len(full.To)) + (1 + len(full.Rule)) + (1 + len(full.Replaces))
	for _, tt := range []struct {
		name  string
		value []byte
		want  agent.Alert
	}{
		{"this one", b, full},
		{"older", seal(slices.Clone(b[:len(b)-tail])), old},
		{"newer", seal(append(slices.Clone(b), 1, 2, 3)), full},
	} {
		got, err := decodeAlert(tt.value)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, d)
		}
	}
	for n := 1; n < tail; n++ {
		if a, err := decodeAlert(seal(slices.Clone(b[:len(b)-n]))); err == nil {
			t.Errorf("%d bytes are missing: %+v", n, a)
		}
	}
}

func TestAlertsOfSeveralLinks(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	appendAlerts(t, s, 0, 3)
	pendingAlerts(t, s, "slow")
	wantAlerts(t, drainAlerts(t, s, "xmpp"), 0, 3)
	if st := s.Stats(); st.Alerts != 3 {
		t.Errorf("one that a known link has not delivered is gone: %+v", st)
	}
	s = reopen(t, s)
	appendAlerts(t, s, 3, 5)
	wantAlerts(t, drainAlerts(t, s, "xmpp"), 3, 5)
	wantAlerts(t, pendingAlerts(t, s, "new"), 0, 5)
	wantAlerts(t, drainAlerts(t, s, "slow"), 0, 5)
	wantAlerts(t, drainAlerts(t, s, "new"), 0, 5)
	s = reopen(t, s)
	if st := s.Stats(); st.Alerts != 0 || len(pendingAlerts(t, s, "newest")) != 0 {
		t.Errorf("alerts that all links have are kept: %+v", st)
	}
	appendAlerts(t, s, 5, 6)
	for _, link := range []string{"slow", "xmpp", "new", "newest"} {
		if got := pendingAlerts(t, s, link); len(got) != 1 || got[0].Pos != 6 {
			t.Errorf("%s: %v", link, got)
		}
	}
}

func TestAlertsAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		n     int
		least int
	}{
		"by number": {"x", maxAlerts + 30, maxAlerts},
		"by size":   {strings.Repeat("x", 2*agent.MaxText), 600, 100},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{MaxSize: 2 << 20})
			pendingAlerts(t, s, "xmpp")
			for n := range c.n {
				a := alertN(n)
				a.Text = c.text
				s.mu.Lock()
				s.addAlert(a)
				s.mu.Unlock()
			}
			appendAlerts(t, s, c.n, c.n+1)
			st := s.Stats()
			if st.Alerts < c.least || st.Alerts > maxAlerts || st.Alerts+int(st.AlertsDropped) != c.n+1 {
				t.Fatalf("%+v", st)
			}
			appendAlerts(t, s, c.n+1, c.n+2)
			s = reopen(t, s)
			list := drainAlerts(t, s, "xmpp")
			if len(list) < c.least || list[len(list)-1].ID != alertN(c.n+1).ID || len(list[0].Text) > agent.MaxText {
				t.Errorf("%d alerts after a restart", len(list))
			}
		})
	}
}

func TestPendingAlertsWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), Options{})
		ctx, cancel := context.WithCancelCause(t.Context())
		got := make(chan []agent.AlertEntry, 9)
		var ended error
		go func() {
			for ended == nil {
				var list []agent.AlertEntry
				if list, ended = s.PendingAlerts(ctx, "xmpp"); ended == nil {
					got <- list
					ended = s.AlertDone("xmpp", list[len(list)-1].Pos)
				}
			}
		}()
		for n := range 3 {
			synctest.Wait()
			appendAlerts(t, s, n, n+1)
			wantAlerts(t, <-got, n, n+1)
		}
		down := errors.New("the link is down")
		cancel(down)
		synctest.Wait()
		if !errors.Is(ended, down) {
			t.Errorf("ended with %v", ended)
		}
	})
}

func TestAlertsWithoutDisk(t *testing.T) {
	old := open(t, t.TempDir(), Options{})
	appendAlerts(t, old, 0, 5)
	list := pendingAlerts(t, old, "xmpp")
	old.AlertDone("xmpp", list[2].Pos)
	old.Close()

	s := memoryOnly(t)
	s.dir = old.dir
	for n := 5; n < 9; n++ {
		if err := s.AppendAlert(alertN(n)); err == nil || !strings.Contains(err.Error(), "memory") {
			t.Errorf("no disk, and AppendAlert says %v", err)
		}
	}
	wantAlerts(t, pendingAlerts(t, s, "xmpp"), 5, 9)
	if s.AlertDone("xmpp", 2) == nil {
		t.Error("no disk, and AlertDone says nothing")
	}
	wantAlerts(t, pendingAlerts(t, s, "xmpp"), 7, 9)
	s.openFile = os.OpenFile
	commit(t, s)
	s.AlertDone("xmpp", 4) // what it was given from memory; the file counts otherwise
	list = drainAlerts(t, copyOf(t, s), "xmpp")
	wantAlerts(t, list[:2], 3, 5)
	wantAlerts(t, list[2:], 7, 9)
}

// TestDirectoryIsReplaced takes the directory away under a store, as an
// unmounted disk does, puts a file in its place, and brings it back.
func TestDirectoryIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, dir, Options{})
	fill(s, "a", 0, 10)
	appendAlerts(t, s, 0, 2)
	drain(t, s, "xmpp", "a")
	pendingAlerts(t, s, "xmpp")
	commit(t, s)
	os.Rename(dir, dir+".away")
	os.WriteFile(dir, nil, 0o600)
	fill(s, "a", 10, 20)
	s.tell(s.commit())
	if err := s.AppendAlert(alertN(2)); err == nil {
		t.Error("AppendAlert without a directory: no error")
	}
	list := pendingAlerts(t, s, "xmpp")
	if st := s.Stats(); st.Error == "" || st.Uncommitted != 10 || len(list) != 4 || list[2].Name != alertName {
		t.Errorf("%+v, %v", st, list)
	}
	want(t, drain(t, s, "xmpp", "a"), "a", 10, 20, 0)
	os.Remove(dir)
	os.Rename(dir+".away", dir)
	fill(s, "a", 20, 25)
	s.tell(s.commit())
	if st := s.Stats(); st.Error+st.Notice != "" || st.Uncommitted != 0 || st.Readings != 25 {
		t.Errorf("%+v", st)
	}
	s = reopen(t, s)
	var ids []string
	for _, e := range drainAlerts(t, s, "xmpp") {
		if e.Name != alertName {
			ids = append(ids, e.ID)
		}
	}
	if !slices.Equal(ids, []string{"id-0", "id-1", "id-2"}) {
		t.Errorf("alerts %q", ids)
	}
	if r, err := s.Range("a", start, start.Add(time.Hour), 100); len(r) != 25 || err != nil {
		t.Errorf("%d readings, %v", len(r), err)
	}
}

func TestFullFileTakesAlerts(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxSize: 1 << 20})
	text := strings.Repeat("x", 900)
	for n := range 1500 {
		r := reading("a", n)
		r.Value = agent.Text(fmt.Sprint(n, text))
		s.Append(r)
		if n%50 == 49 {
			commit(t, s)
		}
		if n%4 > 0 {
			continue
		}
		a := alertN(n)
		a.Text += text
		if err := s.AppendAlert(a); err != nil {
			t.Fatal(n, err)
		}
	}
	if st := s.Stats(); st.Error != "" || st.Alerts < 100 || st.Readings < 200 || st.Bytes > 1<<20 {
		t.Errorf("%+v", st)
	}
}

func TestAlertRoundTrip(t *testing.T) {
	for _, a := range []agent.Alert{alertN(1), {ID: "x", Time: time.UnixMilli(-5).UTC(), Level: 9, Text: "grün"}, {Time: time.UnixMilli(0).UTC()}} {
		got, err := decodeAlert(encodeAlert(a))
		if diff := cmp.Diff(a, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	for i := range encodeAlert(alertN(1)) {
		v := encodeAlert(alertN(1))
		v[i] ^= 4
		if _, err := decodeAlert(v); err == nil {
			t.Errorf("byte %d changed: no error", i)
		}
	}
}

func FuzzAlert(f *testing.F) {
	f.Add(encodeAlert(alertN(1))[4:])
	f.Add([]byte{1, 2, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, body []byte) {
		v := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(body, castagnoli))
		a, err := decodeAlert(append(v, body...))
		if err != nil {
			return
		}
		if again, err := decodeAlert(encodeAlert(a)); err != nil || again != a {
			t.Errorf("%+v becomes %+v, %v", a, again, err)
		}
	})
}
