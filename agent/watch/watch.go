// Package watch tells people about readings that they asked to be told about:
// each person has watches of their own, kept over a restart.
//
//	Agent.Put ──See──> names ──Run──> the newest readings of the Board ──> Agent.Tell
//
// A watch is state, not a record: what changes faster than it may tell is
// conflated, and the newest value is told when the time has come. While the
// link is away nothing is told; what is different then is told after the return.
// The messages of one person are bounded: see MaxHour.
package watch

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"pipit/agent"
)

// How often a watch may tell.
const (
	DefaultEvery = time.Minute
	MinEvery     = 10 * time.Second
	MaxEvery     = 366 * 24 * time.Hour
)

// Bounds of all that people watch.
const (
	MaxWatches  = 16  // of one person
	MaxAll      = 256 // of all persons
	MaxReadings = 32  // that the watches of one person match together
	MaxHour     = 12  // messages to one person within an hour
)

// ErrNotKept is wrapped by an error that says that a change is in force and
// that the disk does not have it: it ends with the process.
var ErrNotKept = errors.New("the disk does not keep it")

// A Watch is what one person wants to know.
type Watch struct {
	Name  string        // of a reading or a sensor, or a glob: see agent.Match
	By    float64       // a number has to differ by so much from what was told last, in its unit; 0: what is displayed has to
	Every time.Duration // at most one message in this time, from MinEvery to MaxEvery; 0: DefaultEvery
	Told  time.Time     // when it told something last; zero: never
}

// check returns the watch with its default, or what is wrong with it.
func (w Watch) check() (Watch, error) {
	if w.Every == 0 {
		w.Every = DefaultEvery
	}
	switch {
	case agent.CheckName(strings.ReplaceAll(w.Name, "*", "x")) != nil:
		return w, fmt.Errorf("%.*q is no name of a reading", agent.MaxName, w.Name)
	case math.IsNaN(w.By) || math.IsInf(w.By, 0) || w.By < 0:
		return w, errors.New("a value cannot differ by less than 0")
	case w.Every < MinEvery:
		return w, fmt.Errorf("every %s is too often: at most every %s", w.Every, MinEvery)
	case w.Every > MaxEvery:
		return w, errors.New("at least once in 366 days")
	}
	return w, nil
}

// An entry is a watch of a person with what it told.
type entry struct {
	Watch
	told    map[string]told
	pending map[string]struct{} // names that were seen since it looked
}

func newEntry(w Watch) *entry {
	return &entry{Watch: w, told: make(map[string]told), pending: make(map[string]struct{})}
}

// rest returns how long the entry may not tell yet. A time of a clock that was
// wrong does not count.
func (e *entry) rest(now time.Time) time.Duration {
	past := now.Sub(e.Told)
	if e.Told.IsZero() || past < 0 {
		return 0
	}
	return max(0, e.Every-past)
}
