package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const (
	flush  = time.Second // of the device's store
	unsure = 2 * flush   // before a power cut: the flush interval, and as much for a commit on a busy disk

	moreGoroutines = 3 // that come and go: a read of each sensor
)

// A device is the real program in a process of its own.
type device struct {
	t      testing.TB
	config string
	cmd    *exec.Cmd
	out    *output
}

// newDevice writes a config whose sensors read the gauge. addr is where the
// device finds the server.
func newDevice(t testing.TB, s *server.Server, addr string, g *gauge, every time.Duration) *device {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "password", xmpptest.Password(xmpptest.Device), 0o600)
	var b strings.Builder
	fmt.Fprintf(&b, "[device]\nname = \"Soak\"\nstate_dir = \"state\"\nflush = %q\nclock = \"trust\"\n\n", flush)
	fmt.Fprintf(&b, "[xmpp]\njid = %q\npassword_file = \"password\"\nserver = %q\nca_file = %q\n\n", xmpptest.JID(xmpptest.Device), addr, s.CAFile)
	fmt.Fprintf(&b, "[people]\n%q = \"owner\"\n", xmpptest.JID(xmpptest.Owner))
	for _, f := range g.fields {
		fmt.Fprintf(&b, "\n[sensor.%s]\nkind = \"file\"\npath = %q\nevery = %q\n", f, g.path(f), every)
	}
	d := &device{t: t, config: write(t, dir, "config.toml", b.String(), 0o600)}
	t.Cleanup(func() {
		if d.cmd != nil {
			_ = d.cmd.Process.Kill()
			_ = d.cmd.Wait()
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "state", "*damaged*")); len(left) > 0 {
			t.Errorf("the store was damaged: %s", strings.Join(left, ", "))
		}
	})
	return d
}

func (d *device) start() {
	d.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	d.out = &output{t: d.t}
	d.cmd = exec.Command(exe, "run", "--config", d.config)
	d.cmd.Env = append(os.Environ(), asProgram+"=1", "GOTRACEBACK=all")
	d.cmd.Stderr = d.out
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
}

// end sends a signal that ends the process, and waits for that.
func (d *device) end(sig syscall.Signal) {
	d.t.Helper()
	kill := time.AfterFunc(patience, func() { _ = d.cmd.Process.Kill() })
	defer kill.Stop()
	err := errors.Join(d.cmd.Process.Signal(sig), d.cmd.Wait())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || sig == syscall.SIGKILL && exit.Exited() {
		d.t.Errorf("the device has ended by itself: %v", err)
	}
	d.cmd = nil
}

// goroutines ends the process with a stack dump and counts.
func (d *device) goroutines() goroutines {
	d.t.Helper()
	d.end(syscall.SIGQUIT)
	g := goroutines{}
	for stack := range strings.SplitSeq(string(d.out.dump), "\n\n") {
		if m := ours.FindAllStringSubmatch(stack, -1); strings.HasPrefix(stack, "goroutine ") && m != nil {
			g[m[len(m)-1][1]]++
		}
	}
	if len(g) == 0 {
		d.t.Fatal("the device left no stack dump")
	}
	return g
}

// ours matches the functions of a stack that belong to this module; the last
// one is where the goroutine began.
var ours = regexp.MustCompile(`(?m)^(pipit/\S+)\(`)

// goroutines are counts of goroutines by the function in which they began; the
// runtime's own, which come and go, are not counted.
type goroutines map[string]int

func (g goroutines) sum() (n int) {
	for _, count := range g {
		n += count
	}
	return n
}

// outgrow says which are more than at first.
func (g goroutines) outgrow(first goroutines) error {
	if g.sum() <= first.sum()+moreGoroutines {
		return nil
	}
	var more []string
	for who, n := range g {
		if n > first[who] {
			more = append(more, fmt.Sprintf("%d %s, not %d", n, who, first[who]))
		}
	}
	slices.Sort(more)
	return fmt.Errorf("%d goroutines, at first %d: %s", g.sum(), first.sum(), strings.Join(more, "; "))
}

// An output logs what a process says, but for the stack dump of SIGQUIT.
type output struct {
	t    testing.TB
	mu   sync.Mutex
	dump []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at := bytes.Index(p, []byte("SIGQUIT: quit")); at >= 0 || o.dump != nil {
		o.dump = append(o.dump, p[max(at, 0):]...)
		return len(p), nil
	}
	o.t.Log(strings.TrimSuffix(string(p), "\n"))
	if bytes.Contains(p, []byte("DATA RACE")) || bytes.Contains(p, []byte("panic")) {
		o.t.Errorf("the device is broken:\n%s", p)
	}
	return len(p), nil
}

// A footprint is what the kernel knows about a process.
type footprint struct {
	threads, files int
	rss            int64 // bytes
}

func (f footprint) String() string {
	return fmt.Sprintf("%d threads, %d open files, %.1f MB", f.threads, f.files, float64(f.rss)/1e6)
}

// footprint returns the least of some samples: reads and timers come and go.
func (d *device) footprint() footprint {
	d.t.Helper()
	least := d.sample()
	for range 10 {
		time.Sleep(50 * time.Millisecond)
		f := d.sample()
		least = footprint{min(least.threads, f.threads), min(least.files, f.files), min(least.rss, f.rss)}
	}
	return least
}

var rssLine = regexp.MustCompile(`(?m)^VmRSS:\s*([0-9]+) kB`)

func (d *device) sample() footprint {
	d.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", d.cmd.Process.Pid)
	status, err := os.ReadFile(proc + "status")
	threads, err2 := os.ReadDir(proc + "task")
	files, err3 := os.ReadDir(proc + "fd")
	rss := rssLine.FindSubmatch(status)
	if err := errors.Join(err, err2, err3); err != nil || rss == nil {
		d.t.Fatalf("the device has ended by itself: %v", err)
	}
	kb, _ := strconv.ParseInt(string(rss[1]), 10, 64)
	return footprint{len(threads), len(files), kb << 10}
}

// outgrows says in which way a footprint is more than the first one, with room
// for what the runtime and the heap do by themselves.
func (f footprint) outgrows(first footprint) error {
	var errs []error
	if f.files > first.files+3 {
		errs = append(errs, fmt.Errorf("%d open files, at first %d", f.files, first.files))
	}
	if f.threads > first.threads+8 {
		errs = append(errs, fmt.Errorf("%d threads, at first %d", f.threads, first.threads))
	}
	if f.rss > first.rss*3/2+8<<20 {
		errs = append(errs, fmt.Errorf("%.1f MB of memory, at first %.1f", float64(f.rss)/1e6, float64(first.rss)/1e6))
	}
	return errors.Join(errs...)
}
