package agent

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// inARow is how many implausible samples are a fault, and how many steps that
// agree are a new level.
const inARow = 3

// huge is more than any measurement: sums and differences of numbers up to it
// are finite.
const huge = 1e300

// A track is what Fields keeps of one name.
type track struct {
	stage *Fields
	Field
	deadBand bool // there is a dead-band or a heartbeat

	mu     sync.Mutex
	counts FieldCounts

	level    float64   // the last plausible calibrated number
	hasLevel bool      // there is one, and no gap since
	seen     time.Time // arrival of the last plausible sample
	jump     float64   // the last step that was too large
	jumps    int       // in a row, each within MaxStep of the one before
	bad      int       // implausible samples in a row
	reason   string    // of the fault that they are
	smooth   *smoother

	good      Reading // the last plausible one, as processed
	hasGood   bool    // there is one, and no fault since
	watched   bool    // good turns stale when nothing comes
	published Reading
	at        time.Time // of published; zero: nothing was
}

func newTrack(f *Fields, name string, field Field) *track {
	if field.Change != nil {
		field.Heartbeat = cmp.Or(field.Heartbeat, DefaultHeartbeat)
	}
	t := &track{stage: f, Field: field, counts: FieldCounts{Name: name}, smooth: newSmoother(field.Smooth)}
	every := field.Change != nil && *field.Change == Change{}
	t.deadBand = field.Heartbeat > 0 && !every
	return t
}

// put takes a reading at the time it arrives.
func (t *track) put(r Reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.take(r, time.Now())
}

func (t *track) take(r Reading, now time.Time) {
	switch {
	case r.Quality < Stale && r.Value.Kind() == None:
		r = Faulty(r.Name, Fault, r.Time, noNumber)
	case r.Quality == Stale:
		r = t.lastGood(r.Reason, now) // the poller repeats the raw value
	case r.Quality >= Fault:
		r.Value = Value{}
	}
	if r.Quality < Stale {
		t.sample(r, now)
		return
	}
	t.bad, t.jumps = 0, 0
	t.fail(r, now)
}

// sample takes a reading with a value.
func (t *track) sample(r Reading, now time.Time) {
	if t.Stale > 0 && now.Sub(t.seen) > t.Stale {
		t.hasLevel = false
		t.smooth.reset()
	}
	if d := t.process(&r); d.of != plausible {
		t.discard(r, d, now)
		return
	}
	if t.bad >= inARow {
		t.stage.log().Info("reading plausible again", "reading", r.Name)
	}
	t.bad, t.jumps, t.seen = 0, 0, now
	t.good, t.hasGood = r, true
	t.watch(now)
	t.publish(r, now)
}

// process takes the steps from the raw number to the one that is shown. It
// stops at the first that finds the number implausible.
func (t *track) process(r *Reading) doubt {
	if r.Value.Kind() != IsNumber {
		return doubt{}
	}
	x, d := t.measure(r.Value.num)
	if d.of != plausible {
		d.unit = t.rawUnit(r.Unit)
		return d
	}
	r.Unit = cmp.Or(t.Unit, r.Unit)
	if t.jumped(x) {
		return doubt{of: jumped, x: x, limit: t.level, unit: r.Unit}
	}
	t.level, t.hasLevel = x, true
	r.Value = t.round(t.smooth.add(x))
	return doubt{}
}

// measure returns the true number for a raw one.
func (t *track) measure(raw float64) (float64, doubt) {
	switch {
	case slices.Contains(t.Reject, raw):
		return 0, doubt{of: rejected, x: raw}
	case t.Valid != nil && raw < t.Valid[0]:
		return 0, doubt{of: tooLow, x: raw, limit: t.Valid[0]}
	case t.Valid != nil && raw > t.Valid[1]:
		return 0, doubt{of: tooHigh, x: raw, limit: t.Valid[1]}
	}
	x := t.calibrate(raw)
	if !(math.Abs(x) <= huge) { // NaN neither
		return 0, doubt{of: uncalibrated, x: raw}
	}
	return x, doubt{}
}

// rawUnit is the unit of a raw number; none when it is another quantity.
func (t *track) rawUnit(sensors string) string {
	if sensors == "" && !t.calibrates() {
		return t.Unit
	}
	return sensors
}

// jumped tells whether a number is too far from the level. The third in a row
// that agrees with the one before it is a new level.
func (t *track) jumped(x float64) bool {
	if t.MaxStep == 0 || !t.hasLevel || !tooFar(x, t.level, t.MaxStep) {
		return false
	}
	if tooFar(x, t.jump, t.MaxStep) {
		t.jumps = 0
	}
	t.jumps++
	t.jump = x
	if t.jumps < inARow {
		return true
	}
	t.stage.log().Info("a new level: steps in a row agree", "reading", t.counts.Name, "from", t.level, "to", x)
	t.smooth.reset()
	return false
}

// discard counts an implausible sample; the third in a row is a fault, and
// each one after it the same.
func (t *track) discard(r Reading, d doubt, now time.Time) {
	switch d.of {
	case rejected:
		t.counts.Rejected++
	case jumped:
		t.counts.Jumps++
	default:
		t.counts.Invalid++
	}
	if d.of != jumped {
		t.jumps = 0
	}
	if t.bad++; t.bad < inARow {
		return
	}
	if t.bad == inARow {
		t.reason = cut(fmt.Sprintf("%d implausible values in a row, the last %s", inARow, d.text(t.MaxStep)), MaxReason)
		t.stage.log().Warn("reading implausible", "reading", r.Name, "reason", t.reason)
	}
	t.fail(Faulty(r.Name, Fault, r.Time, t.reason), now)
}

// fail publishes a reading that is stale or worse.
func (t *track) fail(r Reading, now time.Time) {
	t.smooth.reset()
	t.watched = false
	t.hasGood = t.hasGood && r.Quality == Stale
	t.publish(r, now)
}

// lastGood returns the last good reading as stale, or a fault where there is none.
func (t *track) lastGood(reason string, now time.Time) Reading {
	if !t.hasGood {
		return Faulty(t.counts.Name, Fault, now, reason)
	}
	r := t.good
	r.Quality, r.Reason = Stale, reason
	return r
}

// publish hands a reading to Next, or to Refresh where the dead-band holds it back.
func (t *track) publish(r Reading, now time.Time) {
	if !t.holdsBack(r, now) {
		t.published, t.at = r, now
		t.stage.Next(r)
	} else if t.stage.Refresh != nil {
		t.stage.Refresh(r)
	}
}

func (t *track) holdsBack(r Reading, now time.Time) bool {
	last := &t.published
	switch {
	case !t.deadBand || t.at.IsZero() || now.Sub(t.at) >= t.Heartbeat-t.Heartbeat/50:
		return false
	case r.Quality != last.Quality || r.Unit != last.Unit:
		return false
	case r.Quality >= Stale:
		return r.Reason == last.Reason
	case r.Value == last.Value:
		return true
	case r.Value.Kind() != IsNumber || last.Value.Kind() != IsNumber:
		return false
	case t.Change == nil || t.Change.reached(last.Value.num, r.Value.num):
		return false
	}
	return t.stage.Crosses == nil || !t.stage.Crosses(r.Name, last.Value, r.Value)
}
