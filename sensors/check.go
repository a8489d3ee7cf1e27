package sensors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"pipit/agent"
)

// A checker collects what is wrong with a sensor's table.
type checker struct{ errs []error }

func (c *checker) fail(key, format string, args ...any) {
	c.errs = append(c.errs, &agent.ParamError{Param: key, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) err() error { return errors.Join(c.errs...) }

// oneOf checks a word against the words that are allowed.
func (c *checker) oneOf(key, word string, allowed ...string) {
	if slices.Contains(allowed, word) {
		return
	}
	hint := "allowed: " + strings.Join(allowed, ", ")
	if near := agent.Nearest(word, allowed); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	c.fail(key, "%q is not known (%s)", word, hint)
}

// unit returns the symbol of a unit written in any accepted spelling; "" is no unit.
func (c *checker) unit(key, spelling string) string {
	if u, ok := agent.LookupUnit(spelling); ok || spelling == "" {
		return u.Symbol
	}
	hint := "use one of the unit table, such as °C, %, hPa, V"
	if near := nearestUnit(spelling); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.fail(key, "%q is not a known unit (%s)", spelling, hint)
	return ""
}

// nearestUnit first looks for a unit that differs in case only, then for the
// nearest spelling, and returns its symbol.
func nearestUnit(s string) string {
	var spellings []string
	for _, u := range agent.Units() {
		spellings = append(append(spellings, u.Symbol), u.Spellings...)
	}
	near := agent.Nearest(s, spellings)
	if i := slices.IndexFunc(spellings, func(u string) bool { return strings.EqualFold(u, s) }); i >= 0 {
		near = spellings[i]
	}
	u, _ := agent.LookupUnit(near)
	return u.Symbol
}

// finite refuses the inf and nan of TOML.
func (c *checker) finite(key string, f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.fail(key, "a finite number is needed")
	}
}
