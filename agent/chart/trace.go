package chart

import (
	"math"
	"time"

	"pipit/agent"
)

const (
	cells     = 24         // of a line of text
	slots     = cells * 15 // parts of the span that are summed up, for the picture and the line
	maxPoints = 2 * slots  // readings that are kept one by one
)

// A Trace sums up what a reading was over a span of time, in a bounded amount
// of memory. Numbers and truth values (as 0 and 1) are summed up; of texts it
// knows the number and the changes. The fields are for reading.
type Trace struct {
	From, To    time.Time
	Held        bool          // the value holds until the next reading: of an output, and of every truth value
	Usual       time.Duration // the time between two readings is not longer while all is well; 0: unknown
	Kind        agent.Kind    // of the readings, None while there are none
	Unit        string        // of the readings
	Count       int           // readings that may be used
	Failed      int           // faults and the like
	Earlier     int           // readings of another unit or kind before the present ones, which are left out
	Changes     int           // of the value, from one reading to the next
	First, Last agent.Reading // that may be used
	Since       time.Time     // when the last value was first read, as far as the span goes
	Min, Max    agent.Reading // the first of the least and of the greatest value
	Rise        float64       // sum of the rises of a value that only falls to begin anew; see Counts
	falls       bool
	plain       float64 // mean of the readings, each counting the same
	failing     bool    // since Last
	intervals   intervals
	slots       [slots]slot
	runs        []run // empty and full once there were more than maxPoints
	full        bool
}

// A slot sums up the readings of one part of the span.
type slot struct {
	first, last    time.Time
	min, max, mean float64
	count          int
	failed         bool // before the first, since the one before
}

// A run is a value that was read at a time and, when it is held, again and again until another.
type run struct {
	from, until time.Time
	value       float64
	failed      bool // before it, since the one before
}

// NewTrace returns a trace of [from, to). held and usual are the fields of
// those names; Held becomes true with the first truth value.
func NewTrace(from, to time.Time, held bool, usual time.Duration) *Trace {
	return &Trace{From: from, To: to, Held: held, Usual: usual}
}

// Add takes the next reading, in the order of time.
func (t *Trace) Add(r agent.Reading) {
	if r.Time.Before(t.From) || !r.Time.Before(t.To) {
		return
	}
	if !r.OK() {
		t.Failed++
		t.failing = true
		return
	}
	if t.Count > 0 && (r.Unit != t.Unit || r.Value.Kind() != t.Kind) {
		*t = Trace{From: t.From, To: t.To, Held: t.Held, Usual: t.Usual, Failed: t.Failed, Earlier: t.Earlier + t.Count}
	}
	if t.Count == 0 {
		t.Kind, t.Unit = r.Value.Kind(), r.Unit
		t.Held = t.Held || t.Kind == agent.IsBool
		t.First, t.Last, t.Min, t.Max, t.Since = r, r, r, r, r.Time
	}
	t.Count++
	if r.Value != t.Last.Value {
		t.Changes++
		t.Since = r.Time
	}
	if f, ok := r.Value.Float(); ok {
		t.number(r, bounded(f))
	}
	t.Last, t.failing = r, false
}

// number takes a reading that has a number, f.
func (t *Trace) number(r agent.Reading, f float64) {
	before, _ := t.Last.Value.Float()
	least, _ := t.Min.Value.Float()
	most, _ := t.Max.Value.Float()
	if f < least {
		t.Min = r
	}
	if f > most {
		t.Max = r
	}
	t.plain += f/float64(t.Count) - t.plain/float64(t.Count)
	switch {
	case f >= before:
		t.Rise += f - before
	case f >= 0 && f <= before/10: // it began anew, from zero
		t.Rise += f
	default:
		t.falls = true
	}
	if t.Count > 1 && !(t.failing && t.Held) {
		t.intervals.add(r.Time.Sub(t.Last.Time), t.level(before, f))
	}
	t.slots[t.slot(r.Time)].add(r.Time, f, t.failing)
	t.keep(run{r.Time, r.Time, f, t.failing})
}

// level is the value between two readings.
func (t *Trace) level(before, now float64) float64 {
	if t.Held {
		return before
	}
	return before/2 + now/2
}

