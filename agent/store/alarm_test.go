package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

// alarms delivers what a link gets and returns the words of the store's own alerts.
func alarms(t testing.TB, s *Store, link string) string {
	t.Helper()
	var words []string
	for _, e := range pendingAlerts(t, s, link) {
		s.AlertDone(link, e.Pos)
		switch {
		case e.Name != alertName:
		case e.Level == agent.Info && strings.Contains(e.Text, "on disk again"):
			words = append(words, "over")
		case e.Level == agent.Warning && strings.Contains(e.Text, "memory only"):
			words = append(words, "fails")
		case e.Level == agent.Warning && strings.Contains(e.Text, filepath.Join(s.dir, fileName+damagedInfix)):
			words = append(words, "damaged")
		default:
			t.Errorf("%+v", e)
		}
	}
	return strings.Join(words, " ")
}

func TestDamagedFileIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	for round := range 4 {
		os.WriteFile(path, []byte("garbage"), 0o600)
		s := open(t, dir, Options{})
		if st := copyOf(t, s).Stats(); st.Alerts != 1 {
			t.Errorf("round %d: %d alerts on disk when Open returns", round, st.Alerts)
		}
		if got := alarms(t, s, "xmpp"); got != "damaged" {
			t.Errorf("round %d: %q", round, got)
		}
		s = reopen(t, reopen(t, s))
		if got := alarms(t, s, "xmpp"); got != "" {
			t.Errorf("round %d, after a restart: %q", round, got)
		}
		s.Close()
		time.Sleep(2 * time.Millisecond) // the names are times
	}
	// A process that died right after it had set the file aside leaves no new one.
	os.Rename(path, path+damagedInfix+"20300101T000000.000Z")
	for _, want := range []string{"damaged", ""} {
		s := open(t, dir, Options{})
		if got := alarms(t, s, "xmpp"); got != want {
			t.Errorf("set aside before: %q, want %q", got, want)
		}
		s.Close()
	}
}

func TestDamageWhileOpenIsToldInTheNewFile(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	fill(s, "a", 0, 100)
	appendAlerts(t, s, 0, 2)
	commit(t, s)
	if err := os.Truncate(filepath.Join(s.dir, fileName), 0); err != nil {
		t.Fatal(err)
	}
	s.Range("a", start, start.Add(time.Hour), 9) // finds it
	commit(t, s)
	c := copyOf(t, s)
	c.dir = s.dir // for the name in the text
	list := pendingAlerts(t, c, "mqtt")
	if len(list) != 3 {
		t.Fatalf("%d alerts in the new file", len(list))
	}
	wantAlerts(t, list[:2], 0, 2)
	if got := alarms(t, c, "xmpp"); got != "damaged" {
		t.Errorf("told %q", got)
	}
	commit(t, s)
	if got := alarms(t, s, "xmpp"); got != "damaged" {
		t.Errorf("told %q", got)
	}
}

func TestFailingDiskIsToldOncePerHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := true
		s := newStore(t.TempDir(), Options{})
		s.openFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
			if fails {
				return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EROFS}
			}
			return os.OpenFile(name, flag, mode)
		}
		defer s.Close()
		// step is a commit, and says what it told.
		step := func(broken bool, want string) {
			t.Helper()
			fails = broken
			if broken {
				s.writing.Lock()
				s.leave()
				s.writing.Unlock()
			}
			s.tell(s.commit())
			if got := alarms(t, s, "xmpp"); got != want {
				t.Errorf("after %v: told %q, want %q", time.Since(s.alarm.at), got, want)
			}
			if st := s.Stats(); (st.Error != "") != broken {
				t.Errorf("broken %v: %+v", broken, st)
			}
		}
		step(true, "fails")
		step(true, "")
		time.Sleep(10 * time.Second)
		step(false, "over")
		for range 20 {
			time.Sleep(time.Minute)
			step(true, "")
			step(false, "")
		}
		step(true, "")
		time.Sleep(45 * time.Minute)
		step(true, "fails") // it lasts
		time.Sleep(3 * time.Hour)
		step(true, "")
		step(false, "over")
		time.Sleep(3 * time.Hour)
		step(true, "fails")
	})
}

func TestFailingDiskAtOpenIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a file")
	os.WriteFile(dir, nil, 0o600)
	s := open(t, dir, Options{})
	if got := alarms(t, s, "xmpp"); got != "fails" {
		t.Errorf("told %q", got)
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
}
