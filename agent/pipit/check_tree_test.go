package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// someFindings have a failure two levels down, and a part that was skipped as a whole.
func someFindings() []finding {
	t := &tree{}
	b := branch{tree: t}
	b.ok("server", "account pi@example.org")
	s := b.under("server")
	s.ok("dns", "3 °C …")
	s.fail("tcp", "xmpp.example.org:5222: connection refused by it", "check that the server runs and that host and port are right")
	t.rest("server/dns server/tls mqtt mqtt/below", finding{State: stateSkipped, Text: "not tried"})
	list := t.findings()
	worst(list)
	return list
}

func TestWorstGoesUp(t *testing.T) {
	states := make(map[string]string)
	for _, f := range someFindings() {
		states[f.ID] = f.State
	}
	want := map[string]string{"server": "failed", "server/dns": "ok", "server/tcp": "failed", "server/tls": "skipped", "mqtt": "skipped", "mqtt/below": "skipped"}
	if d := cmp.Diff(want, states); d != "" {
		t.Error(d)
	}
	if n := count(someFindings(), stateFailed); n != 1 {
		t.Errorf("%d failures", n)
	}
}

func TestDraw(t *testing.T) {
	for name, c := range map[string]struct {
		page page
		want string
	}{
		"UTF-8": {page{}, `✗ server: failed: account pi@example.org
├─ ✓ dns: ok: 3 °C …
├─ ✗ tcp: failed: xmpp.example.org:5222: connection refused by it
│      do: check that the server runs and that host and port are right
└─ · tls: skipped: not tried
· mqtt: skipped: not tried
`},
		"ASCII in 40 columns": {page{width: 40, ascii: true}, `server: failed: account pi@example.org
|- dns: ok: 3 degC ...
|- tcp: failed: xmpp.example.org:5222:
|      connection refused by it
|      do: check that the server runs
|      and that host and port are right
` + "`" + `- tls: skipped: not tried
mqtt: skipped: not tried
`},
		"in 20 columns": {page{width: 20, ascii: true}, `server: failed:
    account
    pi@example.org
|- dns: ok: 3 degC
|      ...
|- tcp: failed:
|      xmpp.example.
|      org:5222:
|      connection
|      refused by it
|      do: check
|      that the
|      server runs
|      and that host
|      and port are
|      right
` + "`" + `- tls: skipped: not
       tried
mqtt: skipped: not
    tried
`},
	} {
		if d := cmp.Diff(c.want, c.page.draw(someFindings())); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Colour is around the word of the state and nothing else.
func TestColour(t *testing.T) {
	plain, coloured := page{width: 40}.draw(someFindings()), page{width: 40, colour: true}.draw(someFindings())
	if n := strings.Count(coloured, "\x1b[0m"); n != 5 || !strings.Contains(coloured, "tcp: \x1b[31mfailed\x1b[0m: ") {
		t.Errorf("%d: %q", n, coloured)
	}
	for _, l := range looks {
		coloured = strings.ReplaceAll(coloured, l.colour, "")
	}
	if d := cmp.Diff(plain, strings.ReplaceAll(coloured, "\x1b[0m", "")); d != "" {
		t.Error(d)
	}
}

func TestPageOf(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			for _, p := range pairs {
				if value, ok := strings.CutPrefix(p, key+"="); ok {
					return value
				}
			}
			return ""
		}
	}
	terminal := openTerminal(t)
	for _, c := range []struct {
		name string
		out  *os.File
		env  func(string) string
		want page
	}{
		{"a pipe", nil, env("LANG=en_GB.UTF-8", "TERM=xterm"), page{}},
		{"a pipe with COLUMNS", nil, env("LANG=C", "COLUMNS=40"), page{width: 40, ascii: true}},
		{"LC_ALL before LANG", nil, env("LC_ALL=C", "LANG=en_GB.UTF-8"), page{ascii: true}},
		{"a terminal", terminal, env("LANG=C.UTF-8", "TERM=xterm"), page{width: 100, colour: true}},
		{"NO_COLOR", terminal, env("LANG=C.UTF-8", "TERM=xterm", "NO_COLOR=1"), page{width: 100}},
		{"a dumb terminal", terminal, env("LANG=C", "TERM=dumb"), page{width: 100, ascii: true}},
		{"COLUMNS before the terminal", terminal, env("LANG=C", "TERM=dumb", "COLUMNS=60"), page{width: 60, ascii: true}},
		{"COLUMNS that cannot be", terminal, env("LANG=C", "TERM=dumb", "COLUMNS=3"), page{width: 100, ascii: true}},
	} {
		var got page
		if c.out == nil {
			got = pageOf(&bytes.Buffer{}, c.env)
		} else {
			got = pageOf(c.out, c.env)
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// openTerminal returns a pseudo-terminal of 100 columns (pty(7), ioctl_tty(2)).
func openTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	ioctl := func(fd uintptr, request uintptr, arg unsafe.Pointer) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
			t.Fatal(errno)
		}
	}
	var number, unlock int32
	size := [4]uint16{24, 100}
	raw := master.Fd()
	ioctl(raw, syscall.TIOCGPTN, unsafe.Pointer(&number))
	ioctl(raw, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ioctl(raw, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	pts, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pts.Close() })
	return pts
}
