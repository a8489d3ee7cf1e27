package agent

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind tells what a Value holds.
type Kind uint8

const (
	None Kind = iota // no value: the reading is missing or faulty
	IsNumber
	IsBool
	IsText
)

// MaxText is the longest text value in bytes; a longer one is cut.
const MaxText = 1024

// A Value is a number, a truth value or a text. The zero Value holds nothing.
// Values compare with ==.
type Value struct {
	kind Kind
	num  float64
	text string
}

// Number returns a numeric value, or no value when f is NaN or infinite:
// neither can be written on the wire. Minus zero becomes zero.
func Number(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: IsNumber, num: f + 0}
}

// Bool returns a truth value.
func Bool(b bool) Value {
	v := Value{kind: IsBool}
	if b {
		v.num = 1
	}
	return v
}

// Text returns a text value of at most MaxText bytes of valid UTF-8.
func Text(s string) Value {
	return Value{kind: IsText, text: cut(s, MaxText)}
}

// cut returns at most n bytes of s, as valid UTF-8.
func cut(s string, n int) string {
	return strings.ToValidUTF8(s[:min(n, len(s))], "")
}

// Kind tells what v holds.
func (v Value) Kind() Kind { return v.kind }

// Float returns the number, or 0 or 1 for a truth value; ok is false for a text or nothing.
func (v Value) Float() (f float64, ok bool) { return v.num, v.kind == IsNumber || v.kind == IsBool }

// Bool returns the truth value; ok is false for anything else.
func (v Value) Bool() (b, ok bool) { return v.num != 0, v.kind == IsBool }

// Round returns a number rounded to so many decimals (0 to 9); other values unchanged.
func (v Value) Round(decimals int) Value {
	if v.kind != IsNumber || decimals < 0 || decimals > 9 {
		return v
	}
	p := math.Pow10(decimals)
	if math.Abs(v.num*p) >= 1<<53 {
		return v // it has no decimals there, and the division would change it
	}
	return Number(math.Round(v.num*p) / p)
}

// String writes a number as the shortest decimal without exponent that reads
// back the same, a truth value as true or false, and nothing as "".
func (v Value) String() string {
	switch v.kind {
	case IsNumber:
		return strconv.FormatFloat(v.num, 'f', -1, 64)
	case IsBool:
		return strconv.FormatBool(v.num != 0)
	}
	return v.text
}

// Quality tells how far a reading may be believed (as OPC UA and XEP-0323 do).
// Greater is worse.
type Quality uint8

const (
	Good      Quality = iota
	Uncertain         // usable with care: a clock that is not set, a value at the edge
	Stale             // the last value, older than it should be
	Fault             // the sensor is there and failed; no value
	Missing           // the sensor, or this field of it, is not there; no value
)

var qualities = [...]string{"good", "uncertain", "stale", "fault", "missing"}

// String returns the word of the wire and of the config.
func (q Quality) String() string {
	if int(q) < len(qualities) {
		return qualities[q]
	}
	return "quality(" + strconv.Itoa(int(q)) + ")"
}

// ParseQuality is the inverse of Quality.String.
func ParseQuality(s string) (Quality, bool) {
	for i, n := range qualities {
		if n == s {
			return Quality(i), true
		}
	}
	return 0, false
}

// A Reading is one value of one field at one time, or the reason why there is none.
//
// Value is empty exactly when Quality is Fault or Missing. A stale reading
// keeps the value and the time of the last good one. Time is the time of the
// measurement (of the failed attempt for Fault and Missing), never of sending.
type Reading struct {
	Name    string // "outside.temperature", or "boiler" where the sensor has one field; see CheckName
	Value   Value
	Unit    string // a symbol of the unit table, or ""
	Time    time.Time
	Quality Quality
	Reason  string // why Quality is not Good, for people: lower case, no period
}

// OK tells whether the reading has a value that may be used: good or uncertain.
func (r Reading) OK() bool { return r.Quality <= Uncertain && r.Value.kind != None }

// Display writes the value for people, rounded to the precision of its unit
// and with the unit: "21.5 °C", "door open" stays as it is, "fault: i2c timeout".
func (r Reading) Display() string {
	switch r.Quality {
	case Fault, Missing:
		if r.Reason == "" {
			return r.Quality.String()
		}
		return r.Quality.String() + ": " + r.Reason
	}
	s := r.Value.String()
	if r.Value.kind == IsNumber {
		if u, ok := LookupUnit(r.Unit); ok {
			s = strconv.FormatFloat(r.Value.Round(u.Precision).num, 'f', u.Precision, 64)
		}
		if r.Unit != "" {
			s += " " + r.Unit
		}
	}
	if r.Quality != Good {
		s += " (" + r.Quality.String() + ")"
	}
	return s
}

// Faulty returns a reading without value that says why.
func Faulty(name string, q Quality, at time.Time, reason string) Reading {
	return Reading{Name: name, Quality: q, Time: at, Reason: reason}
}

// MaxName is the longest reading name in bytes.
const MaxName = 64

// CheckName tells whether s may name a reading: one or two parts of
// [a-z0-9_-], joined by a dot, at most MaxName bytes together.
func CheckName(s string) error {
	parts := strings.Split(s, ".")
	if len(s) > MaxName || len(parts) > 2 {
		return fmt.Errorf("name %.*q: at most %d bytes and one dot", MaxName, s, MaxName)
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return fmt.Errorf("name %q: only a-z, 0-9, _ and - are allowed", s)
		}
	}
	return nil
}

// CleanName makes a part of a reading's name out of what hardware calls
// itself: "CPU Temp (core 0)" becomes "cpu_temp_core_0". The result is
// [a-z0-9_-], at most 40 bytes, and "x" when nothing is left.
func CleanName(s string) string {
	b := make([]byte, 0, len(s))
	for _, c := range []byte(strings.ToLower(s)) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != '_':
			b = append(b, '_')
		}
		if len(b) == 40 {
			break
		}
	}
	if s = strings.Trim(string(b), "_"); s == "" {
		return "x"
	}
	return s
}

// TimeFormat is the form of a time on the wire (XEP-0082, UTC, milliseconds)
// and of the id of a reading's item.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Stamp writes t for the wire.
func Stamp(t time.Time) string { return t.UTC().Format(TimeFormat) }
