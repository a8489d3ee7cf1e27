package agent

import "slices"

const maxWindow = 99

// A smoother is the state of a Smooth.
type smoother struct {
	Smooth
	last []float64 // up to Window numbers, a ring once it is full
	next int       // the oldest of a full ring
	ema  float64
	runs bool // ema has a number
}

func newSmoother(s *Smooth) *smoother {
	if s == nil {
		return nil
	}
	m := &smoother{Smooth: *s}
	if s.Kind != "ema" {
		m.last = make([]float64, 0, max(1, min(s.Window, maxWindow)))
	}
	return m
}

// reset forgets all numbers: what came before is not mixed with what comes.
func (m *smoother) reset() {
	if m != nil {
		m.last, m.next, m.runs = m.last[:0], 0, false
	}
}

// add takes a number of at most huge and returns the smoothed one. Until the
// window is full it is that of the numbers there are.
func (m *smoother) add(x float64) float64 {
	if m == nil {
		return x
	}
	if m.Kind == "ema" {
		if m.runs {
			x = m.ema + m.Alpha*(x-m.ema)
		}
		m.ema, m.runs = x, true
		return x
	}
	if len(m.last) < cap(m.last) {
		m.last = append(m.last, x)
	} else {
		m.last[m.next] = x
		m.next = (m.next + 1) % len(m.last)
	}
	if m.Kind == "mean" {
		return mean(m.last)
	}
	return median(m.last)
}

// mean adds up differences, so that the mean of equal numbers is that number.
func mean(xs []float64) (m float64) {
	for i, x := range xs {
		m += (x - m) / float64(i+1)
	}
	return m
}

// median is that of 1 to 99 numbers.
func median(xs []float64) float64 {
	var sorted [maxWindow]float64
	n := copy(sorted[:], xs)
	slices.Sort(sorted[:n])
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
