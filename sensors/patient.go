package sensors

import "context"

// A patient reads single values from the kernel and tries again within the
// Read, as steady does for a sensor as a whole: one value that stutters does
// not cost the others their reading. It implements agent.Troubled.
type patient struct {
	troubles
	left int // retries, for all values of one chip: a dead one must not take long
}

// begin comes before the values of one chip.
func (p *patient) begin() { p.left = maxRetries }

// try calls read until it succeeds: a transient failure is tried again twice,
// a value that cannot be true once. It returns the last error.
func (p *patient) try(ctx context.Context, read func() error) error {
	for try := 0; ; try++ {
		err := read()
		if err == nil {
			return nil
		}
		c := classify(err)
		if c == classImplausible {
			p.implausible.Add(1)
		}
		again := c == classTransient || c == classImplausible && try == 0
		if !again || p.left <= 0 || !pause(ctx, firstPause<<try) {
			return err
		}
		p.left--
		p.retried.Add(1)
	}
}
