package emulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Host is the address under which a board reaches 127.0.0.1 of this machine
// (QEMU's user network).
const Host = "10.0.2.2"

const guest = "10.0.2.15" // the board's own address there

// A VM is a running board. Run may be called by one goroutine at a time, the
// other methods by any.
type VM struct {
	Tries    int           // starts that it took
	BootTime time.Duration // until the first program ran, of the last try

	dir     string // with the control socket
	proc    *process
	stdin   io.Writer
	console *console
	qmp     *qmp
	seq     int // of commands
}

// start starts QEMU.
func start(ctx context.Context, program string, args []string) (*VM, error) {
	dir, err := os.MkdirTemp("", "pipit-qemu-") // a socket's path must be short
	if err != nil {
		return nil, err
	}
	vm := &VM{dir: dir, console: newConsole()}
	ctx, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	socket := filepath.Join(dir, "qmp")
	cmd := exec.Command(program, append(args, "-qmp", "unix:"+socket+",server=on,wait=off",
		"-display", "none", "-serial", "stdio", "-no-reboot")...)
	cmd.Stdout, cmd.Stderr = vm.console, vm.console
	cmd.WaitDelay = 5 * time.Second
	if vm.stdin, err = cmd.StdinPipe(); err == nil {
		vm.proc, err = startProcess(cmd, func(why error) {
			vm.console.end(why)
			ended(why)
		})
	}
	if err == nil {
		vm.qmp, err = dialQMP(ctx, socket)
	}
	if err != nil {
		vm.Stop()
		return nil, vm.console.explain(fmt.Errorf("starting QEMU: %w", err))
	}
	return vm, nil
}

// Stop ends the emulator as a power cut does, and waits for its end. Further
// calls do nothing.
func (vm *VM) Stop() {
	if vm.proc != nil {
		vm.proc.stop()
	}
	if vm.qmp != nil {
		vm.qmp.conn.Close()
	}
	os.RemoveAll(vm.dir)
}

// Console returns all that the board has printed.
func (vm *VM) Console() string { return vm.console.String() }

// An ExitError says that a command on a board failed.
type ExitError struct {
	Command, Output string
	Code            int
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("on the board: %s: exit code %d\n%s", e.Command, e.Code, e.Output)
}

// Run runs a shell command of one line on the board and returns what it
// printed, without white space around it. The error is an *ExitError when its
// exit code is not 0. After the end of ctx the shell may still be busy.
func (vm *VM) Run(ctx context.Context, command string) (string, error) {
	if strings.ContainsAny(command, "\n\r") || len(command) > 3000 { // a terminal's line has 4095 bytes
		return "", errors.New("a command for a board is one short line")
	}
	vm.seq++
	from := vm.console.len()
	id := "pipit-" + strconv.Itoa(vm.seq)
	if _, err := io.WriteString(vm.stdin, id+" "+command+"\n"); err != nil {
		return "", vm.console.explain(err)
	}
	_, begin, err := vm.console.await(ctx, from, "\n<"+id+"\n")
	if err != nil {
		return "", err
	}
	end, code, err := vm.console.await(ctx, begin, "\n>"+id+" ")
	if err != nil {
		return "", err
	}
	last, _, err := vm.console.await(ctx, code, "\n")
	if err != nil {
		return "", err
	}
	out := strings.TrimSpace(vm.console.between(begin, end))
	n, err := strconv.Atoi(vm.console.between(code, last))
	if err == nil && n != 0 {
		err = &ExitError{command, out, n}
	}
	return out, err
}

// Set sets a property of an emulated device, such as "temperature" of
// "/machine/peripheral/chip".
func (vm *VM) Set(ctx context.Context, device, property string, value any) error {
	return vm.qmp.do(ctx, "qom-set", map[string]any{"path": device, "property": property, "value": value}, nil)
}

// Get decodes a property of an emulated device into value, a pointer.
func (vm *VM) Get(ctx context.Context, device, property string, value any) error {
	return vm.qmp.do(ctx, "qom-get", map[string]any{"path": device, "property": property}, value)
}
