package main

import (
	"fmt"
	"io"
	"slices"
)

// A row is one promise with what was measured.
type row struct {
	promise string
	figure  string
	bound   string   // "" for a figure that nothing is promised of
	kept    bool     // within the bound
	raw     []string // lines: the numbers behind the figure
}

// A table collects rows in the order of the run.
type table struct{ rows []row }

// most adds a figure that should be at most bound.
func (t *table) most(promise, format string, figure, bound float64, raw ...string) {
	t.rows = append(t.rows, row{promise, fmt.Sprintf(format, figure), "<= " + fmt.Sprintf(format, bound), figure <= bound, raw})
}

// least adds a figure that should be at least bound.
func (t *table) least(promise, format string, figure, bound float64, raw ...string) {
	t.rows = append(t.rows, row{promise, fmt.Sprintf(format, figure), ">= " + fmt.Sprintf(format, bound), figure >= bound, raw})
}

// tell adds a figure that has no bound.
func (t *table) tell(what, figure string, raw ...string) {
	t.rows = append(t.rows, row{promise: what, figure: figure, raw: raw})
}

// print writes a line for each row, and its raw numbers below.
func (t *table) print(out io.Writer) {
	const line = "%-72s  %-16s  %-12s  %s\n"
	fmt.Fprintf(out, line, "PROMISE", "FIGURE", "BOUND", "")
	for _, r := range t.rows {
		verdict := ""
		switch {
		case r.bound != "" && r.kept:
			verdict = "kept"
		case r.bound != "":
			verdict = "MISSED"
		}
		fmt.Fprintf(out, line, r.promise, r.figure, r.bound, verdict)
		for _, raw := range r.raw {
			fmt.Fprintf(out, "    %s\n", raw)
		}
	}
}

// quantile returns the value below which the share q of a list lies, 0 for an
// empty list.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func median(list []float64) float64 { return quantile(list, 0.5) }

// spread writes the median of a list with its least and greatest value.
func spread(list []float64) string {
	if len(list) == 0 {
		return "none"
	}
	return fmt.Sprintf("%.3g [%.3g..%.3g]", median(list), slices.Min(list), slices.Max(list))
}
