package agent

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Fields is the stage between the Poller and the Agent: it makes of what
// sensors return what is published.
//
//	Put ── reject, valid, calibrate, max_step, smooth, precision ── dead-band ─┬─> Next
//	            └─> implausible: counted, discarded                            └─> Refresh
//
// A reading without a matching rule goes to Next as it is.
//
// An implausible number (rejected, invalid, too large a step) is discarded: the
// last one stays what it is, with its time. Three in a row are a Fault with the
// reason. A step is measured from the last plausible number; the third of three
// that are too large, each within MaxStep of the one before, is a new level and
// plausible. A fault or a gap longer than Stale begins the smoothing anew, and
// after such a gap a step may have any size.
//
// The dead-band is around the last published value, so that no drift hides in
// it. What it holds back goes to Refresh. It never holds back the first
// reading, a change of quality or unit, or what Crosses wants. A failure passes
// at once; the same one again, with the same reason, waits for the heartbeat.
//
// Set the fields before the first call of a method. The methods may be called
// from any goroutine; readings of one name keep their order.
type Fields struct {
	Rules []FieldRule // merged for each name: globs in this order, the exact name last
	// Next takes what is published, Refresh (nil: nobody) the newest reading
	// where that is not: Agent.Put and Agent.Refresh. Crosses (nil: never) tells
	// whether a value must be published although the dead-band holds it back.
	// They are called with a lock that keeps other readings of the name waiting:
	// they must not block, and not call a method of Fields for that name.
	Next    func(Reading)
	Refresh func(Reading)
	Crosses func(name string, before, now Value) bool
	Log     *slog.Logger // nil: silent

	mu     sync.RWMutex
	byName map[string]*track // nil without a matching rule; at most MaxReadings
	full   sync.Once         // logs that it is
	alarm  alarm
}

// Put takes a reading from a sensor. A reading with a rule is dropped when
// MaxReadings names are known and its own is not.
func (f *Fields) Put(r Reading) {
	t, ok := f.find(r.Name)
	switch {
	case !ok:
		f.full.Do(func() {
			f.log().Error("too many readings with a rule, new names are dropped", "max", MaxReadings, "first", r.Name)
		})
	case t == nil:
		f.Next(r)
	default:
		t.put(r)
	}
}

// find returns what is kept of a name, nil when no rule is for it. ok is false
// when there is a rule but no room.
func (f *Fields) find(name string) (t *track, ok bool) {
	f.mu.RLock()
	t, ok = f.byName[name]
	none := len(f.Rules) == 0
	f.mu.RUnlock()
	if ok || none {
		return t, true
	}
	if CheckName(name) != nil {
		return nil, true // the Agent drops it
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	field, ruled := fieldOf(f.Rules, name)
	if t, ok = f.byName[name]; ok {
		return t, true
	}
	if len(f.byName) >= MaxReadings {
		return nil, !ruled
	}
	if ruled {
		t = newTrack(f, name, field)
	}
	if f.byName == nil {
		f.byName = make(map[string]*track)
	}
	f.byName[name] = t
	return t, true
}

// Remove forgets a name: the field does not exist any more. Call it before
// Board.Remove, so that the name does not come back as stale.
func (f *Fields) Remove(name string) {
	f.mu.Lock()
	t := f.byName[name]
	delete(f.byName, name)
	f.mu.Unlock()
	t.unwatch()
}

// unwatch ends that a reading turns stale.
func (t *track) unwatch() {
	if t != nil {
		t.mu.Lock()
		t.watched = false
		t.mu.Unlock()
	}
}

// SetRules exchanges Rules. A name with the same rule as before keeps what is
// known of it; any other begins anew with its next reading.
func (f *Fields) SetRules(rules []FieldRule) {
	f.mu.Lock()
	before := f.Rules
	f.Rules = rules
	var gone []*track
	for name, t := range f.byName {
		was, had := fieldOf(before, name)
		now, has := fieldOf(rules, name)
		if had != has || !reflect.DeepEqual(was, now) {
			gone = append(gone, t)
			delete(f.byName, name)
		}
	}
	f.mu.Unlock()
	for _, t := range gone {
		t.unwatch()
	}
}

// FieldCounts is how many samples of a reading were discarded since the start.
type FieldCounts struct {
	Name     string
	Rejected uint64 // a number that means that there is no value
	Invalid  uint64 // out of the valid range, or not to be calibrated
	Jumps    uint64 // too far from the last one
}

// Total is the sum of all.
func (c FieldCounts) Total() uint64 { return c.Rejected + c.Invalid + c.Jumps }

// Counts returns what was discarded of a reading.
func (f *Fields) Counts(name string) FieldCounts {
	f.mu.RLock()
	t := f.byName[name]
	f.mu.RUnlock()
	if t == nil {
		return FieldCounts{Name: name}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Discards returns the counts of all readings of which anything was discarded,
// sorted by name.
func (f *Fields) Discards() []FieldCounts {
	var list []FieldCounts
	for _, t := range f.all() {
		t.mu.Lock()
		c := t.counts
		t.mu.Unlock()
		if c.Total() > 0 {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y FieldCounts) int { return strings.Compare(x.Name, y.Name) })
	return list
}

// all returns the names with a rule.
func (f *Fields) all() []*track {
	f.mu.RLock()
	defer f.mu.RUnlock()
	list := make([]*track, 0, len(f.byName))
	for _, t := range f.byName {
		if t != nil {
			list = append(list, t)
		}
	}
	return list
}

func (f *Fields) log() *slog.Logger {
	if f.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return f.Log
}
