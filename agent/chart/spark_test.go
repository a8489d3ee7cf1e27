package chart

import (
	"math"
	"testing"
	"unicode/utf8"
)

func TestSpark(t *testing.T) {
	none := math.NaN()
	for _, tt := range []struct {
		name   string
		values []float64
		width  int
		want   string
	}{
		{"eighths", []float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, "▁▂▃▄▅▆▇█"},
		{"gaps", []float64{none, 1, none, none, 2, none}, 6, " ▁  █ "},
		{"means", []float64{0, 2, 4, 6, none, 8}, 3, "▁▅█"},
		{"one of two is a gap", []float64{0, none, none, none, 8, 8}, 3, "▁ █"},
		{"repeated", []float64{1, 2}, 4, "▁▁██"},
		{"equal", []float64{21.5, 21.5, none, 21.5}, 4, "▄▄ ▄"},
		{"below zero", []float64{-3, -1}, 2, "▁█"},
		{"extreme", []float64{-math.MaxFloat64, 0, math.MaxFloat64}, 3, "▁▅█"},
		{"only gaps", []float64{none, none}, 2, "  "},
		{"nothing", nil, 5, ""},
		{"no width", []float64{1}, 0, ""},
	} {
		if got := Spark(tt.values, tt.width); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if n := utf8.RuneCountInString(Spark(make([]float64, 1000), 24)); n != 24 {
		t.Errorf("%d characters, want 24", n)
	}
}
