package sensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pipit/agent"
)

const (
	maxPath  = 256 // bytes of one JSON path
	maxSteps = 16  // of one path, and levels of objects that become fields
)

// A jsonPath leads to one value of a JSON text, such as main.temp,
// sensors[0].value or ["key with a dot."].x.
type jsonPath []jsonStep

// A jsonStep goes into an object by key, or into an array by index.
type jsonStep struct {
	key   string
	index int // -1: by key
}

func parsePath(s string) (jsonPath, error) {
	if s == "" || len(s) > maxPath {
		return nil, fmt.Errorf("a path has 1 to %d bytes, such as \"main.temp\" or \"sensors[0].value\"", maxPath)
	}
	var p jsonPath
	for rest := s; rest != ""; {
		step, after, err := nextStep(rest, len(p) == 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w at %s", quote(s), err, quote(rest))
		}
		if p = append(p, step); len(p) > maxSteps {
			return nil, fmt.Errorf("%s has more than %d steps", quote(s), maxSteps)
		}
		rest = after
	}
	return p, nil
}

func nextStep(s string, first bool) (step jsonStep, rest string, err error) {
	if s[0] == '[' {
		return bracketStep(s[1:])
	}
	if !first {
		if s[0] != '.' {
			return step, "", errors.New("a dot or [ is needed")
		}
		s = s[1:]
	}
	end := strings.IndexAny(s, ".[]")
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return step, "", errors.New("a key is needed")
	}
	return jsonStep{s[:end], -1}, s[end:], nil
}

// bracketStep reads what stands behind [: a number, or a key in quotes.
func bracketStep(s string) (step jsonStep, rest string, err error) {
	if quoted, err := strconv.QuotedPrefix(s); err == nil && quoted[0] == '"' {
		key, _ := strconv.Unquote(quoted)
		rest, ok := strings.CutPrefix(s[len(quoted):], "]")
		if !ok {
			return step, "", errors.New("a ] is needed")
		}
		return jsonStep{key, -1}, rest, nil
	}
	digits, rest, ok := strings.Cut(s, "]")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil {
		return step, "", errors.New("a number or a key in double quotes, and ], are needed")
	}
	return jsonStep{"", int(n)}, rest, nil
}

// in returns the value the path leads to.
func (p jsonPath) in(v any) (any, bool) {
	for _, step := range p {
		switch inner := v.(type) {
		case map[string]any:
			next, ok := inner[step.key]
			if !ok || step.index >= 0 {
				return nil, false
			}
			v = next
		case []any:
			if step.index < 0 || step.index >= len(inner) {
				return nil, false
			}
			v = inner[step.index]
		default:
			return nil, false
		}
	}
	return v, true
}

// parseJSON reads one JSON value; numbers stay as they are written.
func parseJSON(data []byte) (any, error) {
	if !json.Valid(data) { // the whole text, with nothing behind the value
		return nil, fmt.Errorf("the answer is not JSON: %s", quote(string(data)))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// jsonValue makes a value of a leaf. A text that is a decimal number counts as one.
func jsonValue(v any) (agent.Value, error) {
	switch v := v.(type) {
	case bool:
		return agent.Bool(v), nil
	case json.Number:
		f, ok := decimal(string(v))
		if !ok {
			return agent.Value{}, fmt.Errorf("%s is out of range", quote(string(v)))
		}
		return agent.Number(f), nil
	case string:
		return wordValue(v), nil
	case nil:
		return agent.Value{}, missing("it is null")
	}
	return agent.Value{}, errors.New("it is an object or an array, not a value")
}

// A picker makes readings of a JSON text.
type picker struct {
	wants []want            // none: every value of the text
	units map[string]string // by the name of a field
}

// A want is a value that becomes a field.
type want struct {
	name, source string
	path         jsonPath
}

// names returns the fields that are known before there is a text.
func (p *picker) names() []string {
	var names []string
	for _, w := range p.wants {
		names = append(names, w.name)
	}
	return names
}

func (p *picker) readings(data []byte) ([]agent.Reading, error) {
	v, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	l := new(fieldList)
	for _, w := range p.wants {
		if leaf, ok := w.path.in(v); ok {
			p.leaf(l, w.name, leaf)
		} else {
			l.fail(missing("there is no %s in the answer", w.source), w.name)
		}
	}
	if len(p.wants) == 0 {
		p.flatten(l, "", v, 0)
	}
	return l.readings, nil
}

func (p *picker) leaf(l *fieldList, name string, leaf any) {
	v, err := jsonValue(leaf)
	if err == nil {
		err = numeric(v, p.units[name])
	}
	if err != nil {
		l.fail(err, name)
		return
	}
	l.add(agent.Reading{Name: name, Value: v, Unit: p.units[name]})
}

// flatten makes a field of every value, in the order of the keys; what lies
// deeper than maxSteps is left out.
func (p *picker) flatten(l *fieldList, prefix string, v any, depth int) {
	if depth > maxSteps || len(l.readings) >= maxFields {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			p.flatten(l, join(prefix, key), v[key], depth+1)
		}
	case []any:
		for i, item := range v {
			p.flatten(l, join(prefix, strconv.Itoa(i)), item, depth+1)
		}
	default:
		if prefix != "" {
			prefix = l.unique(agent.CleanName(prefix))
		}
		p.leaf(l, prefix, v)
	}
}

// join makes the dotted path of a value, no longer than names are.
func join(prefix, key string) string {
	if prefix != "" {
		key = prefix + "." + key
	}
	return key[:min(len(key), maxPath)]
}

// picker checks the keys of a kind that reads JSON: one path for a sensor of
// one field, or the fields with a path each.
func (c *checker) picker(json string, fields map[string]string, unit string, units map[string]string) *picker {
	p := &picker{units: make(map[string]string)}
	if json != "" {
		p.wants = c.want(p.wants, "json", "", json)
		p.units[""] = c.unit("unit", unit)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		c.field("fields", name)
		p.wants = c.want(p.wants, "fields", name, fields[name])
	}
	maps.Copy(p.units, c.units(units, p.names()))
	return p
}

func (c *checker) want(wants []want, key, name, source string) []want {
	path, err := parsePath(source)
	if err != nil {
		c.fail(key, "%s", err)
	}
	return append(wants, want{name, source, path})
}
