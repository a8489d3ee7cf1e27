package emulate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeQEMU makes the test binary behave as a QEMU whose board behaves as its
// value says.
const fakeQEMU = "PIPIT_TEST_QEMU"

func TestMain(m *testing.M) {
	if board := os.Getenv(fakeQEMU); board != "" {
		os.Exit(playQEMU(board))
	}
	os.Exit(m.Run())
}

// playQEMU has a serial console on standard input and output, and a control
// socket.
func playQEMU(board string) int {
	if board == "broken" {
		fmt.Println("libslirp.so.0: cannot open shared object file")
		return 127
	}
	i := slices.Index(os.Args, "-qmp")
	socket, _, _ := strings.Cut(strings.TrimPrefix(os.Args[i+1], "unix:"), ",")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	go playQMP(listener)
	switch {
	case board == "panics":
		fmt.Println("Kernel panic - not syncing")
		time.Sleep(100 * time.Millisecond)
		return 0
	case board == "hangs", strings.HasPrefix(board, "/") && os.Mkdir(board, 0o700) == nil: // the first time
		select {}
	}
	fmt.Print("Booting Linux\ninit: up\n")
	playShell()
	return 0
}

// playShell runs no command, but tells which came. "exit 3" ends with 3.
func playShell() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		id, command, _ := strings.Cut(lines.Text(), " ")
		word, arg, _ := strings.Cut(command, " ")
		code := 0
		fmt.Printf("\n<%s\n", id)
		switch word {
		case "exit":
			code, _ = strconv.Atoi(arg)
		case "hang":
			select {}
		case "die":
			return
		case "flood":
			fmt.Print(strings.Repeat("x", maxConsole))
		}
		fmt.Printf("%s\n>%s %d\n", command, id, code)
	}
}

// playQMP keeps properties and knows nothing of devices called "none".
func playQMP(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	fmt.Fprintln(conn, `{"QMP": {"version": {}, "capabilities": []}}`)
	properties, asked := make(map[string]json.RawMessage), 0
	for in := json.NewDecoder(conn); ; {
		var c struct {
			Execute   string
			Arguments struct {
				Path, Property string
				Value          json.RawMessage
			}
		}
		if in.Decode(&c) != nil {
			return
		}
		fmt.Fprintln(conn, `{"event": "RTC_CHANGE", "timestamp": {}}`)
		key := c.Arguments.Path + " " + c.Arguments.Property
		switch {
		case c.Arguments.Path == "none":
			fmt.Fprintln(conn, `{"error": {"class": "DeviceNotFound", "desc": "Device 'none' not found"}}`)
		case c.Execute == "human-monitor-command": // the interrupt is taken when it was asked for twice
			fmt.Fprintf(conn, "{\"return\": \"000000001e7800f8: 0x%08x\\r\\n\"}\n", max(0, 1-asked))
			asked++
		case c.Execute == "qom-get":
			fmt.Fprintf(conn, "{\"return\": %s}\n", properties[key])
		default:
			properties[key] = c.Arguments.Value
			fmt.Fprintln(conn, `{"return": {}}`)
		}
	}
}

// bootFake boots a board that behaves as told.
func bootFake(t *testing.T, board string, wait time.Duration) (*VM, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, qemu.Name, "usr/bin/qemu-system-arm"),
		fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' \"$@\"\n", fakeQEMU, board, exe), 0o755)
	k := &Kit{board: Board{Name: "fake", linux: Package{Name: "linux-image-1"}}, dir: dir, wait: wait,
		files: map[string]File{"init": {initScript, 0o755}}}
	vm, err := k.Boot(t.Context(), map[string]File{"etc/x": {nil, 0o600}})
	if err == nil {
		t.Cleanup(vm.Stop)
	}
	return vm, err
}

const patient = time.Minute

