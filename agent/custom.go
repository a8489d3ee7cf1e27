package agent

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// A Custom is a command of the config that runs a program of this board. Its
// Run is nil: package commands makes a Command of it.
type Custom struct {
	Command
	// Argv is the absolute path of the program and its arguments. In each
	// argument {NAME} stands for the parameter of that name.
	Argv    []string
	Timeout time.Duration // the program is stopped then
	Output  int           // bytes of its standard output that are told
}

// maxWord is the longest word of a program, in bytes, with its values.
const maxWord = 16 << 10

// Words returns the words of the program for arguments in normal form. There is
// no shell: a value stays within its word, whatever is in it. A word that names
// a parameter without a value is left out.
//
// A value that would make the program see an option is refused: a word that
// begins with a placeholder must not become one that begins with "-", or who
// may only name a file could also say --delete. A word with a literal start,
// such as "--to={target}", takes any value. The error is a *ParamError.
func (c *Custom) Words(args map[string]string) ([]string, error) {
	words := make([]string, 0, len(c.Argv))
	for i, template := range c.Argv {
		if i == 0 {
			words = append(words, template)
			continue
		}
		word, ok, err := fillIn(template, args)
		if err != nil {
			return nil, err
		}
		if ok {
			words = append(words, word)
		}
	}
	return words, nil
}

// fillIn replaces the placeholders of one word; ok is false when one has no value.
func fillIn(template string, args map[string]string) (word string, ok bool, err error) {
	var b strings.Builder
	first := "" // the parameter that gave the first byte
	rest := template
	for {
		literal, name, after, found := nextPlaceholder(rest)
		b.WriteString(literal)
		if !found {
			break
		}
		value := args[name]
		if value == "" {
			return "", false, nil
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			return "", false, &ParamError{name, "control characters are not allowed"}
		}
		if b.Len() == 0 {
			first = name
		}
		if b.Len()+len(value) > maxWord {
			return "", false, &ParamError{name, "too long for this command"}
		}
		b.WriteString(value)
		rest = after
	}
	word = b.String()
	if first != "" && word[0] == '-' {
		return "", false, &ParamError{first, fmt.Sprintf("%q begins with -, which a program takes for an option", args[first])}
	}
	return word, true, nil
}

// Placeholders returns the names of the placeholders of a word, in order. A
// brace that does not enclose a name of letters, digits and _ is itself.
func Placeholders(word string) (names []string) {
	for {
		_, name, after, found := nextPlaceholder(word)
		if !found {
			return names
		}
		names = append(names, name)
		word = after
	}
}

// nextPlaceholder cuts a word at its first placeholder.
func nextPlaceholder(word string) (literal, name, after string, found bool) {
	for from := 0; ; {
		i := strings.IndexByte(word[from:], '{')
		if i < 0 {
			return word, "", "", false
		}
		open := from + i
		n := len(word[open+1:]) - len(strings.TrimLeftFunc(word[open+1:], nameRune))
		if end := open + 1 + n; n > 0 && end < len(word) && word[end] == '}' {
			return word[:open], word[open+1 : end], word[end+1:], true
		}
		from = open + 1
	}
}

// nameRune takes capitals as well: {Target} is a mistake and not a literal.
func nameRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
