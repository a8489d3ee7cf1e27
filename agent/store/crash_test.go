package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"pipit/agent"
)

// TestKill kills a process that writes, 25 times at a random moment, and lets
// another process look at what it left. Nothing else opens the store.
func TestKill(t *testing.T) {
	switch dir := os.Getenv("STORE_TEST_DIR"); os.Getenv("STORE_TEST_ROLE") {
	case "write":
		writeForEver(t, dir)
		return
	case "verify":
		verify(t, dir, readJournal(t, os.Stdin))
		return
	}
	dir := t.TempDir()
	for round := range 25 {
		lines := kill(t, child("TestKill", "write", dir), time.Duration(rand.IntN(120))*time.Millisecond)
		c := child("TestKill", "verify", dir)
		c.Stdin = bytes.NewReader(lines)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, out)
		}
	}
}

// child is this test binary with one test and a role.
func child(test, role, dir string) *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	c.Env = append(os.Environ(), "STORE_TEST_ROLE="+role, "STORE_TEST_DIR="+dir)
	return c
}

// kill starts a writer, kills it a while after it has done something, and
// returns what it said until then.
func kill(t *testing.T, c *exec.Cmd, after time.Duration) []byte {
	t.Helper()
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	r := bufio.NewReader(io.TeeReader(out, &said))
	for _, what := range []string{"alert ", "done ", "kept b.c "} {
		for line := ""; !strings.HasPrefix(line, what); {
			if line, err = r.ReadString('\n'); err != nil {
				c.Wait()
				t.Fatalf("the writer ended by itself:\n%s", said.Bytes())
			}
		}
	}
	time.Sleep(after)
	c.Process.Kill()
	io.Copy(io.Discard, r)
	c.Wait()
	return said.Bytes()
}

// writeForEver uses a store as the agent does, and says before and after what
// it did, one line for each.
func writeForEver(t *testing.T, dir string) {
	s := open(t, dir, Options{Flush: 5 * time.Millisecond})
	pendingAlerts(t, s, "check") // known: it must not miss any
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(t.Context()) })
	wg.Go(func() { writeReadings(s, say) })
	wg.Go(func() { writeAlerts(t, s, say) })
	wg.Go(func() { deliverAlerts(t, s, say) })
	wg.Wait()
}

func writeReadings(s *Store, say func(string, ...any)) {
	names := []string{"a", "b.c"}
	n := make(map[string]int)
	for _, name := range names {
		if f := s.fields[name]; f != nil {
			n[name] = int(f.last)
		}
	}
	for {
		done := make(map[string]uint64)
		for _, name := range names {
			if list := s.After("xmpp", name, 1000); len(list) > 0 {
				done[name] = list[len(list)-1].Pos
				say("send %s %d", name, done[name])
				s.Done("xmpp", name, done[name])
			}
			fill(s, name, n[name], n[name]+7)
			n[name] += 7
		}
		for s.Stats().Uncommitted > 0 {
			time.Sleep(time.Millisecond)
		}
		for _, name := range names { // on disk since the last flush, and before them what was done
			say("kept %s %d", name, n[name])
			if pos := done[name]; pos > 0 {
				say("sent %s %d", name, pos)
			}
		}
	}
}

func writeAlerts(t *testing.T, s *Store, say func(string, ...any)) {
	for n := 0; ; n++ {
		a := agent.NewAlert("rule", agent.Critical, fmt.Sprint("it is ", n))
		if err := s.AppendAlert(a); err != nil {
			t.Error(err)
			return
		}
		say("alert %s %d", a.ID, n)
	}
}

func deliverAlerts(t *testing.T, s *Store, say func(string, ...any)) {
	for {
		list, err := s.PendingAlerts(t.Context(), "xmpp")
		if err != nil {
			t.Error(err)
			return
		}
		pos := list[len(list)-1].Pos
		say("try alerts %d", pos)
		if err := s.AlertDone("xmpp", pos); err != nil {
			t.Error(err)
			return
		}
		say("done alerts %d", pos)
	}
}

// A journal is what a writer said.
type journal struct {
	alerts []string                     // ids
	at     map[string]map[string]uint64 // try, done, kept, send, sent: of what: the last number
}

func readJournal(t *testing.T, r io.Reader) journal {
	j := journal{at: make(map[string]map[string]uint64)}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var verb, what string
		var n uint64
		if _, err := fmt.Sscan(lines.Text(), &verb, &what, &n); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if verb == "alert" {
			j.alerts = append(j.alerts, what)
			continue
		}
		if j.at[verb] == nil {
			j.at[verb] = make(map[string]uint64)
		}
		j.at[verb][what] = n
	}
	return j
}

func verify(t *testing.T, dir string, j journal) {
	s := open(t, dir, Options{})
	if st := s.Stats(); st.Notice+st.Error != "" || st.Overflowed+st.Trimmed+st.AlertsDropped != 0 || len(s.damagedFiles()) > 0 {
		t.Errorf("%+v", st)
	}
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		for e := range tx.Check() {
			err = errors.Join(err, e)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	verifyAlerts(t, s, j)
	for _, name := range []string{"a", "b.c"} {
		verifyReadings(t, s, j, name)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func verifyAlerts(t *testing.T, s *Store, j journal) {
	if list := pendingAlerts(t, s, "xmpp"); len(list) > 0 {
		first, tried, done := list[0].Pos, j.at["try"]["alerts"], j.at["done"]["alerts"]
		if first <= done || first > tried+1 {
			t.Errorf("the link goes on with alert %d; it tried %d and has done %d", first, tried, done)
		}
	}
	var ids []string
	for _, e := range drainAlerts(t, s, "check") {
		if want := fmt.Sprint("it is ", len(ids)); e.Text != want {
			t.Errorf("alert %d is %+v, want %q", e.Pos, e, want)
		}
		ids = append(ids, e.ID)
	}
	if n := len(j.alerts); len(ids) < n || len(ids) > n+1 || !slices.Equal(ids[:n], j.alerts) { // one may not have said yet that it is there
		t.Errorf("%d alerts appended, %d on disk: %s", n, len(ids), cmp.Diff(j.alerts, ids))
	}
}

func verifyReadings(t *testing.T, s *Store, j journal, name string) {
	list, err := s.Range(name, time.Time{}, start.AddDate(1, 0, 0), 1e6)
	if kept := j.at["kept"][name]; err != nil || uint64(len(list)) < kept || kept == 0 {
		t.Errorf("%s: %d readings of %d: %v", name, len(list), kept, err)
	}
	for i, r := range list {
		if !cmp.Equal(r, reading(name, i), equal) {
			t.Fatalf("%s: reading %d is %+v", name, i, r)
		}
	}
	first := uint64(len(list)) + 1
	if next := s.After("xmpp", name, 1); len(next) > 0 {
		first = next[0].Pos
	}
	if sending, sent := j.at["send"][name], j.at["sent"][name]; first <= sent || first > sending+1 {
		t.Errorf("%s: the link goes on with %d; it sent %d, and %d is on disk", name, first, sending, sent)
	}
}
