package agent

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// closeEnough is how much of its range a number may be off and still be what
// was set: hardware has steps.
const closeEnough = 0.005

// Switch tells whether the output knows on and off only.
func (t *OutputTask) Switch() bool { return !(t.Min < t.Max) }

// Parse reads a value as people and the config write it: for a switch on, off,
// true, false, yes, no, 1 or 0; else a number of the range, on for the greatest,
// or off where there is one.
func (t *OutputTask) Parse(word string) (Value, error) {
	word = strings.ToLower(strings.TrimSpace(word))
	switch {
	case word == "on":
		return t.onValue(), nil
	case word == "off" && t.Off.Kind() != None:
		return t.Off, nil
	case t.Switch():
		return parseSwitch(word)
	}
	limits := fmt.Sprintf("a number from %s to %s", Number(t.Min), Number(t.Max))
	if word == "off" {
		return Value{}, fmt.Errorf("it has no off: write %s", limits)
	}
	f, err := strconv.ParseFloat(word, 64)
	v := Number(f)
	if err != nil || v.Kind() == None || strings.ContainsAny(word, "x_") {
		return Value{}, fmt.Errorf("%q is neither on nor off nor %s", cut(word, 40), limits)
	}
	return v, t.check(v)
}

func parseSwitch(word string) (Value, error) {
	switch word {
	case "true", "yes", "1":
		return Bool(true), nil
	case "false", "no", "0", "off":
		return Bool(false), nil
	}
	return Value{}, fmt.Errorf("%q is neither on nor off", cut(word, 40))
}

// check tells whether the output can have a value.
func (t *OutputTask) check(v Value) error {
	f, _ := v.Float()
	switch {
	case t.Switch() && v.Kind() != IsBool:
		return fmt.Errorf("it is a switch: %q is neither on nor off", v)
	case t.Switch():
	case v.Kind() != IsNumber:
		return fmt.Errorf("%q is not a number", v)
	case f < t.Min || f > t.Max:
		return fmt.Errorf("%s is not between %s and %s", v, Number(t.Min), Number(t.Max))
	}
	return nil
}

// Word writes a value as people say it: on, off, or a number with its unit.
func (t *OutputTask) Word(v Value) string {
	if b, ok := v.Bool(); ok {
		if b {
			return "on"
		}
		return "off"
	}
	if t.Unit == "" {
		return v.String()
	}
	return v.String() + " " + t.Unit
}

func (t *OutputTask) onValue() Value {
	if t.Switch() {
		return Bool(true)
	}
	return Number(t.Max)
}

// rest is what the output goes back to.
func (t *OutputTask) rest() Value {
	if t.Off.Kind() == None {
		return t.Safe
	}
	return t.Off
}

// IsOff tells whether a value is the off value, or Safe where there is none.
func (t *OutputTask) IsOff(v Value) bool { return t.same(v, t.rest()) }

// same tells whether two values are one for the hardware.
func (t *OutputTask) same(a, b Value) bool {
	x, okA := a.Float()
	y, okB := b.Float()
	return okA && okB && math.Abs(x-y) <= closeEnough*math.Max(0, t.Max-t.Min)
}
