package chart

import (
	"image"
	"math"
	"slices"
	"strconv"
)

const (
	swatch = 18 // pixels of line before a name in the legend
	apart  = 14 // pixels between two names
)

// An entry is a name in the legend.
type entry struct {
	text   string
	colour ramp
}

func (e entry) width() int { return swatch + 6 + width(e.text) }

// legendRows lays the legend out, as many names in a row as there is room for.
func (d *drawing) legendRows() (rows [][]entry) {
	room, used := d.plot.Width-2*margin, 0
	for i, s := range d.plot.Series {
		text := s.Name
		if s.Unit != "" && len(d.plot.axisKeys()) > 1 {
			text += " (" + s.Unit + ")"
		}
		e := entry{fitting(text, room-swatch-6), seriesRamp(i)}
		if used += e.width() + apart; len(rows) == 0 || used-apart > room {
			rows, used = append(rows, nil), e.width()+apart
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
	}
	return rows
}

// heading writes the title, the span where there is room for it, and the legend.
func (d *drawing) heading() {
	y, right := margin/2, d.plot.Width-margin
	title := fitting(d.plot.Title, right-margin)
	d.text(margin, y, title, ink, true)
	if s := d.span(); width(title)+2*letterWidth+width(s) <= right-margin {
		d.text(right-width(s), y, s, muted, false)
	}
	for _, entries := range d.legendRows() {
		y += row
		x := margin
		for _, e := range entries {
			mid := float64(y + letterHeight/2)
			d.stroke(vec{float64(x) + 2, mid}, vec{float64(x) + swatch - 2, mid}, 1.5*lineHalf, e.colour)
			d.text(x+swatch+6, y, e.text, ink, false)
			x += e.width() + apart
		}
	}
}

// span writes what the time axis covers: "22 Nov 14:20 to 23 Nov 14:20 CET".
func (d *drawing) span() string {
	from, to := d.plot.From.In(d.plot.Location), d.plot.To.In(d.plot.Location)
	first, last := "2 Jan 15:04", "2 Jan 15:04 MST"
	switch {
	case from.Year() != to.Year():
		first, last = "2 Jan 2006", "2 Jan 2006 MST"
	case from.YearDay() == to.YearDay():
		last = "15:04 MST"
	}
	return from.Format(first) + " to " + to.Format(last)
}

// timeAxis draws the ticks of time and a line of grid at each.
func (d *drawing) timeAxis() {
	d.fill(d.area, white)
	end := 0
	for _, t := range timeTicks(d.plot.From.In(d.plot.Location), d.plot.To.In(d.plot.Location), d.area.Dx()/64) {
		x := d.area.Min.X + int(t.at/d.plot.To.Sub(d.plot.From).Seconds()*float64(d.area.Dx()-1)+0.5)
		d.fill(image.Rect(x, d.area.Min.Y, x+1, d.area.Max.Y), grid)
		left := min(max(x-width(t.label)/2, 2), d.plot.Width-2-width(t.label))
		if left < end {
			continue // a day that is shorter by an hour
		}
		d.fill(image.Rect(x, d.area.Max.Y, x+1, d.area.Max.Y+5), frame)
		d.text(left, d.area.Max.Y+7, t.label, ink, false)
		end = left + width(t.label) + letterWidth
	}
}

// valueAxis draws the ticks and the unit of an axis; the grid is the left one's.
func (d *drawing) valueAxis(a *axis, right bool) {
	for _, t := range a.ticks {
		y := int(d.y(a, t.at))
		x := d.area.Min.X - letterWidth - width(t.label)
		if right {
			x = d.area.Max.X + letterWidth
			d.fill(image.Rect(d.area.Max.X, y, d.area.Max.X+4, y+1), frame)
		} else {
			d.fill(image.Rect(d.area.Min.X, y, d.area.Max.X, y+1), grid)
		}
		d.text(x, y-letterHeight/2, t.label, a.colour, true)
	}
	x := max(2, d.area.Min.X-letterWidth-width(a.unit))
	if right {
		x = min(d.area.Max.X+letterWidth, d.plot.Width-2-width(a.unit))
	}
	d.text(x, d.area.Min.Y-letterHeight/2-row, a.unit, a.colour, true)
}

// threshold draws a dashed line, or says where it would be.
func (d *drawing) threshold(t Threshold) {
	i := d.seriesOf(t)
	if i < 0 || math.IsNaN(t.Value) {
		return
	}
	a, colour, label := d.axisOf(d.plot.Series[i]), seriesRamp(i), t.Label
	if label == "" {
		label = short(strconv.FormatFloat(t.Value, 'g', 6, 64))
	}
	if a.empty {
		return
	}
	y := d.y(a, t.Value)
	switch {
	case t.Value > a.hi:
		d.label("↑ "+label, d.area.Min.Y+2, colour)
		return
	case t.Value < a.lo:
		d.label("↓ "+label, d.area.Max.Y-letterHeight-2, colour)
		return
	}
	for x := float64(d.area.Min.X); x < float64(d.area.Max.X); x += 10 {
		d.stroke(vec{x + 1, y}, vec{x + 5, y}, 0.8, colour)
	}
	d.label(label, int(y)-letterHeight-3, colour)
}

// label writes the words of a threshold inside the area, at the left or right
// end, at a height or below the line there, where they hide least of the lines
// and no other words; without such a place they are left out.
func (d *drawing) label(s string, y int, colour ramp) {
	s = fitting(s, d.area.Dx()-letterWidth)
	var best image.Rectangle
	least := d.area.Dx() * d.area.Dy()
	for _, y := range []int{y, y + letterHeight + 6} {
		for _, x := range []int{d.area.Max.X - 4 - width(s), d.area.Min.X + 4} {
			box := image.Rect(x-2, y, x+width(s)+2, y+letterHeight)
			if !box.In(d.area) || slices.ContainsFunc(d.taken, box.Overlaps) {
				continue
			}
			if n := d.lines(box); n < least {
				best, least = box, n
			}
		}
	}
	if best.Empty() {
		return
	}
	d.taken = append(d.taken, best)
	d.fill(best, white)
	d.text(best.Min.X+2, best.Min.Y, s, colour, false)
}

// lines counts the pixels of lines in a box.
func (d *drawing) lines(box image.Rectangle) (n int) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			if *d.at(x, y) >= ramps {
				n++
			}
		}
	}
	return n
}
