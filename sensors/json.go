package sensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"pipit/agent"
	"pipit/agent/jsonpath"
)

const maxSteps = 16 // levels of objects that become fields

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
	path         jsonpath.Path
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
		if leaf, err := w.path.In(v); err == nil {
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
	return key[:min(len(key), jsonpath.MaxPath)]
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
	path, err := jsonpath.Parse(source)
	if err != nil {
		c.fail(key, "%s", err)
	}
	return append(wants, want{name, source, path})
}
