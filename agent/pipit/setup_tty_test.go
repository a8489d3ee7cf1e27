package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/term"
)

// A console is a terminal with a person at it.
type console struct {
	tty, person *os.File

	mu    sync.Mutex
	shown string
	news  chan struct{}
}

func newConsole(t *testing.T) *console {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, unlock := 0, 0
	for request, arg := range map[uintptr]*int{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{tty: tty, person: person, news: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.watch()
	}()
	t.Cleanup(func() { tty.Close(); <-done; person.Close() }) // a read of the person ends with the terminal
	return c
}

func (c *console) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := c.person.Read(buf)
		c.mu.Lock()
		c.shown += string(buf[:n])
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// sees waits until the terminal has shown a text, and forgets all up to it.
func (c *console) sees(t *testing.T, text string) (before string) {
	t.Helper()
	for late := time.After(patience); ; {
		c.mu.Lock()
		before, after, ok := strings.Cut(c.shown, text)
		if ok {
			c.shown = after
		}
		c.mu.Unlock()
		if ok {
			return before
		}
		select {
		case <-c.news:
		case <-late:
			t.Fatalf("waited for %q, saw %q", text, before)
		}
	}
}

func (c *console) types(t *testing.T, line string) {
	t.Helper()
	if _, err := c.person.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// hides waits until what is typed is not shown.
func (c *console) hides(t *testing.T, plain *term.State) {
	t.Helper()
	for end := time.Now().Add(patience); c.same(t, plain); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is typed is shown")
		}
	}
}

func (c *console) same(t *testing.T, as *term.State) bool {
	t.Helper()
	now, err := term.GetState(int(c.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return *now == *as
}

func (c *console) setup(t *testing.T, f *fakeServer, path string) (*setup, *term.State) {
	t.Helper()
	plain, err := term.GetState(int(c.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	s := &setup{dial: f.dial, detect: findings, resolver: noRecords{}, out: onScreen(c.tty), raw: c.tty, ask: newAsker(c.tty, onScreen(c.tty), false)}
	s.config = path
	return s, plain
}

// A person who makes mistakes gets there, and nobody reads the password.
func TestSetupAtATerminal(t *testing.T) {
	t.Setenv("TERM", "vt100")
	t.Setenv("LC_ALL", "C.UTF-8")
	c, f := newConsole(t), newFake()
	path := filepath.Join(t.TempDir(), "config.toml")
	s, plain := c.setup(t, f, path)
	done := make(chan error, 1)
	go func() { done <- s.run(t.Context()) }()
	c.sees(t, "an invitation: ")
	c.types(t, "example.org")
	c.sees(t, "write name@domain")
	c.sees(t, "an invitation: ")
	c.types(t, "pa@example.org")
	c.sees(t, "[yes]: ")
	c.types(t, "")
	c.sees(t, "password (not shown): ")
	c.hides(t, plain)
	c.types(t, "first-try")
	c.sees(t, "everything with the device: ")
	if !c.same(t, plain) {
		t.Error("what is typed stays hidden")
	}
	c.types(t, "")
	c.sees(t, "an answer is needed")
	c.types(t, "anna@example.org")
	c.sees(t, "[all]: ")
	c.types(t, "none")
	c.sees(t, "failed: login as pa@example.org")
	c.sees(t, "[pa@example.org]: ")
	c.types(t, "pi@example.org")
	c.sees(t, "DNS tells): ")
	c.types(t, "")
	c.sees(t, "the system): ")
	c.types(t, "")
	c.sees(t, "as before): ")
	c.hides(t, plain)
	c.types(t, goodPassword)
	rest := c.sees(t, "Next: pipit run")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if strings.Contains(rest, goodPassword) || !strings.Contains(rest, "▀") || !strings.Contains(rest, "\x1b[0;30;107m") {
		t.Errorf("the end is %q", rest)
	}
	if !strings.Contains(mustRead(t, path), `"pi@example.org"`) || len(f.hellos) != 1 {
		t.Errorf("said %q", f.hellos)
	}
}

// Ctrl-C at the password leaves the terminal as it was.
func TestSetupInterruptedAtThePassword(t *testing.T) {
	c := newConsole(t)
	dir := t.TempDir()
	s, plain := c.setup(t, newFake(), filepath.Join(dir, "config.toml"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	c.sees(t, "an invitation: ")
	c.types(t, "pi@example.org")
	c.sees(t, "[yes]: ")
	c.types(t, "")
	c.sees(t, "(not shown): ")
	c.hides(t, plain)
	cancel()
	if err := <-done; !errors.Is(err, errInterrupted) || !c.same(t, plain) || len(state(t, dir)) > 0 {
		t.Error(err)
	}
	c.types(t, "") // ends the read that nobody waits for
}

// Ctrl-D ends it as well.
func TestSetupEndOfInput(t *testing.T) {
	c := newConsole(t)
	dir := t.TempDir()
	s, _ := c.setup(t, newFake(), filepath.Join(dir, "config.toml"))
	done := make(chan error, 1)
	go func() { done <- s.run(t.Context()) }()
	c.sees(t, "an invitation: ")
	if _, err := c.person.WriteString("\x04"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "nothing was written") || len(state(t, dir)) > 0 {
		t.Error(err)
	}
}
