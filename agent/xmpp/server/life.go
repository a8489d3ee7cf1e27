package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopWait is how long a server may take to end by itself.
const stopWait = 15 * time.Second

var (
	errPortTaken = errors.New("a port was taken by another program")
	errStopped   = errors.New("the server was stopped")
)

// run starts the program and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	cmd := exec.Command(s.argv[0], s.prog.args(s.home.dir)...)
	cmd.Dir = s.home.dir
	cmd.Env = append(s.prog.env(s.argv, s.home.dir), "HOME="+s.home.dir, "TMPDIR="+s.home.dir, "PATH="+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.home.cred}
	proc, err := startProcess(cmd, &s.log)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proc = proc
	s.mu.Unlock()
	return s.waitReady(ctx, proc)
}

func (s *Server) waitReady(ctx context.Context, proc *process) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.probe(ctx)
		taken := strings.Contains(s.Log(), s.prog.portTaken)
		switch {
		case taken:
			return errPortTaken
		case err == nil:
			return nil
		}
		select {
		case <-proc.done:
			if strings.Contains(s.Log(), s.prog.portTaken) {
				return errPortTaken
			}
			return s.Err()
		case <-ctx.Done():
			return fmt.Errorf("it does not answer (%w); its last lines:\n%s", ctx.Err(), s.log.last(errTail))
		case <-tick.C:
		}
	}
}

func (s *Server) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// Done returns a channel that is closed when the process that runs now has
// ended, whatever the reason. After Restart there is a new process and a new
// channel.
func (s *Server) Done() <-chan struct{} { return s.process().done }

// Err tells why the process ended, with the last lines of its log. It is nil
// while the process runs and after Stop.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.proc == nil {
		return nil
	}
	select {
	case <-s.proc.done:
		return fmt.Errorf("%s ended (%s); its last lines:\n%s", s.Name, s.proc.state, s.log.last(errTail))
	default:
		return nil
	}
}

// Stop ends the server and removes its directory: it asks the process to end,
// and kills it after 15 seconds or when ctx ends. It returns when the process
// is gone. Further calls do nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	stopped := s.stopped
	s.stopped = true
	s.mu.Unlock()
	if stopped {
		return nil
	}
	s.end(ctx)
	return os.RemoveAll(s.home.dir)
}

// end ends the process, if there is one, and waits for it.
func (s *Server) end(ctx context.Context) {
	proc := s.process()
	if proc == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	_ = proc.signal(syscall.SIGTERM)
	_ = proc.signal(syscall.SIGCONT)
	select {
	case <-proc.done:
		return
	case <-ctx.Done():
	}
	_ = proc.signal(syscall.SIGKILL)
	<-proc.done
}

// ShutDown ends the process as Stop does, so that clients are told, but keeps
// ports and data for Restart.
func (s *Server) ShutDown(ctx context.Context) {
	s.life.Lock()
	defer s.life.Unlock()
	s.end(ctx)
}

// Kill ends the process without warning and waits for its end. The ports and
// the data stay for Restart; ejabberd loses what it wrote in the last seconds.
func (s *Server) Kill() error {
	proc := s.process()
	err := proc.signal(syscall.SIGKILL)
	<-proc.done
	return err
}

// Freeze stops the process in its tracks: connections stay open and silent.
func (s *Server) Freeze() error { return s.process().signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (s *Server) Thaw() error { return s.process().signal(syscall.SIGCONT) }

// Restart ends the process as Stop does, if it still runs, and starts it again
// on the same ports with the same data and all accounts. It returns when the
// server answers.
func (s *Server) Restart(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.stopped { // written under life as well as mu
		return errStopped
	}
	s.end(ctx)
	if err := s.run(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	accounts := maps.Clone(s.accounts)
	s.mu.Unlock()
	return s.addAccounts(ctx, accounts)
}
