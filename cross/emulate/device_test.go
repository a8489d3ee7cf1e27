//go:build emulate

package emulate

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const (
	patience = 3 * time.Minute // for what takes up to 15 s on an idle machine
	fullJID  = xmpptest.Device + "@" + xmpptest.Domain + "/pipit"
)

// A device is a booted board with pipit on it.
type device struct {
	*VM
	t      *testing.T
	server *server.Server
	kit    *Kit
	files  map[string]File
}

// boot boots a board that has the armv6 pipit, and a config with these sensors.
func boot(t *testing.T, b Board, s *server.Server, sensors string) *device {
	t.Helper()
	kit, err := Prepare(t.Context(), t.TempDir(), b)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, server: s, kit: kit, files: map[string]File{
		"bin/pipit":             {contents(t, armv6(t)), 0o755},
		"etc/pipit/ca.pem":      {contents(t, s.CAFile), 0o644},
		"etc/pipit/password":    {[]byte(xmpptest.Password(xmpptest.Device)), 0o600},
		"etc/pipit/config.toml": {[]byte(config("/var/pipit", hostAddr(t, s)) + sensors), 0o600},
	}}
	d.power()
	t.Cleanup(func() {
		defer d.Stop()
		if t.Failed() {
			// The test's own context has ended.
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			log, err := d.Run(ctx, "tail -n 50 /var/pipit.log")
			t.Logf("pipit on the board: %s %v\nconsole:\n%s", log, err, d.Console())
		}
	})
	t.Logf("%s: %s", b.Name, d.run("grep -m1 '^model name' /proc/cpuinfo; grep -E 'MemTotal|MemFree' /proc/meminfo"))
	return d
}

// power boots the board.
func (d *device) power() {
	d.t.Helper()
	vm, err := d.kit.Boot(d.t.Context(), d.files)
	if err != nil {
		d.t.Fatal(err)
	}
	d.VM = vm
	d.t.Logf("%s: booted in %.1f s, try %d: %s", d.kit.board.Name, vm.BootTime.Seconds(), vm.Tries, d.run("uname -srm"))
}

// reboot takes the power away and boots with one more option of the kernel.
// Nothing on the board survives that.
func (d *device) reboot(option string) {
	d.t.Helper()
	d.Stop()
	d.kit.board.append += " " + option
	d.power()
}

// armv6 builds the binary for the board.
func armv6(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "../build", "-o", dir, "armv6").CombinedOutput(); err != nil {
		t.Fatalf("cross/build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "pipit-linux-armv6")
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// hostAddr is where the board reaches the server.
func hostAddr(t *testing.T, s *server.Server) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(Host, port)
}

// config is the beginning of a config. The test sets the board's clock.
func config(state, server string) string {
	return fmt.Sprintf(`
[device]
name = "Emulated board"
state_dir = %q
clock = "trust"

[xmpp]
jid = %q
password_file = "password"
server = %q
ca_file = "ca.pem"

[people]
%q = "owner"

`, state, xmpptest.JID(xmpptest.Device), server, xmpptest.JID(xmpptest.Owner))
}

// run runs a command on the board, which must succeed.
func (d *device) run(format string, args ...any) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	out, err := d.Run(ctx, fmt.Sprintf(format, args...))
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// write writes a text file on the board, readable by its owner alone.
func (d *device) write(path, text string) {
	d.t.Helper()
	d.run("umask 077; echo %s | base64 -d >%s", base64.StdEncoding.EncodeToString([]byte(text)), path)
}

// start starts an agent with a config, by the name of its file, and returns
// its process id.
func (d *device) start(config string) string {
	d.t.Helper()
	return d.run("pipit run --config /etc/pipit/%s >>/var/pipit.log 2>&1 & echo $!", config)
}

// kill ends an agent as a crash does.
func (d *device) kill(pid string) {
	d.t.Helper()
	d.run("kill -9 %s; while [ -d /proc/%[1]s ]; do sleep 0.1; done", pid)
}

// heat sets the temperature of the board's chip in thousandths of a degree.
func (d *device) heat(milli int) {
	d.t.Helper()
	if err := d.Set(d.t.Context(), "/machine/peripheral/chip", "temperature", milli); err != nil {
		d.t.Fatal(err)
	}
}

// owner logs the independent client in and waits until it sees the device.
func (d *device) owner(resource string, readings ...string) *xmpptest.Client {
	d.t.Helper()
	c := xmpptest.Slixmpp(d.t, d.server, xmpptest.Owner+"/"+resource)
	c.Subscribe(xmpptest.JID(xmpptest.Device))
	c.Wait(xmpptest.Has("<presence", `from="`+fullJID+`"`, "http://jabber.org/protocol/caps"), patience)
	nodes := make([]string, len(readings))
	for i, name := range readings {
		nodes[i] = "pipit/" + name
	}
	c.Notify(nodes...)
	return c
}

// memory returns what /proc says of a process.
func (d *device) memory(pid string) string {
	d.t.Helper()
	out := d.run("grep -E '^(VmHWM|VmRSS|RssAnon|Threads):' /proc/%s/status", pid)
	return strings.Join(strings.Fields(out), " ")
}

// processor returns the time that a process has spent on the processor.
func (d *device) processor(pid string) time.Duration {
	d.t.Helper()
	out := d.run("cat /proc/%s/task/*/schedstat", pid)
	var sum int64
	for line := range strings.Lines(out) {
		n, err := strconv.ParseInt(strings.Fields(line)[0], 10, 64)
		if err != nil {
			d.t.Fatalf("schedstat: %v\n%s", err, out)
		}
		sum += n
	}
	return time.Duration(sum)
}

// logged returns the agent's last line with a text, which must hold want too.
func (d *device) logged(text, want string) string {
	d.t.Helper()
	line := d.run("grep '%s' /var/pipit.log | tail -n 1", text)
	if !strings.Contains(line, want) {
		d.t.Errorf("the log says %q, want %q", line, want)
	}
	return line
}

// detects runs pipit detect, which must print these.
func (d *device) detects(want ...string) { d.prints("pipit detect", want) }

// reads runs pipit read with the board's config. The console is a terminal, which
// gets ASCII without a locale.
func (d *device) reads(want ...string) {
	d.prints("LC_ALL=C.UTF-8 pipit read --config /etc/pipit/config.toml", want)
}

// comment is a line of a table that detect does not offer by itself.
var comment = regexp.MustCompile(`(?m)^(#[^ ].*|# Choose .*|)\n`)

// prints logs what a command prints, in short. Each of want, a regular
// expression, must be in it.
func (d *device) prints(command string, want []string) {
	d.t.Helper()
	out := d.run("%s", command)
	d.t.Logf("%s:\n%s", command, comment.ReplaceAllString(out, ""))
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(out) {
			d.t.Errorf("%s prints no %s", command, w)
		}
	}
}
