package emulate

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// A process is a running QEMU. It ends with this program, however that ends.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it is gone
}

// startProcess starts cmd; ended is called with the reason when it is gone.
func startProcess(cmd *exec.Cmd, ended func(error)) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &process{cmd, make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the process ends.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its error is in the state
			ended(fmt.Errorf("%w (%v)", errEnded, cmd.ProcessState))
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop ends the process and waits for its end. Further calls do nothing.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
