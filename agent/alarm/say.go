package alarm

import (
	"fmt"
	"strings"

	"pipit/agent"
)

// Values are what the placeholders of a text stand for.
type Values struct{ Value, Unit, Name, Time, Since, Rule, Level string }

// placeholders in the order that an error has them.
var placeholders = []struct {
	name string
	of   func(*Values) string
}{
	{"value", func(v *Values) string { return v.Value }},
	{"unit", func(v *Values) string { return v.Unit }},
	{"name", func(v *Values) string { return v.Name }},
	{"time", func(v *Values) string { return v.Time }},
	{"since", func(v *Values) string { return v.Since }},
	{"rule", func(v *Values) string { return v.Rule }},
	{"level", func(v *Values) string { return v.Level }},
}

// CheckSay tells what is wrong with a text: {value}, {unit}, {name}, {time},
// {since}, {rule} and {level} are placeholders, {{ and }} are braces.
func CheckSay(template string) error {
	_, err := fill(template, &Values{})
	return err
}

// Say fills in a text that CheckSay found right. It is cut to agent.MaxText bytes.
func Say(template string, v Values) string {
	text, _ := fill(template, &v)
	return strings.ToValidUTF8(text[:min(len(text), agent.MaxText)], "")
}

func fill(template string, v *Values) (string, error) {
	var b strings.Builder
	for rest := template; ; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			b.WriteString(rest)
			return b.String(), nil
		}
		b.WriteString(rest[:i])
		brace := rest[i]
		rest = rest[i+1:]
		if rest != "" && rest[0] == brace {
			b.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		name, after, ok := strings.Cut(rest, "}")
		if brace == '}' || !ok {
			return b.String(), fmt.Errorf("a %c stands alone: write %c%c for a brace", brace, brace, brace)
		}
		text, err := placeholder(name, v)
		if err != nil {
			return b.String(), err
		}
		b.WriteString(text)
		rest = after
	}
}

func placeholder(name string, v *Values) (string, error) {
	var names []string
	for _, p := range placeholders {
		if p.name == name {
			return p.of(v), nil
		}
		names = append(names, "{"+p.name+"}")
	}
	return "", fmt.Errorf("unknown placeholder {%.40s} (allowed: %s)", name, strings.Join(names, ", "))
}
