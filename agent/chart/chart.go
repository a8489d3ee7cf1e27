// Package chart shows the history of readings as a line of text and as a
// picture that is readable on a phone.
//
//	agent.History ──readings──> Trace.Add ─┬─> the numbers of a sentence, Trace.Spark ──> Spark
//	                                       └─> Trace.Series ──> Plot ──> PNG
//
// A Trace takes readings one by one and keeps little of them, whatever the
// span. It also decides what is a gap, so that text and picture agree.
package chart

import (
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"slices"
	"time"
)

// What one picture may hold.
const (
	MaxSeries = 6
	MaxUnits  = 2
	minWidth  = 240
	minHeight = 160
	maxWidth  = 4000
	maxHeight = 3000
)

// A Point is the value of a series at a time, or what several readings around
// that time come to. Min <= Mean <= Max; for a single reading all are equal. A
// Mean of NaN says that nothing is known from this time until the next point:
// no line is drawn there.
type Point struct {
	Time           time.Time
	Min, Mean, Max float64
}

// A Series is one line of a plot.
type Series struct {
	Name   string
	Unit   string  // "" for a bare number, and for on and off
	Switch bool    // values are 0 and 1, shown as off and on
	Steps  bool    // a value holds until the next point
	Points []Point // in the order of time; those outside the plot are left out
}

// A Threshold is a dashed line at a value, with a few words.
type Threshold struct {
	Series string // the name of a series: its axis and colour. Without it there is no line
	Value  float64
	Label  string // "" shows the value
}

// A Plot is what a picture shows. A threshold is drawn where the values of its
// axis come near it, else it is told at the edge it lies behind.
type Plot struct {
	Title         string
	From, To      time.Time
	Location      *time.Location // of the time axis; nil: time.Local
	Series        []Series       // at most MaxSeries, of at most MaxUnits units
	Thresholds    []Threshold
	Width, Height int // pixels, 240 to 4000 and 160 to 3000; 0: 640 and 400
}

// PNG writes a picture of p. It may be called from any goroutine. The error is
// that of w, or says what p has too much of.
func PNG(w io.Writer, p Plot) error {
	if p.Width == 0 && p.Height == 0 {
		p.Width, p.Height = 640, 400
	}
	if p.Location == nil {
		p.Location = time.Local
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	d := newDrawing(p)
	d.draw()
	return png.Encode(w, d.image) // the best compression is a tenth smaller and takes seven times as long
}

func (p *Plot) check() error {
	switch units := len(p.axisKeys()); {
	case p.Width < minWidth || p.Height < minHeight || p.Width > maxWidth || p.Height > maxHeight:
		return fmt.Errorf("%d x %d pixels is not within %d x %d and %d x %d", p.Width, p.Height, minWidth, minHeight, maxWidth, maxHeight)
	case !p.From.Before(p.To) || p.To.Sub(p.From) == math.MaxInt64:
		return errors.New("the time axis has no length, or too much")
	case len(p.Series) > MaxSeries:
		return fmt.Errorf("%d series, at most %d are allowed", len(p.Series), MaxSeries)
	case units > MaxUnits:
		return fmt.Errorf("%d units, at most %d are allowed", units, MaxUnits)
	}
	return nil
}

// An axisKey tells which series share an axis.
type axisKey struct {
	unit  string
	onOff bool
}

func (s Series) key() axisKey { return axisKey{s.Unit, s.Switch} }

// axisKeys returns the axes in the order of the series.
func (p *Plot) axisKeys() (keys []axisKey) {
	for _, s := range p.Series {
		if !slices.Contains(keys, s.key()) {
			keys = append(keys, s.key())
		}
	}
	return keys
}
