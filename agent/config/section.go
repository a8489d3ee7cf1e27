package config

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"pipit/agent"
)

// A section is one table of the file with its path.
type section struct {
	r     *report
	path  []string
	table map[string]any // nil when the file does not have it
}

func (s section) at(key string) []string { return append(slices.Clip(s.path), key) }

func (s section) has(key string) bool { _, ok := s.table[key]; return ok }

// given tells whether the file has the key and nothing is wrong with it so far.
func (s section) given(key string) bool { return s.has(key) && !s.r.failed(s.at(key)) }

func (s section) fail(key, format string, args ...any) { s.r.fail(s.at(key), format, args...) }

func (s section) warn(key, format string, args ...any) { s.r.warn(s.at(key), format, args...) }

// failErr reports an error of a sensor's kind, or several joined ones: each at
// the key that it names, else at the table.
func (s section) failErr(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			s.failErr(err)
		}
		return
	}
	var pe *agent.ParamError
	if !errors.As(err, &pe) || pe.Param == "" {
		s.r.fail(s.path, "%s", err)
	} else if !s.r.failed(s.at(pe.Param)) {
		s.fail(pe.Param, "%s", pe.Text)
	}
}

// keys returns the keys of the table in the order of the file.
func (s section) keys() []string {
	here := s.r.index.find(s.path)
	order := func(key string) int {
		if n := here.find([]string{key}); n != nil {
			return n.seq
		}
		return 0
	}
	return slices.SortedFunc(maps.Keys(s.table), func(a, b string) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a, b))
	})
}

// sub returns a table below this one, empty when the file does not have it.
// Anything but a table is a problem; write says how to write it.
func (s section) sub(key, write string) section {
	table, ok := s.table[key].(map[string]any)
	if !ok && s.given(key) {
		s.fail(key, "wants a table, has %s: write %s", typeName(s.table[key]), write)
	}
	return section{s.r, s.at(key), table}
}

// onlyKeys reports the keys that are not allowed.
func (s section) onlyKeys(allowed []string) {
	for _, key := range s.keys() {
		if !slices.Contains(allowed, key) {
			s.fail(key, "unknown key%s", options(key, allowed))
		}
	}
}

// oneOf reports a word that is not allowed.
func (s section) oneOf(key, word string, allowed ...string) {
	if s.given(key) && !slices.Contains(allowed, word) {
		s.fail(key, "unknown word %q%s", word, options(word, allowed))
	}
}
