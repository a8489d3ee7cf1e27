package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A size is a number of bytes that a config writes as "64MB".
type size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (z *size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > 1<<40/u.bytes {
			break
		}
		*z = size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size: write a whole number and a unit, such as \"64MB\"", text)
}

// parseDuration reads what time.ParseDuration does, with days in front: "30d", "1d12h".
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	var clock time.Duration
	if rest != "" {
		if clock, err = time.ParseDuration(rest); err != nil || clock < 0 {
			return 0, fmt.Errorf("%q is no time of a day", rest)
		}
	}
	return time.Duration(n)*24*time.Hour + clock, nil
}
