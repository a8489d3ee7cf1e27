package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent"
)

// asCrasher names a state directory: the test binary catches crashes in it,
// and then crashes.
const asCrasher = "PIPIT_TEST_CRASH"

func crash(dir string) {
	catchCrash(dir, nil, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		panic("the\nkettle is empty")
	}()
	<-ended
}

// told keeps alerts; its zero value is ready.
type told struct {
	agent.Alerts
	texts []string
	err   error
}

func (a *told) AppendAlert(al agent.Alert) error {
	if a.err == nil {
		a.texts = append(a.texts, al.Body())
	}
	return a.err
}

func TestCrashTold(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe)
	child.Env = append(os.Environ(), asCrasher+"="+dir)
	if out, err := child.CombinedOutput(); err == nil || !strings.Contains(string(out), "kettle") {
		t.Fatalf("%v\n%s", err, out)
	}
	path, old := filepath.Join(dir, crashFile), filepath.Join(dir, crashToldFile)
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 || st.Size() == 0 {
		t.Fatalf("%v, %v", st, err)
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	a := &told{err: errors.New("the disk is full")}
	if err := tellCrash(dir, a, log); err == nil {
		t.Error("no error")
	}
	a.err = nil
	for range 2 {
		if err := tellCrash(dir, a, log); err != nil {
			t.Error(err)
		}
	}
	if len(a.texts) != 1 || !strings.HasPrefix(a.texts[0], "[critical] crash: the agent crashed at ") ||
		!strings.Contains(a.texts[0], "panic: the") || !strings.Contains(a.texts[0], "pipit.crash.func") || strings.Contains(a.texts[0], "\n") {
		t.Errorf("told %q", a.texts)
	}
	if b, err := os.ReadFile(old); err != nil || !strings.Contains(string(b), "goroutine ") {
		t.Errorf("%s, %v", b, err)
	}
}

// An agent that crashes over and over tells it once an hour, and keeps no more
// than a bounded part of two traces.
func TestCrashLoop(t *testing.T) {
	dir := t.TempDir()
	a := &told{}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range 181 { // every minute, for three hours
		path := write(t, dir, crashFile, fmt.Sprintf("panic: %d\n", i)+strings.Repeat("x", maxCrash), 0o600)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		if err := tellCrash(dir, a, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
	if len(a.texts) != 4 {
		t.Errorf("told %d times: %.100q", len(a.texts), a.texts)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	st, err := os.Stat(filepath.Join(dir, crashToldFile))
	if err != nil || st.Size() != maxCrash {
		t.Errorf("%v, %v", st, err)
	}
}

// The whole program under a service manager: it gets ready without a server,
// feeds the watchdog, leaves a trace when that kills it, and the next one says so.
func TestServiceProgram(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "password", "pencil", 0o600)
	path := write(t, dir, "config.toml", `
[device]
state_dir = "state"
[xmpp]
jid = "device@example.org"
password_file = "password"
server = "127.0.0.1:1"
[sensor.a]
kind = "sim"
`, 0o600)
	socket := filepath.Join(dir, "notify")
	next := listen(t, socket)
	until := func(want string) {
		t.Helper()
		for got := ""; !strings.HasPrefix(got, want); {
			got = next()
			t.Log(got)
		}
	}
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "1000000")
	device := program(t, "run", "--config", path)
	until("READY=1")
	until("WATCHDOG=1")
	if err := device.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	if err := device.Wait(); err == nil {
		t.Error("it did not crash")
	}
	device = program(t, "run", "--config", path)
	until("READY=1")
	b, err := os.ReadFile(filepath.Join(dir, "state", crashToldFile))
	if err != nil || !strings.HasPrefix(string(b), "SIGABRT") || !strings.Contains(string(b), "agent.(*Poller).Run") {
		t.Errorf("%.300s, %v", b, err)
	}
	if err := device.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until("STOPPING=1")
	if err := device.Wait(); err != nil {
		t.Error(err)
	}
}
