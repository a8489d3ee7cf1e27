package chart

import (
	"math"
	"strings"
)

var blocks = []rune("▁▂▃▄▅▆▇█")

// Spark draws values as a line of width block characters, the least value
// lowest. NaN is a gap and becomes a space. More values than width are
// averaged, fewer are repeated; equal values are drawn half high.
func Spark(values []float64, width int) string {
	cells := resample(values, width)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range cells {
		if !math.IsNaN(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	var b strings.Builder
	for _, v := range cells {
		b.WriteRune(block(v, lo, hi))
	}
	return b.String()
}

// block returns the character of a value; halves keep the differences finite.
func block(v, lo, hi float64) rune {
	switch {
	case math.IsNaN(v):
		return ' '
	case lo == hi:
		return blocks[len(blocks)/2-1]
	}
	share := (v/2 - lo/2) / (hi/2 - lo/2)
	return blocks[min(int(share*float64(len(blocks))), len(blocks)-1)]
}

// resample returns n means of as many equal stretches of values, NaN for a
// stretch that has none.
func resample(values []float64, n int) []float64 {
	if len(values) == 0 || n <= 0 {
		return nil
	}
	cells := make([]float64, n)
	for i := range cells {
		from := i * len(values) / n
		to := max((i+1)*len(values)/n, from+1)
		cells[i] = mean(values[from:to])
	}
	return cells
}

// mean returns the mean of what is not NaN.
func mean(values []float64) float64 {
	m, n := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			n++
			m += v/n - m/n
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return m
}
