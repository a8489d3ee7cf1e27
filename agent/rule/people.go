package rule

import "time"

// Ack says that somebody sees to a firing: no more repeats. It does nothing, and
// returns no event, where the rule does not fire or somebody was before.
func (m *Machine) Ack(who string, now time.Time) []Event {
	if m.inc.Phase != Firing {
		return nil
	}
	return m.by(who, Acked, WasAcked, now)
}

// Unack takes an Ack back: repeats begin anew. It does nothing where there is none.
func (m *Machine) Unack(who string, now time.Time) []Event {
	if m.inc.Phase != Acked {
		return nil
	}
	if !m.inc.Told.IsZero() {
		m.inc.Told = now
	}
	return m.by(who, Firing, WasUnacked, now)
}

func (m *Machine) by(who string, to Phase, k Happening, now time.Time) []Event {
	m.inc.move(to, person(who), now)
	m.inc.By = ""
	if to == Acked {
		m.inc.By = person(who)
	}
	return []Event{m.personal(k, who, now)}
}

// Silence lets nobody be told before until, at most MaxSilence from now. It does
// nothing where until has passed. Unlike Ack it holds for firings to come.
func (m *Machine) Silence(who string, until, now time.Time) []Event {
	if most := now.Add(MaxSilence); until.After(most) {
		until = most
	}
	if !until.After(now) {
		return nil
	}
	m.inc.Silenced = until
	return []Event{m.personal(Silenced, who, now)}
}

// Unsilence ends a silence. What fires and was not told is told by the same call.
func (m *Machine) Unsilence(who string, now time.Time) []Event {
	if m.inc.Silenced.IsZero() {
		return nil
	}
	m.inc.Silenced = time.Time{}
	return append([]Event{m.personal(Unsilenced, who, now)}, m.Tick(now)...)
}

func (m *Machine) personal(k Happening, who string, now time.Time) Event {
	e := m.event(k, now)
	e.By = person(who)
	return e
}
