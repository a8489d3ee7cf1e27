package sensors

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"pipit/agent"
)

// decimal reads a number as people and JSON write it: 21.5, -3e-2. No hex, no
// inf, no nan, no underscores.
func decimal(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// wordValue makes a number of a text that is one, else a text.
func wordValue(s string) agent.Value {
	s = strings.TrimSpace(s)
	if f, ok := decimal(s); ok {
		return agent.Number(f)
	}
	return agent.Text(strings.Map(printable, s))
}

// numeric refuses a unit on what is no number.
func numeric(v agent.Value, unit string) error {
	if unit != "" && v.Kind() != agent.IsNumber {
		return fmt.Errorf("%s is not a number", quote(v.String()))
	}
	return nil
}

// lineValue reads the first line of what a program or a server wrote as what:
// "number", "text" or "bool".
func lineValue(what string, data []byte) (agent.Value, error) {
	line := firstLine(data)
	if line == "" {
		return agent.Value{}, errors.New("the answer is empty")
	}
	switch what {
	case "text":
		return agent.Text(strings.Map(printable, line)), nil
	case "bool":
		b, err := parseBool(line)
		return agent.Bool(b), err
	}
	f, err := parseNumber(line)
	return agent.Number(f), err
}

// field checks a name that the config gives to a field.
func (c *checker) field(key, name string) {
	if name == "" || strings.Contains(name, ".") || agent.CheckName(name) != nil {
		c.fail(key, "%s is no name of a field: write a-z, 0-9, _ and -, such as %q", quote(name), agent.CleanName(name))
	}
}

// whole checks the path of a file that may be given.
func (c *checker) whole(key, name string) {
	if name != "" && !path.IsAbs(name) {
		c.fail(key, "%q is not a whole path: it must begin with /", name)
	}
}

// units checks units by the name of a field and returns their symbols. known
// are the only names there can be; none: any.
func (c *checker) units(units map[string]string, known []string) map[string]string {
	symbols := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(units)) {
		if len(known) > 0 && !slices.Contains(known, name) {
			c.oneOf("units", name, known...)
			continue
		}
		if symbol := c.unit("units", units[name]); symbol != "" {
			symbols[name] = symbol
		}
	}
	return symbols
}
