package commands

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

// The past that can be asked for.
const (
	minPast = time.Minute
	maxPast = 400 * 24 * time.Hour
	week    = 7 * 24 * time.Hour
)

// spanHelp says how a span of the past is written.
const spanHelp = "how far back: 90m, 24h, 7d or 4w, from 1m to 400d"

// spanParam asks for a span of the past.
func spanParam() agent.Param {
	return agent.Param{Name: "span", Label: "Span", Help: spanHelp, Default: "24h", Rest: true}
}

// parseSpan reads a whole number and a unit: m (minutes), h, d or w.
func parseSpan(s string) (time.Duration, error) {
	text := strings.ToLower(strings.Join(strings.Fields(s), ""))
	number := strings.TrimRight(text, "mhdw")
	unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": week}[text[len(number):]]
	n, err := strconv.ParseUint(number, 10, 20)
	if d := time.Duration(n) * unit; err == nil && d >= minPast && d <= maxPast {
		return d, nil
	}
	return 0, &agent.ParamError{Param: "span", Text: fmt.Sprintf("%q is no span: write %s", cell(s), spanHelp)}
}

// spanWords writes a span of the past: 24 h, 7 days, 4 weeks.
func spanWords(d time.Duration) string {
	switch {
	case d%week == 0 && d > week:
		return count(int(d/week), "week")
	case d%(24*time.Hour) == 0 && d > 24*time.Hour:
		return count(int(d/(24*time.Hour)), "day")
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}
