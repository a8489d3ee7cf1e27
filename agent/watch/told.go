package watch

import (
	"hash/crc32"
	"math"
	"strings"
	"time"
	"unicode"

	"pipit/agent"
)

// Bounds of what a message and the state have of a reading, in bytes.
const (
	maxShown = 80
	maxUnit  = 16
)

// told is what a person knows of a reading.
type told struct {
	State  agent.Quality // Uncertain counts as Good
	Number *float64      // nil: it was no number
	Unit   string
	Shown  string // the value as it was displayed, cut; "" when there was none
	Sum    uint32 // of the whole of it
}

func tell(r agent.Reading) told {
	t := told{State: r.Quality, Unit: brief(r.Unit, maxUnit)}
	switch r.Quality {
	case agent.Uncertain:
		t.State = agent.Good
	case agent.Fault, agent.Missing:
		return t
	}
	if f, ok := r.Value.Float(); ok && r.Value.Kind() == agent.IsNumber {
		t.Number = &f
	}
	r.Quality = agent.Good // the mark of another is no change of the value
	shown := r.Display()
	t.Shown, t.Sum = brief(shown, maxShown), crc32.ChecksumIEEE([]byte(shown))
	return t
}

// news tells whether a person who knows t has to hear of now. A fault, or a
// reading that is stale or missing, is news once, and so is its end.
func (t told) news(now told, by float64) bool {
	const slack = 1 - 1e-6 // 0.3 - 0.2 is less than 0.1
	switch {
	case now.State != t.State:
		return true
	case now.State != agent.Good:
		return false
	case by > 0 && now.Number != nil && t.Number != nil && now.Unit == t.Unit:
		return math.Abs(*now.Number-*t.Number) >= by*slack
	}
	return now.Sum != t.Sum
}

// line writes a reading for people: "outside.temperature is 12.5 °C (was 12.0
// °C) at 17:18". before is nil when they know nothing yet.
func line(r agent.Reading, before *told, now time.Time) string {
	t := tell(r)
	s := r.Name
	switch t.State {
	case agent.Good:
		s += " is " + t.Shown
	case agent.Stale:
		return s + " is stale, it was " + t.Shown + " at " + clock(r.Time, now)
	case agent.Fault:
		s += " has a fault" + reason(r)
	default:
		s += " is missing" + reason(r)
	}
	if before != nil {
		s += " (" + before.was() + ")"
	}
	return s + " at " + clock(r.Time, now)
}

func (t told) was() string {
	switch t.State {
	case agent.Good:
		return "was " + t.Shown
	case agent.Fault:
		return "had a fault"
	}
	return "was " + t.State.String()
}

func reason(r agent.Reading) string {
	if r.Reason == "" {
		return ""
	}
	return ": " + brief(r.Reason, maxShown)
}

// brief makes a text of a sensor one line of at most so many bytes.
func brief(s string, most int) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	s = strings.Join(words, " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-len("…")], "") + "…"
	}
	return s
}

// clock writes a time in the zone of the process, with the day where it is another.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}
