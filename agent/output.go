package agent

import "context"

// An Output is a driver of something that is set: a relay, a lamp, a servo.
// Its methods are called from one goroutine at a time and should return when
// ctx ends. Nothing touches the hardware before the first call, so that the
// first Set can request a line with its direction and value in one step.
type Output interface {
	// Set drives the output: a truth value for a switch, a number within the
	// output's range for anything else.
	Set(ctx context.Context, v Value) error
	// Get reads back what the hardware has, not what Set was last given. Where
	// the steps of the hardware are coarser than 0.5 % of the range, it returns
	// the number that was set while the hardware stands at its step. It
	// changes nothing: an output that was not set yet is a *MissingError where
	// reading would change it.
	Get(ctx context.Context) (Value, error)
	// Close gives the hardware back. It drives nothing: what becomes of the
	// level is the kernel's matter.
	Close() error
}
