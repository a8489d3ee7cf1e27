package agent

import (
	"log/slog"
	"slices"
	"time"
)

// maxFields bounds the fields of one sensor, the vanished ones included.
const maxFields = 256

// A report is what the poller has said of one sensor: it turns the outcomes of
// reads into readings. Only the worker of the bus uses it.
type report struct {
	sensor  string
	put     func(Reading)
	remove  func(string)
	log     *slog.Logger
	byName  map[string]*field
	order   []*field // as first seen
	round   uint64   // of takes
	standIn bool     // the sensor's own name carries its failure, as no field does
	failure severity // the worst since the sensor last answered
	dropped bool     // a reading, and it was logged
}

type field struct {
	last  Reading // Name is always set
	round uint64  // in which the sensor last returned it
	put   bool    // last is on the board
	gone  bool    // no longer reported, and that was said
}

type severity uint8

const (
	answers severity = iota
	fails
	panics
)

func newReport(t Task, p *Poller, log *slog.Logger) *report {
	rep := &report{sensor: t.Name, put: p.Put, remove: p.Remove, log: log.With("sensor", t.Name), byName: make(map[string]*field)}
	for _, name := range t.Fields {
		rep.find(rep.name(name))
	}
	return rep
}

// name returns the reading's name of a field, whatever the sensor calls it.
func (rep *report) name(field string) string {
	if field == "" {
		return rep.sensor
	}
	name := rep.sensor + "." + field
	if CheckName(name) == nil {
		return name
	}
	return cut(rep.sensor+"."+CleanName(field), MaxName)
}

// take puts what a read came to.
func (rep *report) take(o outcome) {
	if o.quality == Good && len(o.readings) == 0 && len(rep.order) == 0 {
		o.quality, o.reason = Missing, "nothing reported"
	}
	rep.note(o)
	if o.quality != Good {
		rep.fail(o.at, o.quality, o.reason)
		return
	}
	rep.round++
	for _, r := range o.readings {
		rep.accept(r, o.at)
	}
	for _, x := range rep.order {
		if x.round != rep.round && x.put && !x.gone {
			x.gone = true
			rep.set(x, Faulty(x.last.Name, Missing, o.at, "no longer reported"))
		}
	}
}

// accept puts one reading that a sensor returned. One that was put already,
// with its time, is not new: a device that talks by itself has said nothing since.
func (rep *report) accept(r Reading, at time.Time) {
	r.Name = rep.name(r.Name)
	x := rep.find(r.Name)
	if x == nil || x.round == rep.round {
		rep.drop(r.Name)
		return
	}
	if r.Time.IsZero() {
		r.Time = at
	}
	if r.Quality >= Fault {
		r.Value = Value{}
	}
	r.Reason = cut(r.Reason, MaxReason)
	same := r == x.last && x.put && !x.gone
	x.round, x.gone = rep.round, false
	rep.unstand()
	if !same {
		rep.set(x, r)
	}
}

// fail puts a reading without value on every field that is there, or on the
// sensor's own name when there is none.
func (rep *report) fail(at time.Time, q Quality, reason string) {
	live := false
	for _, x := range rep.order {
		if !x.gone {
			live = true
			rep.set(x, Faulty(x.last.Name, q, at, reason))
		}
	}
	if !live {
		rep.stand(Faulty(rep.sensor, q, at, reason))
	}
}

// unread says that the sensor came due and was not read: values turn stale.
func (rep *report) unread(at time.Time, reason string) {
	live := false
	for _, x := range rep.order {
		if x.gone {
			continue
		}
		live = true
		switch r := x.last; {
		case r.Value.Kind() != None:
			r.Quality, r.Reason = Stale, reason
			rep.set(x, r)
		case r.Quality != Missing:
			rep.set(x, Faulty(r.Name, Fault, at, reason))
		}
	}
	if !live {
		rep.stand(Faulty(rep.sensor, Fault, at, reason))
	}
}

func (rep *report) set(x *field, r Reading) {
	x.last, x.put = r, true
	rep.put(r)
}

func (rep *report) stand(r Reading) {
	rep.standIn = true
	rep.put(r)
}

// unstand takes the stand-in off, unless the own name has become a field.
func (rep *report) unstand() {
	if !rep.standIn {
		return
	}
	rep.standIn = false
	if rep.byName[rep.sensor] == nil && rep.remove != nil {
		rep.remove(rep.sensor)
	}
}

// find returns the field of a name, a new one if need be. When there are too
// many, the oldest vanished one makes room; nil when there is none.
func (rep *report) find(name string) *field {
	if x := rep.byName[name]; x != nil {
		return x
	}
	if len(rep.order) >= maxFields && !rep.forget() {
		return nil
	}
	x := &field{last: Reading{Name: name}}
	rep.byName[name] = x
	rep.order = append(rep.order, x)
	return x
}

// forget takes the oldest vanished field off.
func (rep *report) forget() bool {
	i := slices.IndexFunc(rep.order, func(x *field) bool { return x.gone })
	if i < 0 {
		return false
	}
	name := rep.order[i].last.Name
	rep.order = slices.Delete(rep.order, i, i+1)
	delete(rep.byName, name)
	if rep.remove != nil {
		rep.remove(name)
	}
	return true
}

func (rep *report) drop(name string) {
	if rep.dropped {
		return
	}
	rep.dropped = true
	rep.log.Warn("reading dropped: two with one name, or too many", "reading", name, "max", maxFields)
}

// note logs when a sensor starts to fail, worse than it did, and when it
// answers again: a sensor that keeps failing writes one line.
func (rep *report) note(o outcome) {
	now := answers
	if o.stack != nil {
		now = panics
	} else if o.quality != Good {
		now = fails
	}
	switch was := rep.failure; {
	case now == answers && was != answers:
		rep.log.Info("sensor answers again")
	case now == fails && was == answers:
		rep.log.Warn("sensor failed", "quality", o.quality.String(), "reason", o.reason)
	case now == panics && was != panics:
		rep.log.Error("sensor panicked", "reason", o.reason, "stack", string(o.stack))
	}
	if now == answers || now > rep.failure {
		rep.failure = now
	}
}
