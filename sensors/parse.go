package sensors

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxQuote is how many bytes of a text that makes no sense an error repeats.
const maxQuote = 20

// quote returns the head of a text from outside, safe to print.
func quote(s string) string {
	if len(s) > maxQuote {
		return strconv.QuoteToASCII(s[:maxQuote]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// firstLine returns the first line without the white space and NUL around it.
func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.Trim(line, " \t\r\x00"))
}

// parseNumber reads a decimal number, or a whole one written as 0x hex.
func parseNumber(s string) (float64, error) {
	if s == "" {
		return 0, errors.New("file is empty")
	}
	digits, negative := strings.CutPrefix(s, "-")
	if hex := strings.ToLower(digits); strings.HasPrefix(hex, "0x") {
		n, err := strconv.ParseUint(hex[2:], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is not a number", quote(s))
		}
		if negative {
			return -float64(n), nil
		}
		return float64(n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.Contains(s, "_") {
		return 0, fmt.Errorf("%s is not a number", quote(s))
	}
	return f, nil
}

// parseInt reads the whole number that a sysfs attribute holds.
func parseInt(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case s == "":
		return 0, errors.New("file is empty")
	case err != nil:
		return 0, fmt.Errorf("%s is not a whole number", quote(s))
	}
	return n, nil
}

// parseBool reads a truth value as files write it: 1, Y, on, true, yes.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "":
		return false, errors.New("file is empty")
	case "1", "y", "yes", "on", "true":
		return true, nil
	case "0", "n", "no", "off", "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(s))
}

// Temperatures outside of this make no sense on any board.
const lowestCelsius, highestCelsius = -273.15, 2000

// celsius checks a temperature given in thousandths of a degree.
func celsius(milli int64) (float64, error) {
	return plausible(float64(milli)/1000, lowestCelsius, highestCelsius, "°C")
}

// plausible refuses a value outside of what is physically possible.
func plausible(v, lowest, highest float64, unit string) (float64, error) {
	if v < lowest || v > highest {
		return 0, fmt.Errorf("%s %s makes no sense", strconv.FormatFloat(v, 'f', -1, 64), unit)
	}
	return v, nil
}
