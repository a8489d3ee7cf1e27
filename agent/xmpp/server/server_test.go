package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const domain = "pipit.example"

// both runs a test on each server, side by side: each is slow to start.
func both(t *testing.T, f func(t *testing.T, start func(context.Context, Options) (*Server, error))) {
	t.Run("prosody", func(t *testing.T) { t.Parallel(); f(t, StartProsody) })
	t.Run("ejabberd", func(t *testing.T) { t.Parallel(); f(t, StartEjabberd) })
}

func mustStart(t *testing.T, start func(context.Context, Options) (*Server, error), opt Options) *Server {
	t.Helper()
	opt.Domain = domain
	s, err := start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

// processesOf returns the processes that run with a directory as their home.
func processesOf(t *testing.T, dir string) (found []string) {
	t.Helper()
	envs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range envs {
		b, _ := os.ReadFile(env)
		if strings.Contains("\x00"+string(b), "\x00HOME="+dir+"\x00") {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(env), "comm"))
			found = append(found, strings.TrimSpace(string(name)))
		}
	}
	return found
}

func expectNothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("directory left: %v", err)
	}
}

func TestLife(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, Options) (*Server, error)) {
		s := mustStart(t, start, Options{Accounts: map[string]string{"device": "device-test-password"}})
		if len(processesOf(t, s.home.dir)) == 0 {
			t.Fatal("the check for processes finds none")
		}
		if err := s.AddAccount(t.Context(), "device", "other-test-password"); err == nil {
			t.Error("an account was made twice")
		}
		first := s.Done()
		if err := s.Err(); err != nil {
			t.Errorf("Err while running: %v", err)
		}
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		<-first
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
			t.Errorf("Err after Kill = %v", err)
		}
		if left := processesOf(t, s.home.dir); len(left) > 0 {
			t.Errorf("processes left by Kill: %v", left)
		}
		if err := s.Freeze(); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Freeze of a dead process: %v", err)
		}
		addr := s.Addr
		for range 2 { // after a kill, and of a running server
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s.Addr != addr {
			t.Errorf("address changed from %s to %s", addr, s.Addr)
		}
		if err := s.AddAccount(t.Context(), "device", "other-test-password"); err == nil {
			t.Error("accounts were lost by a restart")
		}
		expectPortTaken(t, s)
		stop(t, s)
		stop(t, s)
		if err := s.Err(); err != nil {
			t.Errorf("Err after Stop: %v", err)
		}
		if err := s.Restart(t.Context()); !errors.Is(err, errStopped) {
			t.Errorf("Restart after Stop: %v", err)
		}
	})
}

// expectPortTaken checks that a port which somebody took between finding and
// binding it is noticed.
func expectPortTaken(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", s.TLSAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := s.Restart(t.Context()); !errors.Is(err, errPortTaken) {
		t.Errorf("Restart on a taken port = %v, want %v", err, errPortTaken)
	}
}

func TestFreeze(t *testing.T) {
	s := mustStart(t, StartProsody, Options{})
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if s.probe(ctx) == nil {
		t.Error("a frozen server answered")
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := s.probe(t.Context()); err != nil {
		t.Errorf("thawed: %v", err)
	}
	if err := s.Freeze(); err != nil { // Stop must end it all the same
		t.Fatal(err)
	}
}

func TestEndsByItself(t *testing.T) {
	s := mustStart(t, StartProsody, Options{})
	// As if Prosody had ended itself.
	if err := s.process().signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "prosody ended") {
		t.Errorf("Err = %v", err)
	}
}

func TestTwoAtOnce(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, Options) (*Server, error)) {
		started := make(chan *Server, 2)
		t.Run("start", func(t *testing.T) {
			for _, tls12 := range []bool{false, true} {
				t.Run("", func(t *testing.T) {
					t.Parallel()
					s, err := start(t.Context(), Options{Domain: domain, TLS12: tls12})
					if err != nil {
						t.Fatal(err)
					}
					started <- s
				})
			}
		})
		close(started)
		var versions []string
		addrs := make(map[string]bool)
		for s := range started {
			t.Cleanup(func() { stop(t, s) })
			versions = append(versions, tlsVersion(t, s))
			addrs[s.Addr], addrs[s.TLSAddr] = true, true
		}
		slices.Sort(versions)
		if want := []string{"TLS 1.2", "TLS 1.3"}; !slices.Equal(versions, want) || len(addrs) != 4 {
			t.Errorf("versions %v, want %v; addresses %v", versions, want, addrs)
		}
	})
}

// stop ends a server and makes sure that nothing is left.
func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("%s logged:\n%s", s.Name, s.Log())
	}
	expectNothingLeft(t, s.home.dir)
}

func tlsVersion(t *testing.T, s *Server) string {
	t.Helper()
	conn, err := tls.Dial("tcp", s.TLSAddr, &tls.Config{RootCAs: s.Pool(), ServerName: domain})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return tls.VersionName(conn.ConnectionState().Version)
}

func TestCannotStart(t *testing.T) {
	t.Setenv("TMPDIR", openTempDir(t))
	tests := map[string]struct {
		start func(context.Context, Options) (*Server, error)
		opt   Options
		want  string
	}{
		"lua":    {StartProsody, Options{Domain: domain, Extra: "this is not lua"}, "prosody ended"},
		"yaml":   {StartEjabberd, Options{Domain: domain, Extra: "]"}, "ejabberd ended"},
		"domain": {StartProsody, Options{Domain: `x" y`}, "cannot be a name"},
		"account": {StartProsody, Options{Domain: domain, Accounts: map[string]string{"../x": "p"}},
			"cannot be a name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.start(t.Context(), tt.opt)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := StartEjabberd(ctx, Options{Domain: domain})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want a deadline", err)
		}
	})
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// openTempDir returns a directory that every user may enter, as t.TempDir is
// not.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pipit-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMissing(t *testing.T) {
	nowhere := func(string) (string, error) { return "", exec.ErrNotFound }
	tests := map[string]struct {
		start func(context.Context, Options) (*Server, error)
		want  string
	}{
		"prosody":  {StartProsody, "prosody is not installed: run: sudo apt-get install -y prosody"},
		"ejabberd": {StartEjabberd, "ejabberd is not installed: run: sudo apt-get install -y ejabberd"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.start(t.Context(), Options{Domain: domain, look: nowhere})
			var missing *MissingError
			if !errors.As(err, &missing) || missing.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTail(t *testing.T) {
	var log tail
	line := strings.Repeat("x", 99) + "\n"
	for range 5000 {
		log.Write([]byte(line))
	}
	log.Write([]byte("the end\n"))
	if cap(log.buf) > 4*maxTail {
		t.Errorf("holds %d bytes", cap(log.buf))
	}
	got := log.last(250)
	if want := line + line + "the end\n"; got != want {
		t.Errorf("last(250) = %q", got)
	}
	if !strings.HasPrefix(log.String(), line) {
		t.Errorf("does not begin with a whole line: %.200q", log.String())
	}
}

func TestLuaQuoting(t *testing.T) {
	if got, want := luaString("a\"b\\\n1"), `"a\034b\092\0101"`; got != want {
		t.Errorf("luaString = %s, want %s", got, want)
	}
	if got, want := luaPath("pipit.example"), "pipit%2eexample"; got != want {
		t.Errorf("luaPath = %s, want %s", got, want)
	}
}
