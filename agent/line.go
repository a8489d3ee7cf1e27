package agent

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// An UnknownError says that a line starts with no command.
type UnknownError struct {
	Word string // as it was written
	Near string // a command that may have been meant, ""
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("%s %q", ErrUnknown, e.Word)
	if e.Near != "" {
		s += fmt.Sprintf(", did you mean %q?", e.Near)
	}
	return s
}

func (e *UnknownError) Unwrap() error { return ErrUnknown }

// ParseLine reads a command line: a verb, in any case and with an optional ! or /
// before it, and its arguments. Words go to the parameters in order, a
// parameter with Rest takes all that are left, and key=value names a parameter.
// Double quotes, straight or typographic, hold a value with spaces together.
//
// The error is an *UnknownError for a verb that is not in cmds and is an
// *ParamError otherwise; name is set as soon as the command is known. The
// values are not checked: that is left to Agent.Do.
func ParseLine(line string, cmds []Command) (name string, args map[string]string, err error) {
	line = strings.TrimFunc(line, blank)
	if line != "" && (line[0] == '!' || line[0] == '/') {
		line = strings.TrimLeftFunc(line[1:], blank)
	}
	first := firstWord(line)
	word := strings.TrimFunc(first, blank)
	verb := strings.ToLower(word)
	i := slices.IndexFunc(cmds, func(c Command) bool { return c.Name == verb })
	if i < 0 {
		return "", nil, &UnknownError{word, Nearest(verb, commandNames(cmds))}
	}
	words, err := splitLine(line[len(first):])
	if err == nil {
		args, err = assignWords(cmds[i].Params, words)
	}
	return cmds[i].Name, args, err
}

func commandNames(cmds []Command) []string {
	list := make([]string, len(cmds))
	for i, c := range cmds {
		list[i] = c.Name
	}
	return list
}

// blank tells white space and what nobody sees.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

func firstWord(line string) string {
	if i := strings.IndexFunc(line, unicode.IsSpace); i >= 0 {
		return line[:i]
	}
	return line
}

// A lineWord is a word of a line. The first bare bytes of its text stood outside quotes.
type lineWord struct {
	text string
	bare int
}

// splitLine cuts a line into words.
func splitLine(line string) ([]lineWord, error) {
	var words []lineWord
	var text strings.Builder
	inWord, quoted, bare := false, false, -1
	end := func() {
		if bare < 0 {
			bare = text.Len()
		}
		if inWord {
			words = append(words, lineWord{text.String(), bare})
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
		return nil, &ParamError{Text: "a quote is not closed"}
	}
	end()
	return words, nil
}

// assignWords maps words to parameters.
func assignWords(params []Param, words []lineWord) (map[string]string, error) {
	args := make(map[string]string)
	next := 0
	for i, w := range words {
		if name, value, ok := namedWord(params, w); ok {
			if _, twice := args[name]; twice {
				return nil, &ParamError{Param: name, Text: "given twice"}
			}
			args[name] = value
			continue
		}
		for next < len(params) && hasArg(args, params[next].Name) {
			next++
		}
		if next == len(params) {
			return nil, &ParamError{Text: fmt.Sprintf("%q is one word too many", cut(w.text, 40))}
		}
		if params[next].Rest {
			args[params[next].Name] = joinWords(words[i:])
			break
		}
		args[params[next].Name] = w.text
	}
	return args, nil
}

// namedWord reads a word of the form key=value where the key is a parameter.
func namedWord(params []Param, w lineWord) (name, value string, ok bool) {
	key, value, ok := strings.Cut(w.text, "=")
	if !ok || len(key) >= w.bare {
		return "", "", false
	}
	key = strings.ToLower(key)
	ok = slices.ContainsFunc(params, func(p Param) bool { return p.Name == key })
	return key, value, ok
}

func hasArg(args map[string]string, name string) bool {
	_, ok := args[name]
	return ok
}

func joinWords(words []lineWord) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return strings.Join(texts, " ")
}
