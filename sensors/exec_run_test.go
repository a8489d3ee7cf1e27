package sensors

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// programs returns a host with shell scripts, by path.
func programs(t *testing.T, scripts map[string]string) *Host {
	t.Helper()
	h := NewHost(t.TempDir())
	for name, body := range scripts {
		script(t, h, name, body)
	}
	return h
}

// script writes a program that nobody else may change, whatever the umask is.
func script(t *testing.T, h *Host, name, body string) {
	t.Helper()
	put(t, h, name, "#!/bin/sh\n"+body+"\n")
	for dir := filepath.Dir(h.path(name)); len(dir) >= len(h.Root); dir = filepath.Dir(dir) {
		chmod(t, dir, 0o755)
	}
	chmod(t, h.path(name), 0o755)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// run runs a program and returns its output, or its error as "error: ...".
func run(ctx context.Context, h *Host, most int, argv ...string) string {
	out, err := h.Run(ctx, argv, nil, most)
	if err != nil {
		return strings.Join(lines(nil, err), "")
	}
	return string(out)
}

func TestRun(t *testing.T) {
	h := programs(t, map[string]string{
		"/bin/args":    `printf '%s|' "$0" "$@"`,
		"/bin/stdin":   `cat; echo end`,
		"/bin/where":   `pwd`,
		"/bin/fails":   `echo half; printf '\n  no\troute \033 here\nmore\n' >&2; exit 3`,
		"/bin/quiet":   `exit 4`,
		"/bin/long":    `head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`,
		"/bin/exact":   `head -c 1024 /dev/zero`,
		"/bin/more":    `head -c 1025 /dev/zero`,
		"/bin/endless": `while :; do echo x; done`,
		"/bin/chatty":  `head -c 1000000 /dev/zero >&2; echo 7`,
		"/bin/killed":  `kill -9 $$`,
	})
	put(t, h, "/bin/lost", "#!/nowhere/sh\n")
	put(t, h, "/bin/data", "no program\n")
	chmod(t, h.path("/bin/lost"), 0o755)
	chmod(t, h.path("/bin/data"), 0o755)
	if err := os.Symlink("../bin/exact", h.path("/bin/link")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		argv []string
		want string
	}{
		{[]string{"/bin/args", "a b", "$HOME;ls", "*", ""}, h.path("/bin/args") + "|a b|$HOME;ls|*||"},
		{[]string{"/bin/stdin"}, "end\n"},
		{[]string{"/bin/where"}, "/\n"},
		{[]string{"/bin/fails"}, "error: /bin/fails: exit status 3: no route   here"},
		{[]string{"/bin/quiet"}, "error: /bin/quiet: exit status 4"},
		{[]string{"/bin/long"}, "error: /bin/long: exit status 1: " + strings.Repeat("x", maxStderr)},
		{[]string{"/bin/exact"}, strings.Repeat("\x00", 1024)},
		{[]string{"/bin/link"}, strings.Repeat("\x00", 1024)},
		{[]string{"/bin/more"}, "error: /bin/more wrote more than 1 KiB"},
		{[]string{"/bin/endless"}, "error: /bin/endless wrote more than 1 KiB"},
		{[]string{"/bin/killed"}, "error: /bin/killed: signal: killed"},
		{[]string{"/bin/none"}, "missing: there is no /bin/none"},
		{[]string{"/none/x"}, "missing: there is no /none"},
		{[]string{"/bin/exact/x"}, "missing: there is no /bin/exact/x"},
		{[]string{"/bin"}, "error: /bin is not a program"},
		{[]string{"bin/exact"}, `error: "bin/exact" is not a whole path: it must begin with /`},
		{[]string{"/bin/lost"}, "error: /bin/lost cannot be run: what its first line names after #! is not there"},
		{[]string{"/bin/data"}, "error: /bin/data cannot be run: it is neither a program for this machine nor a script with #! in its first line"},
		{nil, "error: there is no program to run"},
	}
	for _, tt := range tests {
		if got := run(t.Context(), h, 1<<10, tt.argv...); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.argv, got, tt.want)
		}
	}
	if got := run(t.Context(), h, 10, "/bin/chatty"); got != "7\n" {
		t.Errorf("a program that complains a lot: %q", got)
	}
	if got := run(cancelled(t), h, 10, "/bin/exact"); got != "error: context canceled" {
		t.Errorf("after the end: %q", got)
	}
}

