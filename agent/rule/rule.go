// Package rule judges readings by conditions of the config and keeps the state
// of each rule: whether it fires, who acknowledged it, and when people are told.
// It does no input or output and reads no clock: time is passed in.
//
// A condition is written as
//
//	condition = and { "or" and }
//	and       = unary { "and" unary }
//	unary     = "not" unary | "(" condition ")" | term
//	term      = NAME ( ">" | "<" | ">=" | "<=" | "==" | "!=" ) value
//	          | NAME [ "not" ] "in" NUMBER ".." NUMBER [ UNIT ]
//	          | NAME ( "stale" | "fault" | "missing" | "changes" )
//	value     = NUMBER [ UNIT ] | "true" | "on" | "false" | "off" | TEXT in quotes
//
// A range holds both its ends. The states of a rule:
//
//	       when true                  true for For
//	Idle ------------->  Pending  --------------------> Firing --- Ack ---> Acked
//	 ^  ^                   |                            |  ^               |  |
//	 |  +---- when false ---+                            |  +--- Unack -----+  |
//	 +------------------- clear true for ClearFor -------+---------------------+
//
// An Unknown condition keeps the state. Beside the state a rule may be silenced
// until a time, or flapping: after more than 5 firings in an hour people are told
// once, and nothing more until it has not fired or resolved for an hour. Both let
// the states go on; their events are Quiet.
package rule

import (
	"errors"
	"fmt"
	"time"

	"pipit/agent"
)

const (
	MaxTime   = 7 * 24 * time.Hour // of For, ClearFor, Grace and Repeat
	MinRepeat = time.Minute
)

// A Rule is what the config says of one rule.
type Rule struct {
	Name     string
	When     *Cond
	Clear    *Cond         // nil: not When
	For      time.Duration // how long When must be true before it fires
	ClearFor time.Duration // how long Clear must be true before it is resolved
	Repeat   time.Duration // between two tellings while it is not acknowledged; 0: none
	Grace    time.Duration // after a start, in which For is at least so long
	Level    agent.Level
}

// Check tells what is wrong with the rule.
func (r *Rule) Check() error {
	if r.When == nil {
		return errors.New(`when is missing: give a condition such as when = "boiler > 80"`)
	}
	for _, d := range []struct {
		key string
		d   time.Duration
	}{{"for", r.For}, {"clear_for", r.ClearFor}, {"repeat", r.Repeat}, {"grace", r.Grace}} {
		if d.d < 0 || d.d > MaxTime {
			return fmt.Errorf("%s is %v: use 0s to %v", d.key, d.d, MaxTime)
		}
	}
	if r.Repeat > 0 && r.Repeat < MinRepeat {
		return fmt.Errorf("repeat is %v: use 0s for none, or at least %v", r.Repeat, MinRepeat)
	}
	if r.Clear == nil {
		return nil
	}
	return CheckClear(r.When, r.Clear)
}

// A Result is what the conditions of a rule say of one moment. Clear is never
// True while When is.
type Result struct{ When, Clear State }

// Eval judges the conditions of the rule; see Cond.Eval.
func (r *Rule) Eval(get func(name string) (agent.Reading, bool), changed func(name string) bool) Result {
	when := r.When.Eval(get, changed)
	cleared := when.not()
	if r.Clear != nil && when != True {
		cleared = r.Clear.Eval(get, changed)
	}
	return Result{When: when, Clear: cleared}
}
