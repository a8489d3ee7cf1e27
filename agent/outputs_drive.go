package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	driveTime  = 5 * time.Second       // for one call of a driver
	driveTries = 3                     // for one order
	driveAgain = 50 * time.Millisecond // between two of them
	outputBeat = 10 * time.Minute      // between two readings that say the same
)

// An output is one output of the executor.
type output struct {
	OutputTask
	all    *Outputs
	index  int
	others []*output // interlocked with it
	group  []*output // others and itself, by index

	turn chan struct{} // holds one, for whoever uses the driver or what stands below
	wake chan struct{} // holds one: look at the timers again
	look atomic.Bool   // it may have something else now

	ctx, life context.Context // of Run; of the drivers; nil: not running
	began     time.Time
	first     Value // to begin with

	known   bool  // got is what the hardware has
	got     Value // as last read back
	on      bool  // it is, or may be, on
	since   time.Time
	want    Value         // as last set, or as somebody else set it
	missed  bool          // want was not reached
	refused bool          // because the driver did not take it
	fault   error         // why there is no value
	hung    <-chan result // the call that has not returned
	hungAt  time.Time
	checked time.Time // the last read back

	seq     uint64    // of orders
	until   time.Time // then it goes to rest; zero: never
	held    string    // why it is held safe
	due     *order    // failed, and has to be done
	tries   int       // of what the board does alone, failed in a row
	retryAt time.Time

	put   Reading // the last one
	putAt time.Time

	mu    sync.Mutex
	shown OutputState // for States
}

func newOutput(p *Outputs, index int, t OutputTask) *output {
	o := &output{OutputTask: t, all: p, index: index, on: true}
	o.turn, o.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	o.show()
	return o
}

// pair finds the interlocked outputs.
func (o *output) pair(outs []*output) {
	for _, n := range outs {
		if n != o && slices.Contains(o.Interlock, n.Name) {
			o.others = append(o.others, n)
		}
		if n == o || slices.Contains(o.Interlock, n.Name) {
			o.group = append(o.group, n)
		}
	}
}

// take waits for the turns of outputs, given in the order of their index.
func take(ctx context.Context, outs ...*output) (release func(), err error) {
	held := 0
	release = func() {
		for _, o := range outs[:held] {
			o.show()
			<-o.turn
		}
	}
	for _, o := range outs {
		select {
		case o.turn <- struct{}{}:
			held++
		case <-ctx.Done():
			release()
			return nil, context.Cause(ctx)
		}
	}
	return release, nil
}

// apply drives the output and reads it back, again where that fails, and
// publishes what came of it.
func (o *output) apply(v Value) (err error) {
	o.want = v
	for try := range driveTries {
		if try > 0 && (o.hung != nil || !sleep(o.life, driveAgain)) {
			break
		}
		if err = o.try(v); err == nil {
			break
		}
	}
	o.missed = err != nil
	o.fail(err)
	o.publish()
	return err
}

func (o *output) try(v Value) error {
	_, err := o.call(func(ctx context.Context) (Value, error) { return Value{}, o.Output.Set(ctx, v) })
	o.refused = err != nil
	readErr := o.readBack()
	if readErr != nil && !o.IsOff(v) {
		o.see(true) // it may be
	}
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	case !o.same(v, o.got):
		return o.differs()
	}
	return nil
}

func (o *output) differs() error {
	return fmt.Errorf("set to %s, but it reads back %s", o.Word(o.want), o.Word(o.got))
}

// readBack finds out what the hardware has.
func (o *output) readBack() error {
	o.look.Store(false)
	v, err := o.call(o.Output.Get)
	if err == nil && v.Kind() != o.rest().Kind() {
		err = fmt.Errorf("%q is no value of it", v)
	}
	o.checked, o.known = time.Now(), err == nil
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	o.got = v
	o.see(!o.IsOff(v))
	return nil
}

// see notes whether the output is on.
func (o *output) see(on bool) {
	if on != o.on {
		o.on, o.since = on, time.Now()
	}
	if !on {
		o.until = time.Time{}
	}
}

// inspect reads the output back without having driven it.
func (o *output) inspect() {
	err := o.readBack()
	switch {
	case err != nil && o.missed && o.refused: // why that was tells more
	case err != nil:
		o.fail(err)
	case o.same(o.want, o.got):
		o.missed = false
		o.fail(nil)
	case o.missed:
		o.fail(o.differs())
	default:
		if o.want.Kind() != None {
			o.log().Log(context.Background(), o.surprise(), "the output was changed by somebody else", "from", o.Word(o.want), "to", o.Word(o.got))
		}
		o.want, o.missed = o.got, false
		o.fail(nil)
	}
	o.publish()
}

// surprise is the level at which a change by somebody else is logged: another
// device's lamp has a switch of its own.
func (o *output) surprise() slog.Level {
	if o.Remote {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// fail notes why there is no value, nil when there is one, and logs a change.
func (o *output) fail(err error) {
	level := slog.LevelError
	if _, missing := errors.AsType[*MissingError](err); missing && o.Remote {
		level = slog.LevelInfo // a device that has said nothing yet has not failed
	}
	switch {
	case err != nil && (o.fault == nil || o.fault.Error() != err.Error()):
		o.log().Log(context.Background(), level, "output failed", "error", cut(err.Error(), MaxText))
	case err == nil && o.fault != nil:
		o.log().Info("output works again")
	}
	o.fault = err
}

// reading is the output's state as it is published.
func (o *output) reading() Reading {
	var missing *MissingError
	switch {
	case o.fault == nil:
		return Reading{Name: o.Name, Value: o.got, Unit: o.Unit}
	case errors.As(o.fault, &missing):
		return Faulty(o.Name, Missing, time.Time{}, tidy(missing.Reason))
	}
	return Faulty(o.Name, Fault, time.Time{}, tidy(o.fault.Error()))
}

// publish puts the state when it has changed or was not put for a while.
func (o *output) publish() {
	r, now := o.reading(), time.Now()
	if r == o.put && now.Sub(o.putAt) < outputBeat {
		return
	}
	o.put, o.putAt = r, now
	if r.Time = now; o.all.Put != nil {
		o.all.Put(r)
	}
}
