package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// An OutputTask is an output with the rules that the executor keeps for it.
// The output is "on" when it is not at its off value.
type OutputTask struct {
	Name   string // of the output and of the reading of its state; no sensor has it
	Kind   string // for people: "gpio"
	Output Output

	Min, Max float64 // the range of a number when Min < Max; else it is a switch
	Unit     string  // of the number
	Off      Value   // no value: there is no off, and Safe stands for it

	Safe    Value
	Initial Value
	Last    bool // the first value is what was last set, Initial only where none is kept

	MaxOn    time.Duration // after so long on it is switched off; 0: never
	MinOn    time.Duration // so long it stays on
	MinOff   time.Duration // so long it stays off, also after the start
	Pulse    time.Duration // the length of a pulse that names none
	DeadTime time.Duration // between an interlocked output going off and this one going on, or the other way round

	Remote bool // another device has it: it is not driven at the start, and nothing that failed is tried again by itself

	Interlock []string // outputs that are never on together with this one; each of them lists this one

	Confirm     bool          // people are asked before it is set
	Needs       Role          // who may set it; Stranger: operators
	SafeOnExit  bool          // driven safe when Run ends
	SafeOffline time.Duration // and held safe while the link has been offline for longer; 0: never
	SafeStale   []string      // and while a reading of these is not good or uncertain, or not there
}

// State keeps small values over a restart.
type State interface {
	Set(space, key string, value []byte) error // may wait for a disk
	Get(space, key string) (value []byte, ok bool)
}

// stateSpace is where Outputs keeps the last values.
const stateSpace = "outputs"

// Outputs is the executor of outputs: it drives them, reads back what they
// have, publishes that as a reading named like the output, and keeps their
// rules, all of it without a network. Every duration runs on the monotonic clock.
//
//	request ──> held safe? min times? ──> interlocked outputs off, dead time ──> Set, Get ──> Put
//	Run: max_on, end of a pulse, safe conditions, retries ──────────────^           ^
//	Run: every minute, what does it have now? ──────────────────────────────────────┘
//
// Whoever drives an output holds its turn, and who switches one on holds the
// turns of those interlocked with it as well, taken in the order of Tasks: so
// there is no deadlock, and no two of them are on at once. A turn is never held
// over a dead time. A driver's call that panics is a fault; one that does not
// return within 5 s is left behind, and its output does nothing until it does.
//
// Set the fields before the first call of a method. The methods may be called
// from any goroutine.
type Outputs struct {
	Tasks   []OutputTask
	Put     func(Reading)    // called from several goroutines at once
	Board   *Board           // where SafeStale looks; nil: nothing is there
	Offline func() time.Time // since when the link is offline, zero while it is not; nil: it never is
	State   State            // for Last; nil: nothing is kept
	Log     *slog.Logger     // nil: silent

	setup sync.Once
	outs  []*output
	saver saver
}

const (
	exitTime    = 5 * time.Second        // for all outputs together to become safe
	exitAgain   = 250 * time.Millisecond // between two attempts of that
	requestTime = 10 * time.Second       // that a request waits for its turn
)

// all returns the outputs of Tasks.
func (p *Outputs) all() []*output {
	p.setup.Do(func() {
		for i, t := range p.Tasks {
			p.outs = append(p.outs, newOutput(p, i, t))
		}
		for _, o := range p.outs {
			o.pair(p.outs)
		}
	})
	return p.outs
}

// Run drives each output to its first value and keeps its rules until ctx
// ends. Then it drives those with SafeOnExit safe, all at once and within 5 s,
// and closes them all; a driver and a State that hang may hold it 4 s more. The
// error names the outputs that are not safe. It may be called once.
func (p *Outputs) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	outs := p.all()
	p.open(ctx, life)
	saved := p.saver.start(p)
	errs := make([]error, len(outs)+1)
	var wg sync.WaitGroup
	for i, o := range outs {
		wg.Go(func() { errs[i] = o.run(ctx) })
	}
	<-ctx.Done()
	defer time.AfterFunc(exitTime, end).Stop()
	wg.Wait()
	p.close()
	errs[len(outs)] = saved()
	return errors.Join(errs...)
}

