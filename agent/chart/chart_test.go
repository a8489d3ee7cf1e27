package chart

import (
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pipit/agent"
)

// coloured counts the pixels of a colour in a box.
func coloured(m *image.Paletted, box image.Rectangle, colour ramp) (n int) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			if colour.has(m.ColorIndexAt(x, y)) {
				n++
			}
		}
	}
	return n
}

// drawn renders a plot and returns it with what it was laid out to.
func drawn(t *testing.T, p Plot) (*image.Paletted, *drawing) {
	t.Helper()
	m, _ := render(t, p)
	if p.Width == 0 {
		p.Width, p.Height = 640, 400
	}
	return m, newDrawing(p)
}

// strip is a part of the area between the axes, in hours from the start of the plot.
func (d *drawing) strip(from, to float64) image.Rectangle {
	at := func(h float64) int {
		return int(d.x(d.plot.From.Add(time.Duration(h * float64(time.Hour)))))
	}
	return image.Rect(at(from), d.area.Min.Y, at(to), d.area.Max.Y)
}

func TestGapsHaveNoLine(t *testing.T) {
	for name, wide := range map[string]int{"for a phone": 640, "wide": 1000, "narrow": 300} {
		p := pictures(t)["two"]
		p.Width, p.Height = wide, 400
		m, d := drawn(t, p)
		above := d.strip(13.4, 14.2)
		above.Max.Y = int(d.y(&d.axes[0], 1))
		if n := coloured(m, above, seriesRamp(0)); n > 0 {
			t.Errorf("%s: %d pixels of the line in a gap", name, n)
		}
		for _, h := range []float64{1, 6, 12.5, 15, 22} {
			if coloured(m, d.strip(h, h+0.5), seriesRamp(0)) == 0 {
				t.Errorf("%s: no line at %v h", name, h)
			}
		}
	}
}

func TestLineGoesThroughItsValues(t *testing.T) {
	from := noon.Add(-24 * hours)
	p := Plot{From: from, To: noon, Location: time.UTC, Width: 800, Height: 400, Series: []Series{{Name: "x", Points: []Point{
		point(from, 0, 0, 0), point(from.Add(12*hours), 100, 100, 100), point(noon, 50, 50, 50),
	}}}}
	m, d := drawn(t, p)
	a := &d.axes[0]
	for h, v := range map[float64]float64{3: 25, 6: 50, 12: 100, 18: 75, 23.9: 50.4} {
		x, y := int(d.x(from.Add(time.Duration(h*float64(hours))))), int(d.y(a, v))
		if !seriesRamp(0).has(m.ColorIndexAt(x, y)) {
			t.Errorf("%v at %v h is not on the line", v, h)
		}
		if y > d.area.Min.Y+20 && seriesRamp(0).has(m.ColorIndexAt(x, y-8)) {
			t.Errorf("something is above %v at %v h", v, h)
		}
	}
}

func TestNothingIsDrawnOutside(t *testing.T) {
	from := noon.Add(-24 * hours)
	p := Plot{From: from, To: noon, Location: time.UTC, Series: []Series{{Name: "x", Unit: "°C", Points: []Point{
		point(from.Add(-hours), 900, 900, 900), point(from, 0, 5, 10), point(noon, 0, 5, 10), point(noon.Add(hours), -900, -900, -900),
	}}}}
	m, d := drawn(t, p)
	right := image.Rect(d.area.Max.X, d.area.Min.Y, m.Rect.Max.X, m.Rect.Max.Y)
	below := image.Rect(0, d.area.Max.Y+margin, m.Rect.Max.X, m.Rect.Max.Y)
	if n := coloured(m, right, seriesRamp(0)) + coloured(m, below, seriesRamp(0)); n > 0 {
		t.Errorf("%d pixels of the line outside", n)
	}
	if top := d.axes[0].hi; top > 10 {
		t.Errorf("the axis goes to %v: what is outside counts", top)
	}
	band := *m
	if i := band.ColorIndexAt(d.area.Min.X+50, int(d.y(&d.axes[0], 8))); i != seriesRamp(0).area() {
		t.Errorf("colour %d between the line and the greatest value", i)
	}
}

func TestTwoAxes(t *testing.T) {
	m, d := drawn(t, pictures(t)["two"])
	left := image.Rect(0, d.area.Min.Y, d.area.Min.X, d.area.Max.Y)
	right := image.Rect(d.area.Max.X, d.area.Min.Y, m.Rect.Max.X, d.area.Max.Y)
	if coloured(m, left, seriesRamp(0)) == 0 || coloured(m, left, seriesRamp(1)) > 0 {
		t.Error("the left axis is not that of the first series")
	}
	if coloured(m, right, seriesRamp(1)) == 0 || coloured(m, right, seriesRamp(0)) > 0 {
		t.Error("the right axis is not that of the second series")
	}
	if a := d.axes[0]; a.lo > -0.5 || a.hi < 9.5 || d.axes[1].lo > 55 || d.axes[1].hi < 86 {
		t.Errorf("axes from %v to %v and from %v to %v", a.lo, a.hi, d.axes[1].lo, d.axes[1].hi)
	}
}

