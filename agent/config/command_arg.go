package config

import (
	"slices"
	"strings"
	"unicode"

	"pipit/agent"
)

const (
	maxCommandArgs = 16
	maxArgName     = 32
	maxArgChoices  = 64
	maxArgChoice   = 64 // bytes
)

type argKeys struct {
	Type     string   `toml:"type"`
	Help     string   `toml:"help"`
	Choices  []string `toml:"choices"`
	Min      *float64 `toml:"min"`
	Max      *float64 `toml:"max"`
	Required bool     `toml:"required"`
}

var argTypes = []struct {
	name string
	kind agent.ParamKind
}{{"text", agent.ParamText}, {"number", agent.ParamNumber}, {"bool", agent.ParamBool}, {"choice", agent.ParamChoice}}

// params reads every [command.NAME.arg.ARG], in the order of the file. In a
// chat line the last one takes all the words that are left if it is a text.
func (s section) params() (list []agent.Param) {
	names := s.keys()
	if len(names) > maxCommandArgs {
		s.r.fail(s.path, "there are %d arguments, at most %d are possible", len(names), maxCommandArgs)
		return nil
	}
	for i, name := range names {
		arg := s.sub(name, tableHeader(s.at(name)))
		switch {
		case arg.table == nil: // reported
		case !isName(name, maxArgName, argLetters):
			s.fail(name, "an argument's name is made of a-z, 0-9 and _, at most %d of them, and begins with a letter", maxArgName)
		default:
			p := arg.param(name)
			p.Rest = i == len(names)-1 && p.Kind == agent.ParamText
			list = append(list, p)
		}
	}
	return list
}

// param reads one argument.
func (s section) param(name string) agent.Param {
	before := len(s.r.problems)
	keys := argKeys{Type: "text", Required: !s.has("default")}
	s.decode(&keys, "default")
	p := agent.Param{Name: name, Label: label(name), Help: keys.Help, Required: keys.Required}
	var types []string
	for _, t := range argTypes {
		if types = append(types, t.name); t.name == keys.Type {
			p.Kind = t.kind
		}
	}
	s.oneOf("type", keys.Type, types...)
	if keys.Help != "" {
		checkLabel(s, "help", keys.Help)
	}
	s.argRange(&p, keys)
	s.argChoices(&p, keys)
	if len(s.r.problems) == before { // else it cannot be checked
		s.argDefault(&p)
	}
	if s.has("default") && s.given("required") && keys.Required {
		s.fail("required", "it has a default, so it may be left out")
	}
	return p
}

// label writes a name for people: "disk_name" is "Disk name".
func label(name string) string {
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "_", " ")
}

func (s section) argRange(p *agent.Param, keys argKeys) {
	for _, key := range []string{"min", "max"} {
		if s.given(key) && p.Kind != agent.ParamNumber {
			s.fail(key, "it is for type = \"number\"")
		}
	}
	switch {
	case !s.given("min") && !s.given("max") || p.Kind != agent.ParamNumber:
	case s.has("min") != s.has("max"):
		s.r.fail(s.path, "min and max belong together")
	case keys.Min == nil || keys.Max == nil: // reported
	case *keys.Min >= *keys.Max:
		s.fail("min", "%s is not below max, which is %s", agent.Number(*keys.Min), agent.Number(*keys.Max))
	default:
		p.Min, p.Max = *keys.Min, *keys.Max
	}
}

func (s section) argChoices(p *agent.Param, keys argKeys) {
	if p.Kind != agent.ParamChoice {
		if s.given("choices") {
			s.fail("choices", "they are for type = \"choice\"")
		}
		return
	}
	p.Choices = func() []string { return keys.Choices }
	switch {
	case !s.has("choices"):
		s.r.fail(s.path, "there are no choices: write choices = [\"usb\", \"nas\"]")
		return
	case !s.given("choices"):
		return
	case len(keys.Choices) == 0 || len(keys.Choices) > maxArgChoices:
		s.fail("choices", "1 to %d of them are possible", maxArgChoices)
	}
	for i, c := range keys.Choices {
		switch {
		case c == "" || len(c) > maxArgChoice || strings.ContainsFunc(c, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
			s.fail("choices", "%q is not one word of at most %d bytes", c, maxArgChoice)
		case slices.Contains(keys.Choices[:i], c):
			s.fail("choices", "%q stands there twice", c)
		}
	}
}

// argDefault reads default, written as a text or as a value of its type.
func (s section) argDefault(p *agent.Param) {
	var text string
	switch v := s.table["default"].(type) {
	case nil:
		return
	case string:
		text = v
	case bool:
		text = agent.Bool(v).String()
	case int64:
		text = agent.Number(float64(v)).String()
	case float64:
		text = agent.Number(v).String()
	default:
		s.fail("default", "%s", wants("a text, a number or true or false", v))
		return
	}
	value, err := p.Check(text)
	if err != nil {
		s.fail("default", "%s", paramText(err))
	} else if value == "" {
		s.fail("default", "is empty: write required = false instead")
	}
	p.Default = value
}