// Safe drives every output safe, all at once and within 5 s, and closes it. It
// is for a process without Run: after a crash. The errors are those of Tasks,
// nil for an output that reads back as safe.
func (p *Outputs) Safe(ctx context.Context) []error {
	life, end := context.WithTimeout(ctx, exitTime)
	defer end()
	outs := p.all()
	p.open(ctx, life)
	errs := make([]error, len(outs))
	var wg sync.WaitGroup
	for i, o := range outs {
		wg.Go(func() { errs[i] = o.end() })
	}
	wg.Wait()
	p.close()
	return errs
}

// close gives the hardware back when no output needs another one any more.
func (p *Outputs) close() {
	var wg sync.WaitGroup
	for _, o := range p.outs {
		wg.Go(o.close)
	}
	wg.Wait()
}

// open lets requests and drivers work until life ends.
func (p *Outputs) open(ctx, life context.Context) {
	first := p.initials()
	for i, o := range p.outs {
		release, _ := take(context.Background(), o) // which does not end
		o.ctx, o.life, o.first, o.began = ctx, life, first[i], time.Now()
		o.since = o.began
		release()
	}
}

// initials returns the first values. Two interlocked outputs that were both on,
// under another config, both start off.
func (p *Outputs) initials() []Value {
	first := make([]Value, len(p.outs))
	for i, o := range p.outs {
		if first[i] = o.Initial; !o.Last || p.State == nil {
			continue
		}
		if text, ok := p.State.Get(stateSpace, o.Name); ok {
			if v, err := o.Parse(string(text)); err == nil {
				first[i] = v
			}
		}
	}
	kept := slices.Clone(first)
	for i, o := range p.outs {
		both := slices.ContainsFunc(o.others, func(n *output) bool { return !n.IsOff(kept[n.index]) })
		if o.Last && !o.IsOff(kept[i]) && both {
			first[i] = o.rest()
		}
	}
	return first
}

func (p *Outputs) find(name string) (*output, error) {
	for _, o := range p.all() {
		if o.Name == name {
			return o, nil
		}
	}
	return nil, fmt.Errorf("there is no output %q", name)
}

// Set drives an output, and off again after length unless that is 0. It
// returns when the output has been read back, which may take the dead time of
// an interlock; then the error is nil. An error that begins with "refused:"
// says that nothing was driven, or interlocked outputs at most. A newer request
// ends the wait for a dead time. When ctx ends before the output is driven, it
// is not.
func (p *Outputs) Set(ctx context.Context, name string, v Value, length time.Duration) (OutputState, error) {
	return p.request(ctx, name, order{value: v, length: length})
}

// Toggle switches an output off, or on to its greatest value, whatever it is not.
func (p *Outputs) Toggle(ctx context.Context, name string) (OutputState, error) {
	return p.request(ctx, name, order{toggle: true})
}

// Pulse switches an output on for length, or for its own Pulse when that is 0.
func (p *Outputs) Pulse(ctx context.Context, name string, length time.Duration) (OutputState, error) {
	o, err := p.find(name)
	if err != nil {
		return OutputState{}, err
	}
	return p.Set(ctx, name, o.onValue(), cmp.Or(length, o.Pulse, time.Second))
}

func (p *Outputs) request(ctx context.Context, name string, ord order) (OutputState, error) {
	o, err := p.find(name)
	if err != nil {
		return OutputState{}, err
	}
	ord.remember = true
	if err := ord.check(o); err != nil {
		return o.state(), err
	}
	return o.drive(ctx, ord)
}

// Changed says that an output may have something else now, so that it is read
// back at once. It waits for nothing.
func (p *Outputs) Changed(name string) {
	if o, err := p.find(name); err == nil {
		o.look.Store(true)
		o.wakeUp()
	}
}

// States returns how the outputs are, in the order of Tasks. It waits for nothing.
func (p *Outputs) States() []OutputState {
	var states []OutputState
	for _, o := range p.all() {
		states = append(states, o.state())
	}
	return states
}

// log returns a log whose lines carry the name of the output.
func (p *Outputs) log(name string) *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log.With("output", name)
}
