package sensors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A class says what to do about an error.
type class uint8

const (
	classFault         class = iota // told, tried again at the next Read
	classTransient                  // tried again in the same Read
	classImplausible                // the value is discarded, the driver made anew
	classConfiguration              // told with what to do; trying again at once is of no use
	classGone                       // the hardware is not there
)

// transientErrnos go away by themselves more often than not: nothing
// acknowledged, noise on the bus, a clock held too long, no data yet.
var transientErrnos = []syscall.Errno{
	syscall.EREMOTEIO, syscall.ENXIO, syscall.EIO, syscall.ETIMEDOUT, syscall.EAGAIN,
	syscall.ENODATA, syscall.EPROTO, syscall.EINTR,
}

// errChecksum is a frame whose CRC is wrong.
var errChecksum = errors.New("the checksum of what came is wrong")

// classify tells the class of an error of a driver or of a door.
func classify(err error) class {
	var value *implausibleError
	var config *configError
	switch {
	case isMissing(err):
		return classGone
	case errors.As(err, &value):
		return classImplausible
	case errors.As(err, &config):
		return classConfiguration
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return classFault
	case errors.Is(err, errChecksum), errors.Is(err, errShort), errors.Is(err, errEmpty):
		return classTransient
	}
	for _, errno := range transientErrnos {
		if errors.Is(err, errno) {
			return classTransient
		}
	}
	return classFault
}

// unacknowledged tells whether nothing answered at the address.
func unacknowledged(err error) bool {
	return errors.Is(err, syscall.EREMOTEIO) || errors.Is(err, syscall.ENXIO)
}

// errEmpty is a read that gave nothing, as the kernel's 1-wire driver does
// after a failed conversion.
var errEmpty = errors.New("the read gave nothing")

// An implausibleError is a value that cannot be true.
type implausibleError struct{ reason string }

func (e *implausibleError) Error() string { return e.reason }

// implausible returns the error for a value that cannot be true; it says which.
func implausible(format string, args ...any) error {
	return &implausibleError{fmt.Sprintf(format, args...)}
}

// A configError is one that a person has to mend.
type configError struct {
	text  string
	cause error // may be nil
}

func (e *configError) Error() string {
	if e.cause == nil {
		return e.text
	}
	return e.text + " (" + e.cause.Error() + ")"
}

func (e *configError) Unwrap() error { return e.cause }

// misconfigured returns the error that says what a person has to do; cause is
// what the kernel said, or nil.
func misconfigured(cause error, format string, args ...any) error {
	return &configError{fmt.Sprintf(format, args...), cause}
}
