package agent

import (
	"cmp"
	"math"
	"time"
)

// DefaultHeartbeat is the heartbeat of a field with a dead-band and no
// heartbeat of its own: without one nobody could tell a steady value from a
// dead sensor.
const DefaultHeartbeat = 10 * time.Minute

// A Field says what is done with the readings of a name between its sensor and
// the Agent, in the order of these keys; one that is not set is a step that is
// left out. Only the dead-band and Stale touch what is not a number.
type Field struct {
	// Unit is a symbol of the unit table and takes the place of the sensor's.
	// It says what the calibrated value is in; it converts nothing.
	Unit string
	// Reject lists raw numbers that mean that there is no value: the 85 °C of a
	// DS18B20 after power-up. They match exactly. Empty but not nil takes a
	// more general rule's list away.
	Reject []float64
	// Valid is the least and the greatest raw number that can be true.
	Valid *[2]float64
	// Scale and Offset calibrate: raw*Scale + Offset.
	Scale, Offset *float64
	// Points calibrate in the place of Scale and Offset: at least two pairs of a
	// raw number and the true one, raw rising; lines join them and go on beyond.
	Points [][2]float64
	// MaxStep is the greatest difference, above 0, of two calibrated numbers in a row.
	MaxStep float64
	Smooth  *Smooth
	// Precision is how many decimals are kept, 0 to 9.
	Precision *int
	// Change is the dead-band: a value nearer to the last published one is not published.
	Change *Change
	// Heartbeat bounds the time between two published readings while the sensor
	// is read; an equal value is not published before. It may come a fiftieth early.
	Heartbeat time.Duration
	// Stale is how long after its arrival the last good reading is believed.
	Stale time.Duration
}

// Smooth is a filter over calibrated numbers.
type Smooth struct {
	Kind   string  // "median" or "mean" of the last Window numbers, or "ema"
	Window int     // 2 to 99
	Alpha  float64 // of ema, the weight of a new number: above 0, at most 1
}

// Change is the width of a dead-band, as a number or as a percentage of the
// last published value. The number 0 publishes every reading.
type Change struct {
	By      float64
	Percent bool
}

// A FieldRule is a Field for the readings whose name matches a glob, see Match.
type FieldRule struct {
	Glob string
	Field
}

// fieldOf merges the rules for a name key by key: the globs in their order,
// then the exact name. ok tells whether there is any.
func fieldOf(rules []FieldRule, name string) (f Field, ok bool) {
	for _, exact := range []bool{false, true} {
		for _, r := range rules {
			if (r.Glob == name) == exact && Match(r.Glob, name) {
				f.merge(r.Field)
				ok = true
			}
		}
	}
	return f, ok
}

// Beat returns the longest time between two published readings of a name, while
// its sensor is read so often.
func Beat(rules []FieldRule, name string, every time.Duration) time.Duration {
	f, _ := fieldOf(rules, name)
	if f.Change == nil && f.Heartbeat == 0 {
		return every
	}
	return max(every, cmp.Or(f.Heartbeat, DefaultHeartbeat))
}

// merge takes over the keys that g sets. Calibration by points and that by
// scale and offset take the place of one another.
func (f *Field) merge(g Field) {
	if g.Points != nil {
		f.Points, f.Scale, f.Offset = g.Points, nil, nil
	}
	if g.Scale != nil || g.Offset != nil {
		f.Points = nil
	}
	if g.Reject != nil {
		f.Reject = g.Reject
	}
	f.Scale, f.Offset = cmp.Or(g.Scale, f.Scale), cmp.Or(g.Offset, f.Offset)
	f.Unit = cmp.Or(g.Unit, f.Unit)
	f.Valid = cmp.Or(g.Valid, f.Valid)
	f.MaxStep = cmp.Or(g.MaxStep, f.MaxStep)
	f.Smooth = cmp.Or(g.Smooth, f.Smooth)
	f.Precision = cmp.Or(g.Precision, f.Precision)
	f.Change = cmp.Or(g.Change, f.Change)
	f.Heartbeat = cmp.Or(g.Heartbeat, f.Heartbeat)
	f.Stale = cmp.Or(g.Stale, f.Stale)
}

// calibrates tells whether raw and true numbers differ.
func (f *Field) calibrates() bool { return f.Scale != nil || f.Offset != nil || f.Points != nil }

// calibrate returns the true number for a raw one; it may be NaN or infinite.
func (f *Field) calibrate(raw float64) float64 {
	if f.Points != nil {
		return interpolate(f.Points, raw)
	}
	if f.Scale != nil {
		raw *= *f.Scale
	}
	if f.Offset != nil {
		raw += *f.Offset
	}
	return raw
}

// interpolate follows the line between the two points around x, or that of
// the outer two.
func interpolate(points [][2]float64, x float64) float64 {
	i := 1
	for i < len(points)-1 && x > points[i][0] {
		i++
	}
	a, b := points[i-1], points[i]
	return a[1] + (x-a[0])*((b[1]-a[1])/(b[0]-a[0]))
}

// round keeps the decimals of Precision. Without one it removes what
// arithmetic leaves behind the twelfth digit: 21.200000000000003.
func (f *Field) round(x float64) Value {
	switch {
	case f.Precision != nil:
		return Number(x).Round(*f.Precision)
	case f.calibrates() || f.Smooth != nil:
		return Number(significant(x))
	}
	return Number(x)
}

// significant rounds to twelve digits where that is exact: 1e-11 to 1e12.
func significant(x float64) float64 {
	if x == 0 {
		return 0
	}
	decimals := 11 - int(math.Floor(math.Log10(math.Abs(x))))
	if decimals < 0 || decimals > 22 {
		return x
	}
	p := math.Pow10(decimals)
	return math.Round(x*p) / p
}

// reached tells whether a number leaves the dead-band around the last one.
func (c Change) reached(last, now float64) bool {
	by := c.By
	if c.Percent {
		by *= math.Abs(last) / 100
	}
	return math.Abs(now-last) >= by-slop(now, last)
}

// tooFar tells whether two numbers differ by more than limit.
func tooFar(a, b, limit float64) bool { return math.Abs(a-b) > limit+slop(a, b) }

// slop is the error of a difference of decimals: 0.3 - 0.2 is less than 0.1.
func slop(a, b float64) float64 { return (math.Abs(a)*0.5 + math.Abs(b)*0.5) * 0x1p-51 }
