package agent

import "strconv"

// A doubt says why a number is implausible.
type doubt struct {
	of       suspicion
	x, limit float64
	unit     string
}

type suspicion uint8

const (
	plausible suspicion = iota
	rejected
	tooLow
	tooHigh
	uncalibrated
	jumped
)

// text says it for people: "187.55 °C is above 60".
func (d doubt) text(maxStep float64) string {
	x := decimal(d.x)
	if d.unit != "" {
		x += " " + d.unit
	}
	switch d.of {
	case rejected:
		return x + " means that there is no value"
	case tooLow:
		return x + " is below " + decimal(d.limit)
	case tooHigh:
		return x + " is above " + decimal(d.limit)
	case jumped:
		return x + " is more than " + decimal(maxStep) + " away from " + decimal(d.limit)
	}
	return x + " gives no usable number"
}

// decimal writes a number of a reason.
func decimal(x float64) string { return strconv.FormatFloat(x, 'g', 12, 64) }
