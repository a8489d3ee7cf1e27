// Package jsonpath finds one value in a JSON text, by a path such as main.temp,
// sensors[0].value or "key with a dot.".x. Sensors that ask programs and web
// services use it, and the imports of the MQTT link.
package jsonpath

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	MaxPath  = 256 // bytes of a path
	maxSteps = 16  // of a path
	maxDepth = 32  // of objects and lists in a text
	maxKeys  = 8   // told of an object where the key is not
)

// A Path leads to one value of a JSON text.
type Path []step

// A step goes from a value to one in it: by a key of an object, or by a place of
// a list.
type step struct {
	key   string
	index int // -1: by key
}

func (s step) String() string {
	if s.index >= 0 {
		return fmt.Sprintf("[%d]", s.index)
	}
	return strconv.Quote(s.key)
}

// Parse reads a path of 1 to 256 bytes and at most 16 steps: keys joined by
// dots, places of lists from 0 in brackets, and a key with other signs in double
// quotes: "a b".c, or in brackets as well: ["a b"].c.
func Parse(s string) (Path, error) {
	if s == "" || len(s) > MaxPath || !utf8.ValidString(s) {
		return nil, fmt.Errorf("a path has 1 to %d bytes, such as \"main.temp\" or \"sensors[0].value\"", MaxPath)
	}
	var p Path
	for rest := s; rest != ""; {
		step, after, err := nextStep(rest, len(p) == 0)
		if err != nil {
			return nil, fmt.Errorf("%.60q: %w at %.60q", s, err, rest)
		}
		if p = append(p, step); len(p) > maxSteps {
			return nil, fmt.Errorf("%.60q has more than %d steps", s, maxSteps)
		}
		rest = after
	}
	return p, nil
}

func nextStep(s string, first bool) (_ step, rest string, err error) {
	if s[0] == '[' {
		return bracketStep(s[1:])
	}
	if !first {
		if s[0] != '.' {
			return step{}, "", errors.New("a dot or [ is needed")
		}
		s = s[1:]
	}
	if key, rest, ok := cutQuoted(s); ok {
		return step{key, -1}, rest, nil
	}
	end := strings.IndexAny(s, ".[]")
	if end < 0 {
		end = len(s)
	}
	switch {
	case end == 0:
		return step{}, "", errors.New("a key is needed")
	case !bare(s[:end]):
		return step{}, "", errors.New("the key needs double quotes")
	}
	return step{s[:end], -1}, s[end:], nil
}

// bracketStep reads what stands behind [: a number, or a key in quotes.
func bracketStep(s string) (_ step, rest string, err error) {
	if key, rest, ok := cutQuoted(s); ok {
		rest, ok := strings.CutPrefix(rest, "]")
		if !ok {
			return step{}, "", errors.New("a ] is needed")
		}
		return step{key, -1}, rest, nil
	}
	digits, rest, ok := strings.Cut(s, "]")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil {
		return step{}, "", errors.New("a number or a key in double quotes, and ], are needed")
	}
	return step{"", int(n)}, rest, nil
}

func cutQuoted(s string) (key, rest string, ok bool) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil || quoted[0] != '"' {
		return "", "", false
	}
	key, err = strconv.Unquote(quoted)
	return key, s[len(quoted):], err == nil
}

// bare tells whether a key can stand in a path without quotes.
func bare(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return strings.ContainsRune(`"\`, r) || !unicode.IsPrint(r)
	})
}

// Decode reads a whole JSON text of at most 32 levels; numbers become
// json.Number. The caller bounds its size.
func Decode(data []byte) (any, error) {
	if !utf8.Valid(data) || !json.Valid(data) { // the whole text, with nothing behind the value
		return nil, fmt.Errorf("%.40q is not JSON", data)
	}
	if tooDeep(data) {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// tooDeep counts the brackets of valid JSON.
func tooDeep(data []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// In returns the value of a decoded text that the path leads to. The error is for
// people, of bounded length, and tells what is there instead.
func (p Path) In(v any) (any, error) {
	for i, s := range p {
		next, err := s.into(v, p[:i])
		if err != nil {
			return nil, err
		}
		v = next
	}
	return v, nil
}

// Leaf is In for a path that has to lead to a text, a json.Number, a bool or nil.
func (p Path) Leaf(v any) (any, error) {
	leaf, err := p.In(v)
	switch leaf.(type) {
	case map[string]any, []any:
		return nil, fmt.Errorf("%s is %s: the path has to go on to a value in it", p, kind(leaf))
	}
	return leaf, err
}

func (s step) into(v any, way Path) (any, error) {
	if s.index >= 0 {
		list, ok := v.([]any)
		switch {
		case !ok:
			return nil, fmt.Errorf("%s is %s, not a list", way, kind(v))
		case s.index >= len(list):
			return nil, fmt.Errorf("there is no %s in %s (it has %d)", s, way, len(list))
		}
		return list[s.index], nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is %s, not an object", way, kind(v))
	}
	next, ok := object[s.key]
	if !ok {
		return nil, fmt.Errorf("there is no %s (%s)", s, keys(object))
	}
	return next, nil
}

// String writes the way to a value for people.
func (p Path) String() string {
	if len(p) == 0 {
		return "the text"
	}
	var b strings.Builder
	for i, s := range p {
		if i > 0 && s.index < 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.String())
	}
	return b.String()
}

// keys tells what an object has, as it would be written in a path.
func keys(object map[string]any) string {
	if len(object) == 0 {
		return "there is nothing"
	}
	list := slices.Sorted(maps.Keys(object))
	more := ""
	if len(list) > maxKeys {
		more = fmt.Sprintf(" and %d more", len(list)-maxKeys)
		list = list[:maxKeys]
	}
	for i, k := range list {
		if !bare(k) || strings.ContainsAny(k, ".[] ") || len(k) > 40 {
			list[i] = fmt.Sprintf("%.40q", k)
		}
	}
	return "there are: " + strings.Join(list, ", ") + more
}

// kind names what a value is.
func kind(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a text"
	case nil:
		return "null"
	case bool:
		return "true or false"
	}
	return "a number"
}
