package chart

import (
	"image"
	"math"
	"slices"
	"time"
)

const (
	margin   = 10 // pixels at the edges
	row      = letterHeight + 4
	lineHalf = 1.1 // half the width of a line
)

// A drawing is a plot on its way to the canvas.
type drawing struct {
	canvas
	plot  Plot
	area  image.Rectangle // between the axes
	axes  []axis
	taken []image.Rectangle // by labels of thresholds
}

// An axis is on the left, the second one on the right.
type axis struct {
	axisKey
	scale
	colour ramp // of the only series, or ink
	empty  bool
}

func newDrawing(p Plot) *drawing {
	d := &drawing{canvas: newCanvas(p.Width, p.Height), plot: p}
	legend := d.legendRows()
	top := margin/2 + row*(1+len(legend)) + 4
	if slices.ContainsFunc(p.Series, func(s Series) bool { return s.Unit != "" }) {
		top += row
	}
	d.area = image.Rect(margin, top, p.Width-2*margin, p.Height-row-margin)
	for _, k := range p.axisKeys() {
		d.axes = append(d.axes, d.newAxis(k))
	}
	for i, a := range d.axes {
		room := letterWidth
		for _, t := range a.ticks {
			room = max(room, width(t.label)+2*letterWidth)
		}
		if i == 0 {
			d.area.Min.X = room
		} else {
			d.area.Max.X = p.Width - room
		}
	}
	return d
}

// newAxis finds the range of the series of an axis.
func (d *drawing) newAxis(k axisKey) axis {
	a := axis{axisKey: k, colour: ink}
	lo, hi, n := math.Inf(1), math.Inf(-1), 0
	for i, s := range d.plot.Series {
		if s.key() != k {
			continue
		}
		if a.colour = seriesRamp(i); n > 0 {
			a.colour = ink
		}
		n++
		for _, p := range s.Points {
			if d.shows(p) {
				lo, hi = min(lo, bounded(p.Min)), max(hi, bounded(p.Max))
			}
		}
	}
	switch a.empty = lo > hi; {
	case a.empty:
		a.scale = scale{hi: 1}
	case k.onOff:
		a.scale = onOff
	default:
		lo, hi = d.reach(k, lo, hi)
		a.scale = newScale(lo, hi, max(2, d.area.Dy()/44))
	}
	return a
}

// reach widens a range to the thresholds that are not far from it.
func (d *drawing) reach(k axisKey, lo, hi float64) (float64, float64) {
	far := 1.5 * max(hi-lo, 0.1*math.Abs(hi))
	low, high := lo, hi
	for _, t := range d.plot.Thresholds {
		v := bounded(t.Value)
		if s := d.seriesOf(t); s >= 0 && d.plot.Series[s].key() == k && v >= lo-far && v <= hi+far {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

func (d *drawing) shows(p Point) bool {
	return !math.IsNaN(p.Mean) && !p.Time.Before(d.plot.From) && !p.Time.After(d.plot.To)
}

func (d *drawing) seriesOf(t Threshold) int {
	return slices.IndexFunc(d.plot.Series, func(s Series) bool { return s.Name == t.Series })
}

func (d *drawing) axisOf(s Series) *axis {
	return &d.axes[slices.IndexFunc(d.axes, func(a axis) bool { return a.axisKey == s.key() })]
}

// x is the place of a time, y of a value.
func (d *drawing) x(at time.Time) float64 {
	share := at.Sub(d.plot.From).Seconds() / d.plot.To.Sub(d.plot.From).Seconds()
	return float64(d.area.Min.X) + share*float64(d.area.Dx()-1) + 0.5
}

func (d *drawing) y(a *axis, v float64) float64 {
	share := (bounded(v) - a.lo) / (a.hi - a.lo)
	return float64(d.area.Max.Y) - 0.5 - share*float64(d.area.Dy()-1)
}

func (d *drawing) draw() {
	d.heading()
	d.timeAxis()
	for i := range d.axes {
		d.valueAxis(&d.axes[i], i > 0)
	}
	if !slices.ContainsFunc(d.axes, func(a axis) bool { return !a.empty }) {
		s := "no readings"
		d.text(d.area.Min.X+(d.area.Dx()-width(s))/2, d.area.Min.Y+d.area.Dy()/2-letterHeight, s, muted, true)
	}
	d.clip = d.area
	for i, s := range d.plot.Series {
		d.bands(s, seriesRamp(i))
	}
	for i, s := range d.plot.Series {
		d.line(s, seriesRamp(i))
	}
	for _, t := range d.plot.Thresholds {
		d.threshold(t)
	}
	d.clip = d.image.Rect
	b := d.area
	d.fill(image.Rect(b.Min.X, b.Max.Y, b.Max.X, b.Max.Y+1), frame)
}

// bands fills what lies between the least and the greatest values.
func (d *drawing) bands(s Series, colour ramp) {
	a := d.axisOf(s)
	for i, p := range s.Points {
		if !d.shows(p) || p.Min == p.Max {
			continue
		}
		x := d.x(p.Time)
		d.column(int(x), d.y(a, p.Max), d.y(a, p.Min), colour)
		if i+1 == len(s.Points) || !d.shows(s.Points[i+1]) {
			continue
		}
		q := s.Points[i+1]
		end := d.x(q.Time)
		for col := int(x) + 1; col < int(end); col++ {
			share := (float64(col) + 0.5 - x) / (end - x)
			mix := func(from, to float64) float64 { return from + share*(to-from) }
			d.column(col, mix(d.y(a, p.Max), d.y(a, q.Max)), mix(d.y(a, p.Min), d.y(a, q.Min)), colour)
		}
	}
}

func (d *drawing) column(x int, top, bottom float64, colour ramp) {
	d.fill(image.Rect(x, int(top), x+1, int(bottom)+1), colour.area())
}

// line draws a series; a point that has no neighbour to join becomes a dot.
func (d *drawing) line(s Series, colour ramp) {
	a := d.axisOf(s)
	for i, p := range s.Points {
		if !d.shows(p) {
			continue
		}
		here := vec{d.x(p.Time), d.y(a, p.Mean)}
		joined := i > 0 && d.shows(s.Points[i-1])
		switch last := i+1 == len(s.Points); {
		case !last && d.shows(s.Points[i+1]):
			q := s.Points[i+1]
			d.join(here, vec{d.x(q.Time), d.y(a, q.Mean)}, s.Steps, colour)
		case s.Steps && last:
			d.stroke(here, vec{d.x(d.plot.To), here.y}, lineHalf, colour)
		case s.Steps && !s.Points[i+1].Time.After(d.plot.To):
			d.stroke(here, vec{d.x(s.Points[i+1].Time), here.y}, lineHalf, colour)
		}
		if !joined && (i+1 == len(s.Points) || !d.shows(s.Points[i+1])) {
			d.stroke(here, here, 2.5*lineHalf, colour)
		}
	}
}

func (d *drawing) join(from, to vec, steps bool, colour ramp) {
	if !steps {
		d.stroke(from, to, lineHalf, colour)
		return
	}
	corner := vec{to.x, from.y}
	d.stroke(from, corner, lineHalf, colour)
	d.stroke(corner, to, lineHalf, colour)
}
