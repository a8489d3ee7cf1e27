package server

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	helperWait = 2 * time.Second // for a dead server's helper programs to end
	maxTail    = 64 << 10
)

// A process is one run of a server program, leader of its own process group.
type process struct {
	done  chan struct{} // closed when it and the helpers it started are gone
	state string        // "exit status 1", once done is closed

	mu    sync.Mutex // keeps the process id ours while a signal is sent
	pid   int
	ended bool
}

// startProcess starts cmd. All that it prints goes to out.
func startProcess(cmd *exec.Cmd, out io.Writer) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go p.run(cmd, started, out, r, w)
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// run lives as long as the process. The kernel sends the parent death signal
// when the thread that started the process ends, not when the program does, so
// the thread is kept for this goroutine.
func (p *process) run(cmd *exec.Cmd, started chan<- error, out io.Writer, r, w *os.File) {
	runtime.LockOSThread()
	defer close(p.done)
	defer r.Close()
	err := cmd.Start()
	w.Close()
	if err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(out, r)
	}()
	p.wait(cmd)
	// Helpers of the Erlang VM leave the process group but keep the pipe, and
	// end when they see that the VM has: the end of the pipe is theirs.
	_ = r.SetReadDeadline(time.Now().Add(helperWait))
	<-copied
}

// wait waits for the end of the process. It is reaped under the lock, so that
// signal never reaches a stranger with the same id.
func (p *process) wait(cmd *exec.Cmd) {
	awaitExit(p.pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // what is left of its group
	_ = cmd.Wait()
	p.ended = true
	p.state = cmd.ProcessState.String()
}

// awaitExit waits until a child has ended, without reaping it.
func awaitExit(pid int) {
	const pPID = 1
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(pid), 0, syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}

// signal sends a signal to the process group.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return os.ErrProcessDone
	}
	return syscall.Kill(-p.pid, sig)
}

// A tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > 2*maxTail {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-maxTail:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return t.last(maxTail) }

// last returns whole lines, at most n bytes.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf) <= n {
		return string(t.buf)
	}
	_, s, _ := strings.Cut(string(t.buf[len(t.buf)-n:]), "\n")
	return s
}