func (t *Trace) slot(at time.Time) int {
	return min(slots-1, int(float64(at.Sub(t.From))/float64(t.To.Sub(t.From))*slots))
}

func (s *slot) add(at time.Time, f float64, failed bool) {
	if s.count == 0 {
		*s = slot{first: at, min: f, max: f, failed: failed}
	}
	s.count++
	s.last, s.min, s.max = at, min(s.min, f), max(s.max, f)
	s.mean += f/float64(s.count) - s.mean/float64(s.count)
}

// keep remembers a reading by itself while there are few; a held value that
// stays the same is one run, unless nothing was read for the time of a slot.
func (t *Trace) keep(r run) {
	if t.full {
		return
	}
	if n := len(t.runs); n > 0 && t.Held && !r.failed {
		last := &t.runs[n-1]
		if last.value == r.value && r.from.Sub(last.until) <= t.To.Sub(t.From)/slots {
			last.until = r.until
			return
		}
	}
	if len(t.runs) == maxPoints {
		t.runs, t.full = nil, true
		return
	}
	t.runs = append(t.runs, r)
}

// Counts tells whether the values are those of a counter: energy, volume or a
// number of things that only grows, or begins anew at zero.
func (t *Trace) Counts() bool {
	switch t.Unit {
	case "count", "Wh", "kWh", "J", "Ah", "L", "m³":
		return t.Kind == agent.IsNumber && !t.falls && t.Rise > 0
	}
	return false
}

// Mean returns the mean over the time in which the value was known; of a truth
// value that is the share of the time in which it was true.
func (t *Trace) Mean() float64 {
	sum, seconds := t.intervals.known(t.Gap())
	if t.Held && t.Quiet() == 0 { // the last value holds until the end
		f, _ := t.Last.Value.Float()
		rest := t.To.Sub(t.Last.Time).Seconds()
		sum, seconds = sum+bounded(f)*rest, seconds+rest
	}
	if seconds > 0 {
		return sum / seconds
	}
	return t.plain
}

// Gap returns the time between two readings from which on nothing is known in
// between: about three times Usual, or the interval that the readings show, if
// that is longer. It is 0 when nothing is usual: too few readings, or a switch
// that is only told when it changes.
func (t *Trace) Gap() time.Duration { return t.intervals.gap(t.Held, t.Usual) }

// Gaps returns the number of gaps between readings, and the longest of them.
func (t *Trace) Gaps() (n int, longest time.Duration) { return t.intervals.gaps(t.Gap()) }

// Quiet returns for how long there has been nothing at the end of the span, 0
// when that is not longer than usual.
func (t *Trace) Quiet() time.Duration {
	quiet, gap := t.To.Sub(t.Last.Time), t.Gap()
	if t.Count == 0 || !t.failing && (gap == 0 || quiet <= gap) {
		return 0
	}
	return quiet
}

// Spark returns a line of 24 characters: see the function of that name.
func (t *Trace) Spark() string {
	values := make([]float64, cells)
	for i := range values {
		var means []float64
		for _, s := range t.slots[i*slots/cells : (i+1)*slots/cells] {
			if s.count > 0 {
				means = append(means, s.mean)
			}
		}
		values[i] = mean(means)
	}
	t.bridge(values)
	return Spark(values, cells)
}

// bridge fills the cells that are empty only because readings are seldom: with
// the value before.
func (t *Trace) bridge(values []float64) {
	var last time.Time
	gap, known, from := t.Gap(), math.NaN(), 0
	fill := func(to int, until time.Time, failed bool) {
		for ; from < to; from++ {
			if math.IsNaN(values[from]) && !t.parted(until.Sub(last), gap, failed) {
				values[from] = known
			}
		}
	}
	for i := range t.slots {
		if s := &t.slots[i]; s.count > 0 {
			fill(i*cells/slots, s.first, s.failed)
			known, last, from = values[i*cells/slots], s.last, i*cells/slots
		}
	}
	if !math.IsNaN(known) {
		fill(cells, t.To, t.failing)
	}
}

// parted tells whether nothing is known between two readings.
func (t *Trace) parted(apart, gap time.Duration, failed bool) bool {
	if t.Held && failed {
		return true
	}
	return gap > 0 && apart > gap
}
