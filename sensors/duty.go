package sensors

import (
	"context"
	"fmt"

	"pipit/agent"
)

// A modulator is a channel that is on for a part of the time, or at a part of
// its brightness. Its methods are used as those of agent.Output are.
type modulator interface {
	// setDuty drives the channel, 0 to 1, and returns the nearest step that
	// the hardware has, which is what duty then reads.
	setDuty(ctx context.Context, duty float64) (step float64, err error)
	// duty reads back what the hardware has and changes nothing.
	duty(ctx context.Context) (float64, error)
	Close() error
}

// A scaled output maps min to max to a range of the duty of a modulator. It
// implements agent.Output.
type scaled struct {
	modulator
	min, max float64
	from, to float64 // the duty at min and at max

	asked, step float64 // by the last Set, and what it came to
	set         bool
}

// percentOutput returns an output of 0 to 100 % of a modulator.
func percentOutput(m modulator) BuiltOutput {
	return BuiltOutput{
		Output: &scaled{modulator: m, max: 100, to: 1},
		Max:    100, Unit: "%", Off: agent.Number(0),
	}
}

// Set implements agent.Output.
func (s *scaled) Set(ctx context.Context, v agent.Value) error {
	f, _ := v.Float()
	if v.Kind() != agent.IsNumber || f < s.min || f > s.max {
		return fmt.Errorf("%q is no number from %g to %g", v, s.min, s.max)
	}
	step, err := s.setDuty(ctx, s.from+(f-s.min)/(s.max-s.min)*(s.to-s.from))
	s.asked, s.step, s.set = f, step, err == nil
	return err
}

// Get implements agent.Output. The number that was asked for is returned where
// the hardware has exactly its step, else the number of the step it has. A
// servo without a pulse has no number.
func (s *scaled) Get(ctx context.Context) (agent.Value, error) {
	duty, err := s.duty(ctx)
	switch {
	case err != nil:
		return agent.Value{}, err
	case s.set && duty == s.step:
		return agent.Number(s.asked), nil
	}
	f := s.min + (duty-s.from)/(s.to-s.from)*(s.max-s.min)
	if slack := (s.max - s.min) / 20; f < s.min-slack || f > s.max+slack {
		return agent.Value{}, fmt.Errorf("it is on for %.3g %% of the time, which is outside of its range: it has to be set again", duty*100)
	}
	return agent.Number(f).Round(1), nil
}
