package cross

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent/xmpp/xmpptest"
)

// qemu returns the emulator of 32-bit ARM programs.
func qemu(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"qemu-arm-static", "qemu-arm"} { // newer Debian has only the second, static as well
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no qemu-arm-static: run .ci/setup test, or: sudo apt-get install -y --no-install-recommends qemu-user-static")
	return ""
}

// TestARMv6 runs the armv6 binary as a device on an emulated board and wants
// to see its sensor's readings arrive at its owner.
func TestARMv6(t *testing.T) {
	board := filepath.Join(build(t, "..", "armv6"), "pipit-linux-armv6")
	dir := t.TempDir()
	native := filepath.Join(dir, "pipit")
	run(t, "..", "go", "build", "-buildvcs=false", "-o", native, "./agent/pipit")
	server := xmpptest.Prosody(t)
	write(t, filepath.Join(dir, xmpptest.Device), xmpptest.Password(xmpptest.Device))
	write(t, filepath.Join(dir, xmpptest.Owner), xmpptest.Password(xmpptest.Owner))
	config := filepath.Join(dir, "pipit.toml")
	write(t, config, deviceConfig(dir, server.Addr, server.CAFile))

	// Emulation on a busy machine is slow; a device that does not work ends earlier.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	watchCtx, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	device := start(t, ctx, io.Discard, qemu(t), "-cpu", "arm1176", board, "run", "--config", config)
	deviceEnd := make(chan struct{})
	go func() {
		defer close(deviceEnd)
		_ = device.cmd.Wait()
		stopWatch()
	}()

	lines, stdout := io.Pipe()
	watch := start(t, watchCtx, stdout, native, "watch", xmpptest.JID(xmpptest.Device), "--jid", xmpptest.JID(xmpptest.Owner),
		"--password-file", filepath.Join(dir, xmpptest.Owner), "--server", server.Addr, "--ca", server.CAFile)
	watchEnd := make(chan struct{})
	go func() {
		defer close(watchEnd)
		_ = watch.cmd.Wait()
		stdout.Close()
	}()

	arrived := hasReading(lines)
	lines.Close()
	_ = device.cmd.Process.Signal(syscall.SIGTERM)
	<-deviceEnd
	<-watchEnd
	if code := device.cmd.ProcessState.ExitCode(); !arrived || code != 0 {
		t.Errorf("a reading arrived: %v; the device ended with %d, want 0\ndevice:\n%s\nwatch:\n%s",
			arrived, code, &device.stderr, &watch.stderr)
	}
}

// deviceConfig is the config of a device with one simulated sensor and one
// owner; its state is in dir, its password in the file of its name there.
func deviceConfig(dir, server, ca string) string {
	return fmt.Sprintf(`
[device]
name = "cross"
state_dir = %q

[xmpp]
jid = %q
password_file = %q
server = %q
ca_file = %q

[people]
%q = "owner"

[sensor.demo]
kind = "sim"
every = "1s"
`, dir, xmpptest.JID(xmpptest.Device), filepath.Join(dir, xmpptest.Device), server, ca, xmpptest.JID(xmpptest.Owner))
}

// write writes a file that only its owner may read.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is a pipit that was started; stderr may be read after its end.
type program struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// start starts a program that ends with ctx: first asked to, 20 s later killed.
func start(t *testing.T, ctx context.Context, stdout io.Writer, argv ...string) *program {
	t.Helper()
	p := &program{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	p.cmd.Stdout, p.cmd.Stderr = stdout, &p.stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// hasReading reads lines until one is a reading of the sensor demo, with a number as its value.
func hasReading(lines io.Reader) bool {
	for scan := bufio.NewScanner(lines); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 3 || (fields[1] != "demo" && !strings.HasPrefix(fields[1], "demo.")) {
			continue
		}
		if _, err := strconv.ParseFloat(fields[2], 64); err == nil {
			return true
		}
	}
	return false
}
