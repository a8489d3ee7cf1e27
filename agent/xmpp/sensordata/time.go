package sensordata

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseTime reads an xs:dateTime; one without a zone is taken as UTC.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.64q is no time", s)
}

// duration writes an xs:duration in seconds.
func duration(d time.Duration) string {
	return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
}

var errDuration = errors.New("no duration in days, hours, minutes and seconds")

// parseDuration reads an xs:duration that is not negative and has neither
// years nor months, whose length nobody knows. Each part is below 73 years.
func parseDuration(s string) (time.Duration, error) {
	days, clock, hasClock := strings.Cut(s, "T")
	days, ok := strings.CutPrefix(days, "P")
	if !ok || len(s) > 64 || days == "" && clock == "" || hasClock && clock == "" {
		return 0, errDuration
	}
	var sum time.Duration
	for _, part := range []struct {
		text *string
		mark string
		unit time.Duration
	}{{&days, "D", 24 * time.Hour}, {&clock, "H", time.Hour}, {&clock, "M", time.Minute}, {&clock, "S", time.Second}} {
		number, rest, found := strings.Cut(*part.text, part.mark)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n*float64(part.unit) < 1<<61) { // NaN fails, too
			return 0, errDuration
		}
		sum += time.Duration(n*float64(part.unit) + 0.5)
		*part.text = rest
	}
	if days != "" || clock != "" {
		return 0, errDuration
	}
	return sum, nil
}
