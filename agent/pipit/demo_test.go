package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A sink collects what the demo prints and calls first at the first line.
type sink struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	first func()
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p)
	if s.first != nil {
		s.first()
		s.first = nil
	}
	return len(p), nil
}

// runDemo runs the demo without a terminal in a temporary directory of its own
// and checks that nothing is left of it. first runs at the first line.
func runDemo(t *testing.T, ctx context.Context, first func(), args ...string) (out string, err error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // Prosody runs as another user
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	s := &sink{first: first}
	root := rootCommand()
	root.SetArgs(append([]string{"demo"}, args...))
	root.SetIn(strings.NewReader(""))
	root.SetOut(s)
	err = root.ExecuteContext(ctx)
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if pids := children(t); len(pids) > 0 {
		t.Errorf("processes left behind: %v", pids)
	}
	return s.buf.String(), err
}

// children returns the processes that this one has started and that still run.
func children(t *testing.T) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Fatalf("this kernel does not list children: %v", err)
	}
	for _, f := range files {
		b, _ := os.ReadFile(f) // a thread may have ended
		for _, word := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestDemoPrintsWhatArrives(t *testing.T) {
	out, err := runDemo(t, t.Context(), nil, "--for", "15s")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z0-9_-]+(\.[a-z0-9_-]+)? \S.*$`)
	seen := map[string]int{}
	for l := range strings.Lines(out) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not a line of time, name, value, unit: %q", l)
		}
		seen[strings.Fields(l)[1]]++
	}
	if seen["simulated"] < 2 || seen["system.load1"] < 1 || seen["system.memory_used"] < 1 {
		t.Errorf("too few readings: %v", seen)
	}
}

func TestDemoCleansUpWhenInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	if _, err := runDemo(t, ctx, interrupt); err != nil {
		t.Error(err)
	}
	early, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, interrupt) // while Prosody starts
	if _, err := runDemo(t, early, nil); err != nil {
		t.Error(err)
	}
}

func TestDemoCleansUpWhenProsodyDies(t *testing.T) {
	kill := func() {
		for _, pid := range children(t) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := runDemo(t, t.Context(), kill)
	if err == nil || !strings.Contains(err.Error(), "the private Prosody ended") {
		t.Errorf("got %v", err)
	}
	var e *exitError
	if errors.As(err, &e) {
		t.Errorf("exit code %d, want the general one", e.code)
	}
}
