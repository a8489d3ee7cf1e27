package chart

import (
	"math"
	"time"

	"pipit/agent"
)

// Series returns the line of a plot: the readings themselves where they are
// few, else the mean, least and greatest value of each of 360 parts of the span.
func (t *Trace) Series(name string) Series {
	s := Series{Name: name, Unit: t.Unit, Switch: t.Kind == agent.IsBool, Steps: t.Held && !t.full}
	runs := t.runs
	if !t.full {
		for _, r := range runs {
			s.Points = t.part(s.Points, r.from, r.failed)
			s.Points = append(s.Points, point(r.from, r.value, r.value, r.value))
			if t.Held && r.until != r.from {
				s.Points = append(s.Points, point(r.until, r.value, r.value, r.value))
			}
		}
		return t.finish(s)
	}
	var last time.Time
	for i := range t.slots {
		b := &t.slots[i]
		if b.count == 0 {
			continue
		}
		if !last.IsZero() && t.parted(b.first.Sub(last), t.Gap(), b.failed) {
			s.Points = append(s.Points, nothing(last))
		}
		s.Points = append(s.Points, point(b.first.Add(b.last.Sub(b.first)/2), b.min, b.mean, b.max))
		last = b.last
	}
	return s
}

// part ends the line before a point that is too far away.
func (t *Trace) part(points []Point, next time.Time, failed bool) []Point {
	if n := len(points); n > 0 && t.parted(next.Sub(points[n-1].Time), t.Gap(), failed) {
		return append(points, nothing(points[n-1].Time))
	}
	return points
}

// finish ends the line of a held value where the last reading was, unless it
// holds until the end of the span.
func (t *Trace) finish(s Series) Series {
	if n := len(s.Points); t.Held && n > 0 && t.parted(t.To.Sub(s.Points[n-1].Time), t.Gap(), t.failing) {
		s.Points = append(s.Points, nothing(s.Points[n-1].Time))
	}
	return s
}

func point(at time.Time, low, mean, high float64) Point { return Point{at, low, mean, high} }

func nothing(at time.Time) Point { return Point{at, math.NaN(), math.NaN(), math.NaN()} }
