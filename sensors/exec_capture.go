package sensors

import (
	"context"
	"errors"
	"os/exec"
)

// maxStderrTail is how much of the end of standard error Capture keeps, in bytes.
const maxStderrTail = 1 << 10

// CheckProgram says whether Run and Capture would start the program at this
// absolute path: it must be a regular file that may be executed, and nobody but
// root and the user that runs pipit may be able to put another one in its
// place. One that is not there is an *agent.MissingError.
func (h *Host) CheckProgram(path string) error {
	_, err := h.program(path)
	return err
}

// Capture runs a program as Run does, for a person to read what it writes: of
// standard output it returns the first most bytes, drops the rest and tells so
// by more. What was written is returned beside an error as well. When the
// program ends with a status other than 0 the error is an *exec.ExitError whose
// Stderr is the end of standard error; one that is stopped because ctx ends is
// a context.DeadlineExceeded or the cause of ctx.
func (h *Host) Capture(ctx context.Context, argv, env []string, most int) (out []byte, more bool, err error) {
	p, err := h.newProgram(argv, env, most)
	if err != nil {
		return nil, false, err
	}
	defer p.close()
	p.out.drops, p.complaint.tail, p.complaint.most = true, true, maxStderrTail
	status, err := p.start(ctx)
	var exit *exec.ExitError
	if err == nil && errors.As(status, &exit) {
		exit.Stderr = p.complaint.kept
		err = exit
	} else if err == nil {
		err = status
	}
	return p.out.kept[:min(len(p.out.kept), most)], len(p.out.kept) > most, err
}