func TestRunEnvironment(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/pipit.service")
	t.Setenv("PATH", "/evil:"+os.Getenv("PATH"))
	t.Setenv("HOME", "/home/pipit")
	h := programs(t, map[string]string{"/env": "exec /usr/bin/env"})
	out, err := h.Run(t.Context(), []string{"/env"}, []string{"EXTRA=1"}, maxStdout)
	var got []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "PWD=") && !strings.HasPrefix(line, "_=") && !strings.HasPrefix(line, "SHLVL=") && !strings.HasPrefix(line, "OLDPWD=") { // of the shell
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	want := map[string]bool{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin": true, "HOME=/home/pipit": true, "LANG=C.UTF-8": true, "EXTRA=1": true}
	for _, line := range got {
		if !want[line] {
			t.Errorf("the program sees %s", line)
		}
	}
	if len(got) != len(want) || err != nil {
		t.Errorf("environment %q, %v", got, err)
	}
}

func TestRunRefusesWhatOthersCanChange(t *testing.T) {
	type change struct {
		path string
		mode os.FileMode
	}
	for _, tt := range []struct {
		change change
		run    string
		want   string
	}{
		{change{"/opt/bin/x", 0o775}, "/opt/bin/x", "error: /opt/bin/x may be changed by others (mode 0775), so nothing there is run: run chmod go-w /opt/bin/x"},
		{change{"/opt/bin/x", 0o757}, "/opt/bin/x", "error: /opt/bin/x may be changed by others (mode 0757), so nothing there is run: run chmod go-w /opt/bin/x"},
		{change{"/opt/bin", 0o777 | os.ModeSticky}, "/opt/bin/x", "error: /opt/bin may be changed by others (mode 0777), so nothing there is run: run chmod go-w /opt/bin"},
		{change{"/opt", 0o775}, "/opt/bin/x", "error: /opt may be changed by others (mode 0775), so nothing there is run: run chmod go-w /opt"},
		{change{"/", 0o777}, "/opt/bin/x", "error: / may be changed by others (mode 0777), so nothing there is run: run chmod go-w /"},
		{change{"/opt/bin/x", 0o644}, "/opt/bin/x", "error: /opt/bin/x is not executable: run chmod 755 /opt/bin/x"},
		{change{"/opt", 0o777}, "/usr/link", "error: /opt may be changed by others (mode 0777), so nothing there is run: run chmod go-w /opt"},
		{change{"/usr", 0o777}, "/usr/link", "error: /usr may be changed by others (mode 0777), so nothing there is run: run chmod go-w /usr"},
		{change{"/opt", 0o777}, "/usr/dir/x", "error: /opt may be changed by others (mode 0777), so nothing there is run: run chmod go-w /opt"},
		{change{"/usr/y", 0o755}, "/usr/link", "fine\n"},
		{change{"/usr/y", 0o755}, "/usr/dir/x", "fine\n"},
		{change{"/usr/y", 0o755}, "/usr/loop", "error: /usr/loop: too many symbolic links"},
	} {
		h := programs(t, map[string]string{"/opt/bin/x": "echo fine", "/usr/y": "echo other"})
		put(t, h, "/usr/link", "-> ../opt/./bin/x")
		put(t, h, "/usr/dir", "-> ../opt/bin")
		put(t, h, "/usr/loop", "-> loop")
		chmod(t, h.path(tt.change.path), tt.change.mode)
		if got := run(t.Context(), h, 100, tt.run); got != tt.want {
			t.Errorf("%s with %s %v: got %q, want %q", tt.run, tt.change.path, tt.change.mode, got, tt.want)
		}
	}
	h := programs(t, map[string]string{"/x": "echo fine"})
	put(t, h, "/abs", "-> /usr/bin/env") // links lead out of the tree, to what is there
	if got := run(t.Context(), h, 4<<10, "/abs"); strings.HasPrefix(got, "missing") {
		t.Errorf("a link out of the tree: %q", got)
	}
}

func TestUntrusted(t *testing.T) {
	const self = 999
	for _, tt := range []struct {
		mode  os.FileMode
		owner int
		want  string
	}{
		{0o755, 0, ""},
		{0o700, self, ""},
		{0o555, self, ""},
		{0o755, 1000, "/x belongs to the user with the number 1000, so nothing there is run: run chown root /x"},
		{0o720, 0, "/x may be changed by others (mode 0720), so nothing there is run: run chmod go-w /x"},
		{0o702, self, "/x may be changed by others (mode 0702), so nothing there is run: run chmod go-w /x"},
	} {
		got := ""
		if err := untrusted("/x", tt.mode, tt.owner, self); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("mode %04o, owner %d: %q, want %q", tt.mode, tt.owner, got, tt.want)
		}
	}
}

