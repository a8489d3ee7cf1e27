package commands

import (
	"fmt"
	"strings"
	"time"
)

// ago says how long something is past. What lies ahead was dated by a clock that was wrong.
func ago(d time.Duration) string {
	switch {
	case d <= -time.Second:
		return "dated " + span(-d) + " ahead"
	case d < time.Second:
		return "now"
	}
	return span(d) + " ago"
}

// span writes a duration of a second or more in one or two units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%s %d h", count(int(d/day), "day"), d%day/time.Hour)
}

// count writes a number of things: "1 reading", "3 readings".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// maxCell is the longest text in a cell of a table, in runes.
const maxCell = 120

// cell makes a text fit into one row of a table.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxCell {
		return string(r[:maxCell-1]) + "…"
	}
	return s
}
