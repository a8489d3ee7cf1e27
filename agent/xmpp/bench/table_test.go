package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	var tab table
	tab.most("size", "%.1f MB", 11.2, 12, "11 200 000 bytes", "more")
	tab.most("time", "%.2f s", 0.2, 0.15)
	tab.least("rate", "%.2f", 0.95, 0.95)
	tab.tell("query", "3 ms", "43200 readings")
	var out strings.Builder
	tab.print(&out)
	var got [][]string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line))
	}
	want := [][]string{
		{"PROMISE", "FIGURE", "BOUND"},
		{"size", "11.2", "MB", "<=", "12.0", "MB", "kept"},
		{"11", "200", "000", "bytes"},
		{"more"},
		{"time", "0.20", "s", "<=", "0.15", "s", "MISSED"},
		{"rate", "0.95", ">=", "0.95", "kept"},
		{"query", "3", "ms"},
		{"43200", "readings"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestQuantile(t *testing.T) {
	list := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(list, q); got != want {
			t.Errorf("%v: got %v, want %v", q, got, want)
		}
	}
	if list[0] != 5 || median(nil) != 0 {
		t.Error("the list was sorted in place, or nothing has a median")
	}
	if got := spread(list); got != "3 [1..5]" {
		t.Error(got)
	}
}
