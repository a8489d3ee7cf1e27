package rule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Phase is the state of a rule; see the package comment.
type Phase string

const (
	Idle    Phase = "idle"
	Pending Phase = "pending"
	Firing  Phase = "firing"
	Acked   Phase = "acked"
)

// Bounds of an incident.
const (
	MaxIncident = 32768               // bytes of its encoding
	MaxHistory  = 16                  // transitions kept
	MaxWho      = 256                 // bytes of who did something
	MaxSilence  = 30 * 24 * time.Hour // from now
)

const flapping = 5 // firings in flapTime before it is flapping
const flapTime = time.Hour

// An Incident is what a rule keeps over a restart. The zero value is a rule
// that has never fired.
type Incident struct {
	Phase    Phase        `json:"phase"`
	Since    time.Time    `json:"since,omitzero"`    // of the phase
	Number   uint64       `json:"number,omitzero"`   // of the last firing, for "ack 17"
	Fired    time.Time    `json:"fired,omitzero"`    // when that was
	Told     time.Time    `json:"told,omitzero"`     // when people were last told of this firing; zero: not yet
	By       string       `json:"by,omitzero"`       // who acknowledged it
	Silenced time.Time    `json:"silenced,omitzero"` // until then; zero: not
	Recent   []time.Time  `json:"recent,omitempty"`  // firings of the last hour, at most 6
	Flaps    int          `json:"flaps,omitzero"`    // firings since it is flapping; 0: it is not
	Moved    time.Time    `json:"moved,omitzero"`    // when it last fired or was resolved
	History  []Transition `json:"history,omitempty"` // oldest first
}

// A Transition is a change of the phase.
type Transition struct {
	Time  time.Time `json:"time"`
	Phase Phase     `json:"phase"`
	By    string    `json:"by,omitzero"` // the person, or "" for the condition
}

// Active tells whether the rule fires, acknowledged or not.
func (i *Incident) Active() bool { return i.Phase == Firing || i.Phase == Acked }

// Marshal encodes the incident in at most MaxIncident bytes. It fails for a
// year beyond 9999 only.
func (i Incident) Marshal() ([]byte, error) { return json.Marshal(i) }

// Unmarshal reads what Marshal wrote. What is out of bounds is an error.
func Unmarshal(data []byte) (Incident, error) {
	var i Incident
	if len(data) > MaxIncident {
		return i, fmt.Errorf("the incident has %d bytes: at most %d are allowed", len(data), MaxIncident)
	}
	if err := json.Unmarshal(data, &i); err != nil {
		return Incident{}, fmt.Errorf("reading an incident: %w", err)
	}
	if err := i.check(); err != nil {
		return Incident{}, fmt.Errorf("reading an incident: %w", err)
	}
	return i, nil
}

func (i *Incident) check() error {
	known := []Phase{Idle, Pending, Firing, Acked}
	switch {
	case !slices.Contains(known, i.Phase):
		return fmt.Errorf("%q is no phase", i.Phase)
	case len(i.Recent) > flapping+1, len(i.History) > MaxHistory, len(i.By) > MaxWho:
		return fmt.Errorf("it has more firings, transitions or bytes than it may")
	case i.Flaps < 0:
		return fmt.Errorf("%d is no number of firings", i.Flaps)
	}
	for _, t := range i.History {
		if len(t.By) > MaxWho || !slices.Contains(known, t.Phase) {
			return fmt.Errorf("%q by %.40q is no transition", t.Phase, t.By)
		}
	}
	return nil
}

// clone returns a copy that shares nothing.
func (i Incident) clone() Incident {
	i.Recent, i.History = slices.Clone(i.Recent), slices.Clone(i.History)
	return i
}

// restart makes an incident of an earlier run fit this moment: nothing lies in
// the future, where a wrong clock may have put it, and what was pending begins anew.
func (i *Incident) restart(now time.Time) {
	for _, t := range []*time.Time{&i.Since, &i.Fired, &i.Told, &i.Moved} {
		if t.After(now) {
			*t = now
		}
	}
	i.Recent = slices.DeleteFunc(i.Recent, func(t time.Time) bool { return t.After(now) })
	if most := now.Add(MaxSilence); i.Silenced.After(most) {
		i.Silenced = most
	}
	if i.Phase == Pending || i.Phase == "" {
		i.Phase, i.Since = Idle, now
	}
}

// move changes the phase and writes it into the history.
func (i *Incident) move(to Phase, by string, now time.Time) {
	i.Phase, i.Since = to, now
	if to == Pending {
		return // too short-lived to be kept, and so is its end
	}
	if len(i.History) == MaxHistory {
		i.History = slices.Delete(i.History, 0, 1)
	}
	i.History = append(i.History, Transition{Time: now, Phase: to, By: by})
}

// person bounds the name of who did something.
func person(who string) string {
	return strings.ToValidUTF8(who[:min(len(who), MaxWho)], "")
}