func TestRun(t *testing.T) {
	vm, err := bootFake(t, "works", patient)
	if err != nil {
		t.Fatal(err)
	}
	if vm.Tries != 1 || vm.BootTime <= 0 {
		t.Errorf("%d tries, booted in %v", vm.Tries, vm.BootTime)
	}
	if !strings.Contains(vm.Console(), "ip link set eth0 up") {
		t.Errorf("the network is not brought up: %s", vm.Console())
	}
	if out, err := vm.Run(t.Context(), "echo <pipit-1 >pipit-2 0"); err != nil || out != "echo <pipit-1 >pipit-2 0" {
		t.Errorf("%q, %v", out, err)
	}
	var exit *ExitError
	if out, err := vm.Run(t.Context(), "exit 3"); !errors.As(err, &exit) || exit.Code != 3 || out != "exit 3" {
		t.Errorf("%q, %v", out, err)
	}
	for _, bad := range []string{"a\nb", strings.Repeat("x", 5000)} {
		if _, err := vm.Run(t.Context(), bad); err == nil {
			t.Errorf("a command of %d bytes was run", len(bad))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := vm.Run(ctx, "hang"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "exit 3") {
		t.Errorf("a command that hangs: %v", err)
	}
}

func TestProperties(t *testing.T) {
	vm, err := bootFake(t, "works", patient)
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := errors.Join(vm.Set(t.Context(), "/chip", "temperature", -7250), vm.Get(t.Context(), "/chip", "temperature", &got)); err != nil || got != -7250 {
		t.Errorf("got %d, %v", got, err)
	}
	if err := vm.Set(t.Context(), "none", "x", 1); err == nil || !strings.Contains(err.Error(), "qom-set: Device 'none' not found") {
		t.Error(err)
	}
	if err := vm.Drive(t.Context(), 96, true); err != nil {
		t.Error(err)
	}
	if err := vm.Drive(t.Context(), 95, true); err == nil {
		t.Error("a line of another register was driven")
	}
	high := false
	if err := vm.Get(t.Context(), "/machine/soc/gpio", "gpioM0", &high); err != nil || !high {
		t.Errorf("line 96 is not gpioM0: %v, %v", high, err)
	}
	if level, err := vm.Level(t.Context(), 96); err != nil || !level {
		t.Errorf("level %v, %v", level, err)
	}
}

func TestBootFails(t *testing.T) {
	tests := []struct {
		board string
		wait  time.Duration
		err   []string
	}{
		{"hangs", 200 * time.Millisecond, []string{"boot 2 of fake", "the boot hangs"}},
		{"panics", patient, []string{"boot 1 of fake", "the emulator has ended (exit status 0)", "Kernel panic"}},
		{"broken", patient, []string{"boot 1 of fake: starting QEMU", "exit status 127", "libslirp.so.0"}},
	}
	for _, test := range tests {
		t.Run(test.board, func(t *testing.T) {
			_, err := bootFake(t, test.board, test.wait)
			for _, want := range test.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
		})
	}
}

// TestHangsOnce boots a board that hangs at its first start.
func TestHangsOnce(t *testing.T) {
	vm, err := bootFake(t, filepath.Join(t.TempDir(), "was-here"), 5*time.Second)
	if err != nil || vm.Tries != 2 {
		t.Fatalf("%+v, %v", vm, err)
	}
}

func TestStop(t *testing.T) {
	vm, err := bootFake(t, "works", patient)
	if err != nil {
		t.Fatal(err)
	}
	pid := vm.proc.cmd.Process.Pid
	vm.Stop()
	vm.Stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("QEMU still runs: %v", err)
	}
	if _, err := os.Stat(vm.dir); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
	if _, err := vm.Run(t.Context(), "true"); err == nil {
		t.Error("a command was run")
	}
	if err := vm.Set(t.Context(), "/chip", "temperature", 1); err == nil {
		t.Error("a property was set")
	}
}

// TestEnd looks at commands that do not come back because the board is gone.
func TestEnd(t *testing.T) {
	for command, want := range map[string]string{
		"die":   "the emulator has ended",
		"flood": "it has printed more than 8 MiB",
	} {
		vm, err := bootFake(t, "works", patient)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := vm.Run(t.Context(), command); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 2*errTail {
			t.Errorf("%s: %v", command, err)
		}
	}
}