func TestThresholds(t *testing.T) {
	p := pictures(t)["far"]
	m, d := drawn(t, p)
	y, on, off := int(d.y(&d.axes[0], 45)), 0, 0
	for x := d.area.Min.X; x < d.area.Max.X; x++ {
		if seriesRamp(0).has(m.ColorIndexAt(x, y)) {
			on++
		} else {
			off++
		}
	}
	if on < d.area.Dx()/3 || off < d.area.Dx()/3 {
		t.Errorf("%d pixels of the line at 45 are drawn and %d not: want dashes", on, off)
	}
	if a := d.axes[0]; a.lo < 35 || a.hi > 55 {
		t.Errorf("the axis goes from %v to %v, to thresholds that are far", a.lo, a.hi)
	}
	edges := func(m *image.Paletted) (top, bottom int) {
		r := d.area
		return coloured(m, image.Rect(r.Min.X+r.Dx()/2, r.Min.Y, r.Max.X, r.Min.Y+20), seriesRamp(0)),
			coloured(m, image.Rect(r.Min.X+r.Dx()/2, r.Max.Y-20, r.Max.X, r.Max.Y), seriesRamp(0))
	}
	if top, bottom := edges(m); top < 100 || bottom < 100 {
		t.Errorf("%d and %d pixels at the edges: where is the text of the far thresholds?", top, bottom)
	}
	p.Thresholds = []Threshold{{"other", 45, "no such series"}, {"boiler", math.NaN(), "no number"}}
	m, _ = drawn(t, p)
	if top, bottom := edges(m); top+bottom > 0 {
		t.Error("a threshold of no series, or of no number, is drawn")
	}
}

func TestSwitchIsDrawnInSteps(t *testing.T) {
	from := noon.Add(-24 * hours)
	tr := NewTrace(from, noon, false, 0)
	tr.Add(agent.Reading{Value: agent.Bool(true), Time: from.Add(6 * hours)})
	tr.Add(agent.Reading{Value: agent.Bool(false), Time: from.Add(12 * hours)})
	m, d := drawn(t, Plot{From: from, To: noon, Series: []Series{tr.Series("door")}})
	for h, v := range map[float64]float64{7: 1, 11: 1, 13: 0, 23: 0} {
		for level := range 2 {
			x, y := int(d.x(from.Add(time.Duration(h)*hours))), int(d.y(&d.axes[0], float64(level)))
			if got := seriesRamp(0).has(m.ColorIndexAt(x, y)); got != (v == float64(level)) {
				t.Errorf("at %v h there is a line at %d: %v", h, level, got)
			}
		}
	}
	if coloured(m, d.strip(0, 5.5), seriesRamp(0)) > 0 {
		t.Error("a line before the first reading")
	}
}

func TestOneReadingIsADot(t *testing.T) {
	from := noon.Add(-24 * hours)
	m, d := drawn(t, Plot{From: from, To: noon, Series: []Series{{Name: "x", Points: []Point{point(from.Add(12*hours), 5, 5, 5)}}}})
	if n := coloured(m, d.strip(11, 13), seriesRamp(0)); n < 20 || n > 80 {
		t.Errorf("%d pixels, want a dot", n)
	}
}

func TestRefused(t *testing.T) {
	ok := Plot{From: noon.Add(-hours), To: noon}
	for _, tt := range []struct {
		change func(*Plot)
		want   string
	}{
		{func(p *Plot) { p.To = p.From }, "the time axis has no length"},
		{func(p *Plot) { p.From = time.Time{} }, "or too much"},
		{func(p *Plot) { p.Width, p.Height = 10, 400 }, "10 x 400 pixels is not within 240 x 160"},
		{func(p *Plot) { p.Width, p.Height = 400, 100000 }, "pixels"},
		{func(p *Plot) { p.Series = make([]Series, 7) }, "7 series, at most 6"},
		{func(p *Plot) { p.Series = []Series{{Unit: "a"}, {Unit: "b"}, {Switch: true}} }, "3 units, at most 2"},
	} {
		p := ok
		tt.change(&p)
		if err := PNG(io.Discard, p); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if err := PNG(fullDisk{}, ok); !errors.Is(err, errFull) {
		t.Errorf("%v, want the error of the writer", err)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestLettersThatTheFaceLacks(t *testing.T) {
	if got := width("µS/cm Ω"); got != 9*letterWidth {
		t.Errorf("%d pixels wide", got)
	}
	for s, want := range map[string]string{"abcdef": "abc…", "abcd": "abcd", "äöü€": "äöü€"} {
		if got := fitting(s, 4*letterWidth+3); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := fitting("abc", 0); got != "" {
		t.Errorf("%q in no room", got)
	}
	c := newCanvas(100, 20)
	c.text(0, 0, "気\U0001F600", ink, false)
	if coloured(c.image, c.clip, ink) == 0 {
		t.Error("unknown letters leave no mark")
	}
}

func TestPaletteAndSize(t *testing.T) {
	p := pictures(t)["two"]
	p.Width, p.Height = 800, 400
	m, data := render(t, p)
	if len(data) > 60_000 || len(m.Palette) > 128 {
		t.Errorf("%d bytes with %d colours", len(data), len(m.Palette))
	}
	if c, err := png.DecodeConfig(strings.NewReader(string(data))); err != nil || c.Width != 800 || c.Height != 400 {
		t.Errorf("%+v, %v", c, err)
	}
}

func BenchmarkPNG(b *testing.B) {
	p := pictures(b)["two"]
	p.Width, p.Height = 800, 400
	b.ReportAllocs()
	for b.Loop() {
		if err := PNG(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	list := readings("x", "°C", 24*hours, time.Second, temperature)
	b.ReportAllocs()
	for b.Loop() {
		trace(24*hours, false, list)
	}
	b.ReportMetric(float64(len(list)), "readings/op")
}
