package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"pipit/agent"
)

// An unknownError says that a line starts with no command.
type unknownError struct{ word, near string }

func (e *unknownError) Error() string {
	s := fmt.Sprintf("%s %q", agent.ErrUnknown, e.word)
	if e.near != "" {
		s += fmt.Sprintf(", did you mean %q?", e.near)
	}
	return s
}

func (e *unknownError) Unwrap() error { return agent.ErrUnknown }

// Parse reads a command line: a verb, in any case and with an optional ! or /
// before it, and its arguments. Words go to the parameters in order, a
// parameter with Rest takes all that are left, and key=value names a parameter.
// Double quotes, straight or typographic, hold a value with spaces together.
//
// The error wraps agent.ErrUnknown for a verb that is not in cmds and is an
// *agent.ParamError otherwise; name is set as soon as the command is known. The
// values are not checked: that is left to agent.Agent.Do.
func Parse(line string, cmds []agent.Command) (name string, args map[string]string, err error) {
	line = strings.TrimFunc(line, blank)
	if line != "" && (line[0] == '!' || line[0] == '/') {
		line = strings.TrimLeftFunc(line[1:], blank)
	}
	first := firstWord(line)
	word := strings.TrimFunc(first, blank)
	verb := strings.ToLower(word)
	i := slices.IndexFunc(cmds, func(c agent.Command) bool { return c.Name == verb })
	if i < 0 {
		return "", nil, &unknownError{word, agent.Nearest(verb, names(cmds))}
	}
	words, err := split(line[len(first):])
	if err == nil {
		args, err = assign(cmds[i].Params, words)
	}
	return cmds[i].Name, args, err
}

func names(cmds []agent.Command) []string {
	list := make([]string, len(cmds))
	for i, c := range cmds {
		list[i] = c.Name
	}
	return list
}

func firstWord(line string) string {
	if i := strings.IndexFunc(line, unicode.IsSpace); i >= 0 {
		return line[:i]
	}
	return line
}

// A word of a line. The first bare bytes of its text stood outside quotes.
type word struct {
	text string
	bare int
}

// split cuts a line into words.
func split(line string) ([]word, error) {
	var words []word
	var text strings.Builder
	inWord, quoted, bare := false, false, -1
	end := func() {
		if bare < 0 {
			bare = text.Len()
		}
		if inWord {
			words = append(words, word{text.String(), bare})
		}
		text.Reset()
		inWord, bare = false, -1
	}
	for _, c := range line {
		switch {
		case strings.ContainsRune(`"“”„`, c):
			if bare < 0 {
				bare = text.Len()
			}
			inWord, quoted = true, !quoted
		case !quoted && unicode.IsSpace(c):
			end()
		case !quoted && blank(c): // invisible
		default:
			inWord = true
			text.WriteRune(c)
		}
	}
	if quoted {
		return nil, &agent.ParamError{Text: "a quote is not closed"}
	}
	end()
	return words, nil
}

// assign maps words to parameters.
func assign(params []agent.Param, words []word) (map[string]string, error) {
	args := make(map[string]string)
	next := 0
	for i, w := range words {
		if name, value, ok := named(params, w); ok {
			if _, twice := args[name]; twice {
				return nil, &agent.ParamError{Param: name, Text: "given twice"}
			}
			args[name] = value
			continue
		}
		for next < len(params) && has(args, params[next].Name) {
			next++
		}
		if next == len(params) {
			return nil, &agent.ParamError{Text: fmt.Sprintf("%q is one word too many", clip(w.text, 40))}
		}
		if params[next].Rest {
			args[params[next].Name] = join(words[i:])
			break
		}
		args[params[next].Name] = w.text
	}
	return args, nil
}

// named reads a word of the form key=value where the key is a parameter.
func named(params []agent.Param, w word) (name, value string, ok bool) {
	key, value, ok := strings.Cut(w.text, "=")
	if !ok || len(key) >= w.bare {
		return "", "", false
	}
	key = strings.ToLower(key)
	ok = slices.ContainsFunc(params, func(p agent.Param) bool { return p.Name == key })
	return key, value, ok
}

func has(args map[string]string, name string) bool {
	_, ok := args[name]
	return ok
}

func join(words []word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return strings.Join(texts, " ")
}
