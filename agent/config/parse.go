package config

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// parse reads the text of a config as tables and finds the line of each key.
// A syntax error is the only problem then: what follows it means nothing.
func parse(file, text string) (map[string]any, *node, *Problem) {
	if i := invalidUTF8(text); i >= 0 {
		return nil, nil, &Problem{File: file, Line: 1 + strings.Count(text[:i], "\n"), Text: "this is not UTF-8 text"}
	}
	root, line, err := newIndex(text)
	if err != nil && err != errMalformed {
		return nil, nil, &Problem{File: file, Line: line, Text: err.Error()}
	}
	var table map[string]any
	if err := decodeTOML(text, &table); err != nil {
		p := syntaxProblem(err)
		p.File, p.Line = file, max(1, min(p.Line, 1+strings.Count(text, "\n")))
		return nil, nil, &p
	}
	return table, root, nil
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			return i
		}
	}
	return -1
}

// syntaxProblem keeps the toml module's message, except that a message may
// quote the value, which must not happen to a password.
func syntaxProblem(err error) Problem {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return Problem{Text: clip(err.Error())}
	}
	text := pe.Message
	if strings.Contains(strings.ToLower(pe.LastKey), "pass") && !strings.HasPrefix(text, "Key '") {
		text = "this value is not TOML: write it between quotes"
	}
	return Problem{Line: pe.Position.Line, Text: clip(text)}
}

// decodeTOML is toml.Decode without its panics: the parser has a few that say
// BUG, and a config file must not be able to stop the program.
func decodeTOML(text string, into any) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the TOML parser gave up on this file")
		}
	}()
	_, err = toml.Decode(text, into)
	return err
}