// A program that does not end is told to, and killed with all it has started.
func TestRunEndsInTime(t *testing.T) {
	h := programs(t, map[string]string{
		"/polite":   `trap 'echo bye > ` + "$1" + `; exit 0' TERM; echo $$ > "$1"; while :; do sleep 0.01; done`,
		"/stubborn": `trap '' TERM; sleep 1000 & echo $! > "$1"; wait; while :; do sleep 1; done`,
	})
	for _, name := range []string{"/polite", "/stubborn"} {
		note := filepath.Join(t.TempDir(), "note")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		out, err := h.Run(ctx, []string{name, note}, nil, 100)
		if cancel(); out != nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), name+" did not end in time and was stopped") {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		b, err := os.ReadFile(note)
		if err != nil {
			t.Fatal(err)
		}
		if name == "/polite" && string(b) != "bye\n" {
			t.Errorf("it was not asked to end: %q", b)
		}
		if name == "/stubborn" {
			awaitDeath(t, string(b))
		}
	}
}

func TestRunIsCancelled(t *testing.T) {
	h := programs(t, map[string]string{"/wait": `echo $$ > "$1"; exec sleep 1000`})
	note := filepath.Join(t.TempDir(), "note")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if b, _ := os.ReadFile(note); len(b) > 0 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if got := run(ctx, h, 100, "/wait", note); got != "error: context canceled" {
		t.Errorf("cancelled: %q", got)
	}
	b, _ := os.ReadFile(note)
	awaitDeath(t, string(b))
}

// What a program leaves behind neither holds us nor lives on, unless it left
// the group; even that does not hold us.
func TestRunDoesNotWaitForWhatIsLeftBehind(t *testing.T) {
	h := programs(t, map[string]string{
		"/group":   `sleep 1000 & echo $! > "$1"; echo 7`,
		"/session": `/usr/bin/setsid /bin/sh -c 'echo $$ > "$0"; exec sleep 1000' "$1" & while ! test -s "$1"; do sleep 0.01; done; echo 7`,
	})
	for _, name := range []string{"/group", "/session"} {
		note := filepath.Join(t.TempDir(), "note")
		if got := run(t.Context(), h, 100, name, note); got != "7\n" {
			t.Errorf("%s: %q", name, got)
		}
		b, _ := os.ReadFile(note)
		if name == "/session" {
			pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err == nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
			if err != nil {
				t.Errorf("what left the group is gone: %v", err)
			}
		}
		awaitDeath(t, string(b))
	}
}

// awaitDeath waits until a process is gone, or a zombie that its new parent
// has not reaped.
func awaitDeath(t *testing.T, pid string) {
	t.Helper()
	stat := "/proc/" + strings.TrimSpace(pid) + "/stat"
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(stat)
		if _, state, _ := strings.Cut(string(b), ") "); err != nil || strings.HasPrefix(state, "Z") {
			return
		}
	}
	t.Errorf("process %s lives on", pid)
}

func TestExec(t *testing.T) {
	h := programs(t, map[string]string{"/cat": `printf '%b' "$1"`, "/fails": `echo 7; exit 1`})
	tests := []struct {
		out, keys string
		want      []string
	}{
		{`21.5\nrest`, `unit = "C"`, []string{": 21.5 °C"}},
		{`0x1F\n`, ``, []string{": 31"}},
		{``, ``, []string{"error: the answer is empty"}},
		{`hot`, ``, []string{`error: "hot" is not a number`}},
		{`nan`, ``, []string{`error: "nan" is not a number`}},
		{` door\topen \n`, `what = "text"`, []string{": door open"}},
		{`on`, `what = "bool"`, []string{": true"}},
		{`2`, `what = "bool"`, []string{`error: "2" is neither true nor false`}},
		{`{"a":1,"b":{"c":[true,"x"]}}`, `what = "json"`, []string{"a: 1", "b_c_0: true", "b_c_1: x"}},
		{`{"a":1,"b":{"c":[true,"2.5"]}}`, "what = \"json\"\nfields = { t = \"b.c[1]\", u = \"b.d\", v = \"b\" }\nunits = { t = \"V\" }", []string{
			"t: 2.5 V", "u: missing: there is no b.d in the answer", "v: fault: it is an object or an array, not a value"}},
		{`{"a":1`, `what = "json"`, []string{`error: the answer is not JSON: "{\"a\":1"`}},
	}
	for _, tt := range tests {
		argv := `run = ["/cat", ` + strconv.Quote(tt.out) + "]\n"
		b := build(t, execKind(), h, argv+tt.keys)
		if diff := cmp.Diff(tt.want, read(t, b.Sensor)); diff != "" {
			t.Errorf("%s with %s: %s", tt.out, tt.keys, diff)
		}
	}
	b := build(t, execKind(), h, `run = ["/fails"]`)
	if diff := cmp.Diff([]string{"error: /fails: exit status 1"}, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
	b = build(t, execKind(), h, execKind().Example)
	if diff := cmp.Diff([]string{"battery", "temperature"}, b.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"missing: there is no /usr"}, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

func remove(h *Host, name string) { _ = os.Remove(h.path(name)) }
