package rule

import (
	"slices"
	"time"

	"pipit/agent"
)

// Happening says what an Event tells.
type Happening string

const (
	Fired      Happening = "fired"
	Repeated   Happening = "repeated" // still firing, and not acknowledged
	Resolved   Happening = "resolved"
	WasAcked   Happening = "acked"
	WasUnacked Happening = "unacked"
	Silenced   Happening = "silenced"
	Unsilenced Happening = "unsilenced" // by a person, or because the time is over
	Flapping   Happening = "flapping"   // the digest: it fired Count times within an hour
	Calmed     Happening = "calmed"     // nothing happened for an hour; it had fired Count times
)

// An Event is something that people are told, or that a rule acts on (do and
// on_clear: Fired and Resolved, Quiet or not).
type Event struct {
	Kind   Happening
	Time   time.Time
	Rule   string
	Level  agent.Level
	Number uint64    // of the firing
	Since  time.Time // when it fired
	By     string    // the person who did it, if one did
	Until  time.Time // of Silenced
	Count  int       // firings, of Flapping and Calmed
	Quiet  bool      // act on it, but tell nobody
}

// A Machine is one rule with its state. It is not for several goroutines at once.
type Machine struct {
	rule     Rule
	inc      Incident
	number   func() uint64
	started  time.Time
	last     Result
	known    bool      // there was a sample since the start whose When is known
	early    bool      // Pending began in the grace or with the first sample
	trues    int       // samples with When true since it is Pending
	clearing time.Time // since when Clear is true; zero: it is not
}

// New returns the machine of a rule that goes on from an incident of an earlier
// run. number gives each firing its number; nil counts on from the last one.
func New(r Rule, inc Incident, now time.Time, number func() uint64) *Machine {
	m := &Machine{rule: r, inc: inc.clone(), number: number, started: now}
	m.inc.restart(now)
	if m.number == nil {
		m.number = func() uint64 { return m.inc.Number + 1 }
	}
	return m
}

// Rule returns the rule.
func (m *Machine) Rule() Rule { return m.rule }

// Incident returns the state, to be shown and kept. It has to be kept before
// people are told of the events that led to it.
func (m *Machine) Incident() Incident { return m.inc.clone() }

// Step takes what the conditions say after a new sample of one of their
// readings. now never goes back.
func (m *Machine) Step(now time.Time, r Result) []Event {
	m.last = r
	if m.inc.Phase == Idle && r.When == True {
		m.early = !m.known || now.Sub(m.started) < m.rule.Grace
		m.trues = 0
		m.inc.move(Pending, "", now)
	}
	m.known = m.known || r.When != Unknown
	switch {
	case r.When == True:
		m.trues++
	case r.When == False && m.inc.Phase == Pending:
		m.inc.Phase, m.inc.Since = Idle, now
	}
	switch {
	case r.Clear == False || !m.inc.Active():
		m.clearing = time.Time{}
	case r.Clear == True && m.clearing.IsZero():
		m.clearing = now
	}
	return m.Tick(now)
}

// Tick does what is due by time alone; see Next.
func (m *Machine) Tick(now time.Time) (events []Event) {
	add := func(k Happening) { events = append(events, m.event(k, now)) }
	if due(m.inc.Silenced, now) {
		m.inc.Silenced = time.Time{}
		add(Unsilenced)
	}
	if due(m.calmAt(), now) {
		add(Calmed)
		m.inc.Flaps, m.inc.Recent = 0, nil
	}
	if due(m.fireAt(), now) {
		if m.fire(now) {
			add(Flapping)
		}
		add(Fired)
	}
	if due(m.clearAt(), now) {
		m.clear(now)
		add(Resolved)
	}
	if due(m.repeatAt(), now) {
		m.inc.Told = now
		add(Repeated)
	}
	return events
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// Next returns when Tick must be called, if no sample comes before, or the zero
// time. It may have passed.
func (m *Machine) Next() (next time.Time) {
	for _, t := range []time.Time{m.inc.Silenced, m.calmAt(), m.fireAt(), m.clearAt(), m.repeatAt()} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// fireAt returns when the rule fires if nothing changes. The first sample after
// a start cannot fire.
func (m *Machine) fireAt() time.Time {
	wait := m.rule.For
	if m.early {
		wait = max(wait, m.rule.Grace)
	}
	if m.inc.Phase != Pending || m.last.When != True || m.early && m.trues < 2 {
		return time.Time{}
	}
	return m.inc.Since.Add(wait)
}

// clearAt returns when the rule is resolved if nothing changes.
func (m *Machine) clearAt() time.Time {
	if !m.inc.Active() || m.clearing.IsZero() || m.last.Clear != True {
		return time.Time{}
	}
	return m.clearing.Add(m.rule.ClearFor)
}

// repeatAt returns when people are told again, or for the first time when the
// rule could not tell them as it fired. After a start the rule waits for a
// sample, which may resolve it.
func (m *Machine) repeatAt() time.Time {
	switch {
	case m.inc.Phase != Firing || m.quiet() || !m.known || m.last.Clear == True:
		return time.Time{}
	case m.inc.Told.IsZero():
		return m.inc.Fired
	case m.rule.Repeat == 0:
		return time.Time{}
	}
	return m.inc.Told.Add(m.rule.Repeat)
}

// calmAt returns when a flapping rule is believed again.
func (m *Machine) calmAt() time.Time {
	if m.inc.Flaps == 0 {
		return time.Time{}
	}
	return m.inc.Moved.Add(flapTime)
}

func (m *Machine) quiet() bool { return !m.inc.Silenced.IsZero() || m.inc.Flaps > 0 }

// fire begins a firing and tells whether the rule is flapping from now on.
func (m *Machine) fire(now time.Time) (digest bool) {
	i := &m.inc
	i.Recent = slices.DeleteFunc(i.Recent, func(t time.Time) bool { return now.Sub(t) >= flapTime })
	i.Recent = append(i.Recent, now)
	switch {
	case i.Flaps > 0:
		i.Flaps++
		i.Recent = nil
	case len(i.Recent) > flapping:
		i.Flaps, i.Recent, digest = len(i.Recent), nil, true
	}
	i.Number, i.By, i.Fired, i.Moved, i.Told = m.number(), "", now, now, time.Time{}
	if !m.quiet() {
		i.Told = now
	}
	m.clearing = time.Time{}
	i.move(Firing, "", now)
	return digest
}

func (m *Machine) clear(now time.Time) {
	m.clearing = time.Time{}
	m.inc.Moved = now
	m.inc.By = ""
	m.inc.move(Idle, "", now)
}

// event describes what just happened. The end of a firing of which people were
// told is not quiet, whatever happened since.
func (m *Machine) event(k Happening, now time.Time) Event {
	e := Event{Kind: k, Time: now, Rule: m.rule.Name, Level: m.rule.Level, Number: m.inc.Number, Since: m.inc.Fired}
	switch k {
	case Fired, Resolved:
		e.Quiet = m.inc.Told.IsZero()
	case Flapping:
		e.Quiet = !m.inc.Silenced.IsZero()
		e.Count = m.inc.Flaps
	case Calmed:
		e.Quiet = !m.inc.Silenced.IsZero()
		e.Count = m.inc.Flaps
	case Silenced:
		e.Until = m.inc.Silenced
	}
	return e
}
