package sensors

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killGrace is the most time between SIGTERM and SIGKILL.
	killGrace = time.Second
	// maxStderr is how many bytes of a program's complaint an error repeats.
	maxStderr = 160

	maxArgs   = 64
	maxArg    = 4 << 10
	maxStdout = 64 << 10 // of a sensor's or an output's program
)

// programEnv is the environment of every program. Nothing of our own is in it:
// it may name files with secrets.
func programEnv() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + cmp.Or(os.Getenv("HOME"), "/"),
		"LANG=C.UTF-8",
	}
}

// Run runs a program without a shell and returns what it wrote to standard
// output, at most most bytes; more is an error and ends it. argv[0] is its
// absolute path; env is added to PATH, HOME and LANG, and there is nothing
// else in its environment. It starts in / with an empty standard input and a
// process group of its own.
//
// The program gets SIGTERM shortly before ctx ends (a tenth of its time, at
// most a second) and the whole group gets SIGKILL when ctx ends, and in any
// case once the program itself has ended: what it leaves behind in its group
// does not live on. Run returns then, also when something still holds the pipes.
//
// A program that is not there is an *agent.MissingError; one that others could
// replace is refused, each time, with the chmod to do. An exit status other
// than 0 is an error with the first line of standard error. Any goroutine may
// call Run.
func (h *Host) Run(ctx context.Context, argv, env []string, most int) ([]byte, error) {
	p, err := h.newProgram(argv, env, most)
	if err != nil {
		return nil, err
	}
	defer p.close()
	status, err := p.start(ctx)
	switch {
	case err != nil:
		return nil, err
	case status != nil:
		return nil, p.failed(status)
	case len(p.out.kept) > p.out.most:
		return nil, p.tooMuch()
	}
	return p.out.kept, nil
}

// A program is one run of one.
type program struct {
	name           string
	cmd            *exec.Cmd
	out, complaint *capture
}

// newProgram looks at a program and prepares a run, which close ends.
func (h *Host) newProgram(argv, env []string, most int) (*program, error) {
	if len(argv) == 0 {
		return nil, errors.New("there is no program to run")
	}
	path, err := h.program(argv[0])
	if err != nil {
		return nil, err
	}
	out, err := newCapture(most)
	if err != nil {
		return nil, err
	}
	complaint, err := newCapture(maxStderr)
	if err != nil {
		out.close()
		return nil, err
	}
	return &program{name: argv[0], out: out, complaint: complaint, cmd: &exec.Cmd{
		Path: path, Args: argv, Env: append(programEnv(), env...), Dir: "/",
		Stdout: out.write, Stderr: complaint.write,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}}, nil
}

func (p *program) close() {
	p.out.close()
	p.complaint.close()
}

// start runs the program to its end and returns how it ended, or the error that
// kept it from starting or ended it.
func (p *program) start(ctx context.Context) (status, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, startError(p.name, err)
	}
	p.out.start()
	p.complaint.start()
	err = p.wait(ctx)
	status = p.cmd.Wait()
	finish(p.out, p.complaint)
	return status, err
}

// wait returns when the program has ended and nothing of its group is left,
// with the reason why it was stopped. It does not reap the program, so that
// its process group cannot be somebody else's by now.
func (p *program) wait(ctx context.Context) (err error) {
	grace := killGrace
	if end, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(end)/10)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-grace))
		defer cancel()
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		awaitExit(p.cmd.Process.Pid)
	}()
	select {
	case <-exited:
	case <-p.out.full:
		err = p.tooMuch()
	case <-ctx.Done():
		err = p.stopped(ctx)
		p.signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(grace):
		}
	}
	p.signal(syscall.SIGKILL)
	<-exited
	return err
}

func (p *program) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// awaitExit waits for the end of a child and does not reap it.
func awaitExit(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

func (p *program) tooMuch() error {
	return fmt.Errorf("%s wrote more than %d KiB", p.name, p.out.most>>10)
}

func (p *program) stopped(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return &lateError{p.name + " did not end in time and was stopped"}
	}
	return context.Cause(ctx)
}

// A lateError is a context.DeadlineExceeded that says what was late.
type lateError struct{ text string }

func (e *lateError) Error() string { return e.text }
func (e *lateError) Unwrap() error { return context.DeadlineExceeded }

// failed says how a program ended and what it complained about.
func (p *program) failed(status error) error {
	line := firstLine(bytes.TrimLeft(p.complaint.kept, " \t\r\n"))
	line = strings.Map(printable, strings.ToValidUTF8(line[:min(len(line), maxStderr)], ""))
	if line == "" {
		return fmt.Errorf("%s: %w", p.name, status)
	}
	return fmt.Errorf("%s: %w: %s", p.name, status, line)
}

func startError(name string, err error) error {
	cause := err
	if in := errors.Unwrap(err); in != nil {
		cause = in
	}
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%s cannot be run: what its first line names after #! is not there", name)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%s cannot be run: it is neither a program for this machine nor a script with #! in its first line", name)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s cannot be run: %w: give the user that runs pipit the right to execute it", name, cause)
	}
	return fmt.Errorf("%s cannot be run: %w", name, cause)
}
