package cross

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const setupScript = "../.ci/setup"

const (
	aptUpdate  = "noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 update"
	aptInstall = "noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 install -y --no-install-recommends"
)

// machine is a made-up Debian machine for the setup script.
type machine struct {
	packages string   // what dpkg-query prints
	uid      string   // what id -u prints
	sudo     bool     // sudo works without a password
	failures int      // how many of the first apt-get calls fail
	without  []string // programs this machine does not have
}

// setup runs the setup script on m. It returns the exit code, what was
// printed and the apt-get calls, one a line.
func (m machine) setup(t *testing.T, group string) (int, string, []string) {
	t.Helper()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	m.install(t, dir)
	code, out := script(t, []string{
		"PATH=" + dir, "CALLS=" + calls, "PACKAGES=" + m.packages,
		"FAIL=" + strings.Repeat("x", m.failures),
	}, setupScript, group)
	log, err := os.ReadFile(calls)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return code, out, strings.FieldsFunc(string(log), func(r rune) bool { return r == '\n' })
}

// install puts the programs of m into dir, which is the whole PATH.
func (m machine) install(t *testing.T, dir string) {
	t.Helper()
	stub(t, dir, "dpkg-query", `printf %s "$PACKAGES"; exit 1`)
	stub(t, dir, "id", "echo "+m.uid)
	stub(t, dir, "sleep", "")
	stub(t, dir, "apt-get", `echo "$DEBIAN_FRONTEND apt-get $*" >>"$CALLS"
calls=0; while read -r _; do calls=$((calls + 1)); done <"$CALLS"
[ "$calls" -gt "${#FAIL}" ] || exit 100`)
	if m.sudo {
		stub(t, dir, "sudo", `[ "$1" = -n ] || exit 1; shift; [ "$1" = true ] || exec "$@"`)
	} else {
		stub(t, dir, "sudo", "exit 1")
	}
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(env, filepath.Join(dir, "env")); err != nil {
		t.Fatal(err)
	}
	stub(t, dir, "prosody", "")
	for _, name := range m.without {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

const allInstalled = "lua-event installed;lua-sec installed;lua-unbound installed;prosody installed;"

func TestSetupInstalls(t *testing.T) {
	install := aptInstall + " prosody lua-event"
	tests := []struct {
		name    string
		machine machine
		code    int
		calls   []string
	}{
		{"root", machine{uid: "0"}, 0, []string{aptUpdate, install}},
		{"sudo", machine{uid: "1000", sudo: true}, 0, []string{aptUpdate, install}},
		{"update fails once", machine{uid: "0", failures: 1}, 0, []string{aptUpdate, aptUpdate, install}},
		{"update and its repeat fail", machine{uid: "0", failures: 2}, 1, []string{aptUpdate, aptUpdate}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// The prosody of this machine was removed, its configuration was not.
			test.machine.packages = "lua-sec installed;lua-unbound installed;prosody config-files;"
			code, out, calls := test.machine.setup(t, "demo")
			if code != test.code || !strings.Contains(out, "setup: installing prosody lua-event\n") {
				t.Errorf("exit %d, want %d; printed:\n%s", code, test.code, out)
			}
			if diff := cmp.Diff(test.calls, calls); diff != "" {
				t.Errorf("apt-get calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSetupWithoutApt(t *testing.T) {
	noSudo := []string{"sudo"}
	noDpkg := []string{"dpkg-query", "apt-get", "sudo"}
	askUser := "setup: Debian packages are missing; install them with this line, then try again:\n" +
		"sudo apt-get update && sudo apt-get install -y --no-install-recommends lua-unbound\n"
	oneMissing := "lua-event installed;lua-sec installed;prosody installed;"
	tests := []struct {
		name    string
		machine machine
		group   string
		code    int
		out     string
	}{
		{"nothing missing", machine{packages: allInstalled, uid: "0"}, "demo", 0, ""},
		{"sudo asks for a password", machine{packages: oneMissing, uid: "1000"}, "demo", 1, askUser},
		{"no sudo", machine{packages: oneMissing, uid: "1000", without: noSudo}, "demo", 1, askUser},
		{"not Debian, all there", machine{uid: "1000", without: noDpkg}, "demo", 0, ""},
		{"not Debian, no prosody", machine{uid: "0", without: append(noDpkg, "prosody")}, "demo", 1,
			"setup: this is not Debian and these programs are missing: prosody\n" +
				"setup: install what Debian calls: prosody lua-sec lua-event lua-unbound\n"},
		{"no such group", machine{packages: allInstalled, uid: "0"}, "all", 2, "usage: .ci/setup demo|test|emulate\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out, calls := test.machine.setup(t, test.group)
			if code != test.code || out != test.out || len(calls) != 0 {
				t.Errorf("exit %d, want %d; apt-get calls %q, want none; printed:\n%s\nwant:\n%s",
					code, test.code, calls, out, test.out)
			}
		})
	}
}

// TestSetupLists holds the lists of packages that the tests and the emulated
// boards need.
func TestSetupLists(t *testing.T) {
	const server = " prosody lua-sec lua-event lua-unbound"
	for group, list := range map[string]string{
		"test": server + " prosody-modules lua-readline lua-zlib ejabberd mosquitto mosquitto-clients python3-slixmpp" +
			" systemd qemu-user-static gcc libc6-dev ca-certificates git",
		"emulate": server + " python3-slixmpp qemu-system-arm xz-utils ca-certificates git",
	} {
		_, _, calls := machine{uid: "0"}.setup(t, group)
		if diff := cmp.Diff([]string{aptUpdate, aptInstall + list}, calls); diff != "" {
			t.Errorf("%s: apt-get calls (-want +got):\n%s", group, diff)
		}
	}
}
