package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// A Change gives a key of a table a new value.
type Change struct {
	Table []string // {"people"}, {"sensor", "board"}; at least one name
	Key   string
	Value string // as TOML writes it: "\"text\"", "true", "[1, 2]"; one line, no comment
}

// String writes the change as lines of TOML.
func (c Change) String() string {
	return "[" + toml.Key(c.Table).String() + "]\n" + c.line()
}

func (c Change) line() string { return toml.Key{c.Key}.String() + " = " + c.Value }

// A ByHandError says that a file is written in a way that Edit does not touch.
type ByHandError struct {
	Line   int    // where that is, from 1
	Text   string // what is in the way
	Change Change // to be made by hand
}

func (e *ByHandError) Error() string {
	return fmt.Sprintf("line %d: %s, which is not changed by a program: change it by hand so that it says\n%s", e.Line, e.Text, e.Change)
}

// Edit makes changes in the text of a config, one after the other, and leaves
// every other byte as it is: comments, blank lines, order, line ends. A key that
// has the value already is not touched, one that is there gets its value
// replaced, and another is added to the end of its table, which is made at the
// end of the file if there is none.
//
// The result holds exactly what the text held, with the changes: that is
// verified. The error is a *ByHandError where that cannot be done, and else says
// what is wrong with the text or a change. Whether the result is a good config is
// for Load to say.
func Edit(text []byte, changes []Change) ([]byte, error) {
	edited := string(text)
	for _, c := range changes {
		var err error
		if edited, err = edit(edited, c); err != nil {
			return nil, err
		}
	}
	return []byte(edited), nil
}

func edit(text string, c Change) (string, error) {
	value, err := c.decode()
	if err != nil {
		return "", err
	}
	tables, _, problem := parse("the config", text)
	if problem != nil {
		return "", errors.New(problem.String())
	}
	path := append(append([]string{}, c.Table...), c.Key)
	if old, ok := lookup(tables, path); ok && reflect.DeepEqual(old, value) {
		return text, nil
	}
	l, err := layOut(text)
	if err != nil {
		return "", err
	}
	edited, err := l.apply(c)
	if err != nil {
		return "", err
	}
	after, _, problem := parse("the config", edited)
	if problem != nil || !assignPath(tables, path, value) || !reflect.DeepEqual(after, tables) {
		return "", &ByHandError{Line: l.root.line(path), Text: "there is something unusual", Change: c}
	}
	return edited, nil
}

// decode returns the value of a change, and refuses what is more than a value.
func (c Change) decode() (any, error) {
	var table map[string]any
	bad := len(c.Table) == 0 || strings.ContainsAny(c.Value, "\r\n")
	if !bad && decodeTOML("v = "+c.Value, &table) == nil && len(table) == 1 {
		s := &scanner{text: c.Value, line: 1}
		if s.value(&node{}, 0) == nil && strings.TrimSpace(s.text) == "" {
			return table["v"], nil
		}
	}
	return nil, fmt.Errorf("%s: this is no value of TOML", toml.Key(append(append([]string{}, c.Table...), c.Key)))
}

// lookup returns what stands at a path.
func lookup(table map[string]any, path []string) (any, bool) {
	for _, part := range path[:len(path)-1] {
		next, ok := table[part].(map[string]any)
		if !ok {
			return nil, false
		}
		table = next
	}
	v, ok := table[path[len(path)-1]]
	return v, ok
}

// assignPath sets what stands at a path, and tells whether all above it are tables.
func assignPath(table map[string]any, path []string, value any) bool {
	for _, part := range path[:len(path)-1] {
		if _, ok := table[part]; !ok {
			table[part] = map[string]any{}
		}
		next, ok := table[part].(map[string]any)
		if !ok {
			return false
		}
		table = next
	}
	table[path[len(path)-1]] = value
	return true
}
