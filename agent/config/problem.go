package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"

	"pipit/agent"
)

// maxText is the longest text of a Problem in bytes: a huge value in the file
// does not become a huge message.
const maxText = 600

// A Problem is one thing that is wrong in the file.
type Problem struct {
	File string
	Line int    // from 1 to the number of lines
	Key  string // as it is written in TOML, "" for a syntax error
	Text string // for people: lower case, no period
}

// String writes FILE:LINE: key: text.
func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Key, p.Text)
}

// Problems are all that is wrong in a file, in the order of its lines.
type Problems []Problem

// Error writes one problem on each line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return ps
}

// A report collects what is found in one file.
type report struct {
	file     string
	index    *node
	problems Problems
	warnings Problems
}

func (r *report) fail(path []string, format string, args ...any) {
	r.problems = append(r.problems, r.problem(path, format, args...))
}

func (r *report) warn(path []string, format string, args ...any) {
	r.warnings = append(r.warnings, r.problem(path, format, args...))
}

func (r *report) problem(path []string, format string, args ...any) Problem {
	return Problem{r.file, r.index.line(path), clip(toml.Key(path).String()), clip(fmt.Sprintf(format, args...))}
}

// failed tells whether there already is a problem at this key.
func (r *report) failed(path []string) bool {
	key := clip(toml.Key(path).String())
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Key == key })
}

// clip keeps a message short and on one line.
func clip(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + " ..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// options ends a message about a word that is not one of the allowed ones.
func options(word string, allowed []string) string {
	near := ""
	if n := agent.Nearest(word, allowed); n != "" {
		near = fmt.Sprintf("did you mean %q? ", n)
	}
	return fmt.Sprintf(" (%sallowed: %s)", near, strings.Join(allowed, ", "))
}
