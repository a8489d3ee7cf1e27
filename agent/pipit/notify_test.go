package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// listen makes a socket as the service manager has it, and returns a function
// that waits for a message.
func listen(t *testing.T, name string) func() string {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() string {
		t.Helper()
		buf := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestNotify(t *testing.T) {
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@pipit-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			next := listen(t, socket)
			t.Setenv("NOTIFY_SOCKET", socket)
			n, err := newNotifier()
			if err != nil {
				t.Fatal(err)
			}
			if err := n.tell("READY=1", "STATUS=up"); err != nil {
				t.Error(err)
			}
			if got := next(); got != "READY=1\nSTATUS=up" {
				t.Errorf("got %q", got)
			}
		})
	}
	gone := &notifier{socket: filepath.Join(t.TempDir(), "gone")}
	if err := gone.tell("READY=1"); err == nil || !strings.Contains(err.Error(), "cannot be told") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestNotifierFromEnvironment(t *testing.T) {
	me := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		socket, usec, pid string
		watchdog          time.Duration
		none              bool
		err               string // a part
	}{
		{none: true},
		{usec: "1000000", none: true},
		{socket: "/run/notify"},
		{socket: "@abstract", usec: "30000000", watchdog: 30 * time.Second},
		{socket: "/run/notify", usec: "500000", pid: me, watchdog: 500 * time.Millisecond},
		{socket: "/run/notify", usec: "500000", pid: "1"},
		{socket: "vsock:2:1", none: true, err: "vsock:2:1"},
		{socket: "/run/notify", usec: "soon", err: "soon"},
		{socket: "/run/notify", usec: "0", err: `"0"`},
		{socket: "/run/notify", usec: "-1", err: `"-1"`},
		{socket: "/run/notify", usec: "9223372036854775807", err: "up to a day"},
	} {
		t.Setenv("NOTIFY_SOCKET", tt.socket)
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", tt.pid)
		n, err := newNotifier()
		if (n == nil) != tt.none || n != nil && n.watchdog != tt.watchdog {
			t.Errorf("%+v: %+v", tt, n)
		}
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%+v: error %v", tt, err)
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			if v, ok := os.LookupEnv(name); ok {
				t.Errorf("%s=%s is left for programs", name, v)
			}
		}
	}
}
