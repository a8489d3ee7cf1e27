package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An order is one wish for an output, of a person or of the board itself.
type order struct {
	value    Value
	toggle   bool          // value is what the output is not, found out when it is its turn
	length   time.Duration // then back to rest; 0: for good
	forced   bool          // of the board: minimum times do not count
	first    bool          // of the start
	remember bool          // for Last
	exit     bool          // also while Run ends
	seq      uint64        // of the output when the order was begun; 0: not begun
}

func (ord *order) check(o *output) error {
	switch {
	case ord.length < 0:
		return &ParamError{"for", "it must be longer than 0s"}
	case ord.toggle:
		return nil
	case ord.length > 0 && o.IsOff(ord.value):
		return &ParamError{"for", "only what is switched on goes off again"}
	case ord.length > 0 && ord.length < o.MinOn:
		return &ParamError{"for", fmt.Sprintf("%s stays on for at least %s (min_on)", o.Name, o.MinOn)}
	}
	if err := o.OutputTask.check(ord.value); err != nil {
		return &ParamError{"value", err.Error()}
	}
	return nil
}

// errReplaced says that a newer order for the output, or for one interlocked
// with it, came while this one waited.
var errReplaced = errors.New("refused: a newer request came first")

func refused(format string, args ...any) error {
	return fmt.Errorf("refused: "+format, args...)
}

// drive carries out an order, with the waits that it needs.
func (o *output) drive(ctx context.Context, ord order) (OutputState, error) {
	for {
		release, err := o.turns(ctx, &ord)
		if err != nil {
			return o.state(), err
		}
		wait, err := o.attempt(&ord)
		release()
		if err != nil || wait <= 0 {
			return o.state(), err
		}
		if !sleep(ctx, wait) {
			return o.state(), context.Cause(ctx)
		}
	}
}

// turns takes what the order needs: for going on, the interlocked outputs too.
func (o *output) turns(ctx context.Context, ord *order) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTime, refused("%s is busy with what was asked before", o.Name))
	defer cancel()
	if !ord.toggle && o.IsOff(ord.value) {
		return take(ctx, o)
	}
	return take(ctx, o.group...)
}

// attempt carries out an order as far as it goes without a wait, and returns
// the wait that must come before the next attempt.
func (o *output) attempt(ord *order) (wait time.Duration, err error) {
	if err := o.allow(ord); err != nil {
		return 0, err
	}
	on := !o.IsOff(ord.value)
	if ord.seq == 0 {
		o.begin(ord, on)
	}
	if on {
		for _, n := range o.others {
			if err := n.yield(ord.forced); err != nil {
				return 0, err
			}
			wait = max(wait, max(o.DeadTime, n.DeadTime)-time.Since(n.since))
		}
		if wait > 0 && !(o.known && o.on) {
			return wait, nil
		}
	}
	err = o.apply(ord.value)
	o.settle(*ord, err)
	return 0, err
}

// begin makes this the newest order of the output; one that switches on
// replaces those of the interlocked outputs that are still waiting.
func (o *output) begin(ord *order, on bool) {
	o.seq++
	ord.seq, o.tries, o.retryAt = o.seq, 0, time.Time{}
	if !on {
		return
	}
	for _, n := range o.others {
		n.seq++
		if n.due != nil && !n.IsOff(n.due.value) {
			n.due = nil
		}
	}
}

// allow tells why an order may not be carried out now.
func (o *output) allow(ord *order) error {
	switch {
	case o.life == nil || o.life.Err() != nil, o.checked.IsZero() && !ord.first && !ord.forced:
		return refused("the outputs are not running")
	case o.ctx.Err() != nil && !ord.exit:
		return refused("the agent is stopping")
	case ord.seq != 0 && ord.seq != o.seq, ord.first && ord.seq == 0 && o.seq > 0:
		return errReplaced
	}
	if err := o.choose(ord); err != nil || ord.exit {
		return err
	}
	o.hold()
	if o.held != "" && !o.same(ord.value, o.Safe) {
		return refused("%s, %s is held safe (%s)", o.held, o.Name, o.Word(o.Safe))
	}
	if ord.forced {
		return nil
	}
	return o.allowTime(ord)
}

// choose finds out what a toggle means.
func (o *output) choose(ord *order) error {
	if !ord.toggle {
		return nil
	}
	if !o.known {
		return fmt.Errorf("it is not known what %s has now: %s", o.Name, o.text())
	}
	ord.toggle, ord.value = false, o.rest()
	if !o.on {
		ord.value = o.onValue()
	}
	return nil
}

// allowTime applies min_on and min_off.
func (o *output) allowTime(ord *order) error {
	now, on := time.Now(), !o.IsOff(ord.value)
	end := o.locked(now)
	if end.IsZero() || on == o.on {
		return nil
	}
	word, rule := "off", "min_off"
	if o.on {
		word, rule = "on", "min_on"
	}
	return refused("%s was switched %s %d s ago and stays %s for %d s more (%s)",
		o.Name, word, now.Sub(o.since)/time.Second, word, (end.Sub(now)+time.Second-1)/time.Second, rule)
}

// yield makes sure that an output is off, for one interlocked with it.
func (o *output) yield(forced bool) error {
	if o.inspect(); o.known && !o.on {
		return nil
	}
	o.hold()
	if o.held != "" && !o.IsOff(o.Safe) {
		return refused("%s, %s is held safe (%s)", o.held, o.Name, o.Word(o.Safe))
	}
	if !forced {
		if err := o.allowTime(&order{value: o.rest()}); err != nil {
			return fmt.Errorf("%w and is interlocked", err)
		}
	}
	ord := order{value: o.rest(), remember: true}
	err := o.apply(ord.value)
	o.settle(ord, err)
	if err != nil {
		return refused("%s is interlocked and does not go off: %w", o.Name, err)
	}
	return nil
}

// settle notes what follows from an order that was carried out, or failed: the
// timer, what is tried again, what is remembered.
func (o *output) settle(ord order, err error) {
	end := time.Time{}
	if ord.length > 0 {
		end = time.Now().Add(ord.length)
	}
	if o.on && (err == nil || o.until.IsZero()) {
		o.until = end
	}
	switch {
	case err == nil:
		o.due, o.tries, o.retryAt = nil, 0, time.Time{}
	case o.Remote && !ord.forced:
		o.due = nil
	case ord.first || !ord.forced && (o.IsOff(ord.value) || o.same(ord.value, o.Safe)):
		o.redo(ord.value)
	case !ord.forced:
		o.due = nil
	}
	if err == nil && ord.remember && o.Last {
		keep := ord.value
		if ord.length > 0 {
			keep = o.rest()
		}
		o.all.saver.keep(o.Name, keep.String())
	}
	o.wakeUp()
}

// redo notes that a value must be driven until that works.
func (o *output) redo(v Value) {
	o.due = &order{value: v, forced: true}
	o.retryLater()
}
