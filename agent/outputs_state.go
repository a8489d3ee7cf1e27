package agent

import (
	"fmt"
	"time"
)

// An OutputState is how an output is at one moment.
type OutputState struct {
	Name   string
	Value  Value     // as read back; none while that is not known
	Text   string    // Value for people, or why there is none: "on", "50 %", "fault: no answer within 5s"
	On     bool      // it is, or may be, on
	Since  time.Time // when it went on or off, or was found so
	Until  time.Time // when it goes off by itself; zero: it does not
	MaxOn  bool      // Until is the end of max_on
	Locked time.Time // until then min_on or min_off keeps it as it is; zero: nothing does
	Held   string    // why it is held safe: "offline for 12 min"; "" when it is not
}

// ends returns when the output goes off by itself.
func (o *output) ends() (at time.Time, maxOn bool) {
	if !o.on {
		return time.Time{}, false
	}
	at = o.until
	if o.MaxOn > 0 {
		if limit := o.since.Add(o.MaxOn); at.IsZero() || limit.Before(at) {
			return limit, true
		}
	}
	return at, false
}

// locked returns until when a minimum time keeps a known state.
func (o *output) locked(now time.Time) time.Time {
	least := o.MinOff
	if o.on {
		least = o.MinOn
	}
	if end := o.since.Add(least); o.known && end.After(now) {
		return end
	}
	return time.Time{}
}

// rough writes how long something has lasted.
func rough(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d h", d/time.Hour)
}

// text writes what the output has for people.
func (o *output) text() string {
	if o.fault != nil {
		return o.reading().Display()
	}
	if !o.known {
		return "not known yet"
	}
	return o.Word(o.got)
}

// show notes the state for those who must not wait. It needs the turn.
func (o *output) show() {
	st := OutputState{Name: o.Name, Text: o.text(), On: o.on, Since: o.since, Held: o.held, Locked: o.locked(time.Now())}
	if o.known {
		st.Value = o.got
	}
	st.Until, st.MaxOn = o.ends()
	o.mu.Lock()
	o.shown = st
	o.mu.Unlock()
}

func (o *output) state() OutputState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.shown
}

// JoinOutputs returns the outputs of several executors as one in the order of
// their names, for those who ask: each of them has its own Run. Every name is in
// one of them.
func JoinOutputs(names []string, list []*Outputs) *Outputs {
	joined := &Outputs{}
	joined.setup.Do(func() {
		for _, name := range names {
			for _, p := range list {
				if o, err := p.find(name); err == nil {
					joined.Tasks, joined.outs = append(joined.Tasks, o.OutputTask), append(joined.outs, o)
				}
			}
		}
	})
	return joined
}
