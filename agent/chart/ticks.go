package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A tick is a labelled place on an axis.
type tick struct {
	at    float64 // value, or seconds since the start of the time axis
	label string
}

const day = 24 * time.Hour

// A timeStep is a distance of ticks: fixed, or some days or months of the calendar.
type timeStep struct {
	fixed        time.Duration
	days, months int
}

// length is about how long a step is.
func (s timeStep) length() time.Duration {
	return s.fixed + time.Duration(s.days)*day + time.Duration(s.months)*30*day
}

var timeSteps = []timeStep{
	{fixed: time.Second}, {fixed: 5 * time.Second}, {fixed: 10 * time.Second}, {fixed: 30 * time.Second},
	{fixed: time.Minute}, {fixed: 2 * time.Minute}, {fixed: 5 * time.Minute}, {fixed: 10 * time.Minute},
	{fixed: 15 * time.Minute}, {fixed: 30 * time.Minute},
	{fixed: time.Hour}, {fixed: 2 * time.Hour}, {fixed: 3 * time.Hour}, {fixed: 6 * time.Hour}, {fixed: 12 * time.Hour},
	{days: 1}, {days: 2}, {days: 7}, {days: 14},
	{months: 1}, {months: 2}, {months: 3}, {months: 6}, {months: 12}, {months: 60}, {months: 240},
}

// timeTicks returns at most about n ticks in [from, to] at round local times.
func timeTicks(from, to time.Time, n int) []tick {
	span, step := to.Sub(from), timeStep{}
	for _, step = range timeSteps {
		if span <= step.length()*time.Duration(max(n, 1)) {
			break
		}
	}
	var ticks []tick
	for t := step.first(from); !t.After(to); t = step.next(t) {
		if !t.Before(from) {
			ticks = append(ticks, tick{t.Sub(from).Seconds(), step.label(t)})
		}
	}
	return ticks
}

// first returns a tick that is not after t, in the location of t.
func (s timeStep) first(t time.Time) time.Time {
	y, m, d := t.Date()
	switch {
	case s.months > 0:
		return midnight(y, m-time.Month((12*y+int(m)-1)%s.months), 1, t.Location())
	case s.days > 0:
		n := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/86400) + 3 // 1970-01-01 was a Thursday
		return midnight(y, m, d-n%s.days, t.Location())
	case s.fixed > time.Hour:
		return midnight(y, m, d, t.Location())
	}
	_, offset := t.Zone()
	o := time.Duration(offset) * time.Second
	return t.Add(o).Truncate(s.fixed).Add(-o)
}

// next returns the tick after t. Steps of some hours begin anew each midnight,
// and an hour that daylight saving takes away has no tick.
func (s timeStep) next(t time.Time) time.Time {
	y, m, d := t.Date()
	switch {
	case s.months > 0:
		return midnight(y, m+time.Month(s.months), 1, t.Location())
	case s.days > 0:
		return midnight(y, m, d+s.days, t.Location())
	case s.fixed > time.Hour:
		hours := int(s.fixed / time.Hour)
		for h := (t.Hour()/hours + 1) * hours; h < 24; h += hours {
			if n := time.Date(y, m, d, h, 0, 0, 0, t.Location()); n.Hour() == h && n.After(t) {
				return n
			}
		}
		return midnight(y, m, d+1, t.Location())
	}
	return t.Add(s.fixed)
}

// midnight is the start of a day, also where daylight saving takes 0:00 away.
func midnight(y int, m time.Month, d int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if t.Hour() > 12 { // it was read with the offset that ends there
		t = t.Add(time.Hour)
	}
	return t
}

func (s timeStep) label(t time.Time) string {
	switch {
	case s.months >= 12 || s.months > 0 && t.Month() == time.January:
		return t.Format("2006")
	case s.months > 0:
		return t.Format("Jan")
	case s.days > 0 || t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0:
		return t.Format("2 Jan")
	case s.fixed < time.Minute:
		return t.Format("15:04:05")
	}
	return t.Format("15:04")
}

// A scale is the range of a value axis, from one tick to another.
type scale struct {
	lo, hi float64
	ticks  []tick
}

// newScale rounds a range outwards to about n round steps. lo <= hi, both bounded.
func newScale(lo, hi float64, n int) scale {
	if least := max(math.Abs(lo), math.Abs(hi)) * 1e-9; hi-lo <= least {
		pad := max(math.Abs(lo)*0.05, least)
		if lo == 0 {
			pad = 1
		}
		lo, hi = lo-pad, hi+pad
	}
	raw := (hi - lo) / float64(max(n, 1))
	exp := math.Floor(math.Log10(raw))
	step := math.Pow(10, exp+1)
	for _, f := range []float64{1, 2, 5} {
		if s := f * math.Pow(10, exp); s >= raw*0.8 {
			step = s
			break
		}
	}
	first, last := math.Floor(lo/step+1e-6), math.Ceil(hi/step-1e-6)
	s := scale{lo: first * step, hi: last * step}
	for i := first; i <= last; i++ {
		s.ticks = append(s.ticks, tick{i * step, number(i*step, step, max(math.Abs(s.lo), math.Abs(s.hi)))})
	}
	return s
}

var onOff = scale{lo: -0.1, hi: 1.1, ticks: []tick{{0, "off"}, {1, "on"}}}

// What is drawn is bounded: differences must stay finite, and steps above zero.
const (
	maxValue = 1e200
	minValue = 1e-200
)

func bounded(v float64) float64 {
	if math.Abs(v) < minValue {
		return 0
	}
	return max(-maxValue, min(maxValue, v))
}

// number writes a tick of an axis that reaches up to most, short: 0.25, 21, 150k.
func number(v, step, most float64) string {
	if most >= 1e15 || most < 1e-4 {
		return short(strconv.FormatFloat(v, 'g', 3, 64))
	}
	unit, suffix := 1.0, ""
	if most >= 2e4 {
		for _, suffix = range []string{"k", "M", "G", "T"} {
			if unit *= 1000; most < 1000*unit {
				break
			}
		}
	}
	decimals := max(0, -int(math.Floor(math.Log10(step/unit)+1e-9)))
	if decimals > 4 && suffix != "" { // a narrow range far from zero
		return strconv.FormatFloat(v, 'f', max(0, -int(math.Floor(math.Log10(step)+1e-9))), 64)
	}
	s := strconv.FormatFloat(v/unit, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		return "0"
	}
	return s + suffix
}

// short drops what an exponent does not need: 1e+200 becomes 1e200.
func short(s string) string {
	return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e-").Replace(s)
}
