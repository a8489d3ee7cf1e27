package config

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

const (
	maxCommands    = 64
	maxCommandName = 32
	maxRunWords    = 64
	maxRunWord     = 4 << 10 // bytes

	minCommandTime, maxCommandTime = 100 * time.Millisecond, time.Hour
	maxCommandOutput               = 64e3 // bytes
)

const (
	commandLetters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	argLetters     = "abcdefghijklmnopqrstuvwxyz0123456789_"
)

type commandKeys struct {
	Run     []string      `toml:"run"`
	Help    string        `toml:"help"`
	Role    string        `toml:"role"`
	Timeout time.Duration `toml:"timeout"`
	Output  size          `toml:"output"`
}

// commands reads every [command.NAME].
func (l *loader) commands(s section) (list []agent.Custom) {
	names := s.keys()
	if len(names) > maxCommands {
		s.r.fail(s.path, "there are %d commands, at most %d are possible", len(names), maxCommands)
		return nil
	}
	for _, name := range names {
		switch c := s.sub(name, "[command.NAME]"); {
		case c.table == nil: // reported
		case !isName(name, maxCommandName, commandLetters):
			s.fail(name, "a command's name is made of a-z, 0-9 and -, at most %d of them, and begins with a letter", maxCommandName)
		case slices.Contains(l.env.Commands, name):
			s.fail(name, "pipit has a command of this name: choose another")
		default:
			list = append(list, l.command(c, name))
		}
	}
	return list
}

func isName(name string, most int, letters string) bool {
	return name != "" && len(name) <= most && name[0] >= 'a' && name[0] <= 'z' && strings.Trim(name, letters) == ""
}

// command reads one [command.NAME].
func (l *loader) command(s section, name string) agent.Custom {
	keys := commandKeys{Help: "a command of this device", Role: agent.Operator.String(), Timeout: 10 * time.Second, Output: 4e3}
	s.decode(&keys, "confirm", "arg")
	c := agent.Custom{
		Command: agent.Command{Name: name, Help: strings.TrimSuffix(keys.Help, "."), Confirm: s.ask()},
		Argv:    keys.Run, Timeout: keys.Timeout, Output: int(keys.Output),
	}
	c.Needs = s.role("role", keys.Role)
	checkLabel(s, "help", keys.Help)
	s.between("timeout", keys.Timeout, minCommandTime, maxCommandTime)
	if s.given("output") && (keys.Output < 1 || keys.Output > maxCommandOutput) {
		s.fail("output", "is out of range (1B to 64kB)")
	}
	args := s.sub("arg", "[command."+name+".arg.NAME], one for each argument")
	c.Params = args.params()
	l.checkRun(s, keys.Run)
	s.checkPlaceholders(keys.Run, args.keys())
	s.checkWords(&c, args)
	return c
}

// ask reads confirm: false, true or "totp".
func (s section) ask() agent.Confirmation {
	switch v := s.table["confirm"].(type) {
	case nil:
	case bool:
		if v {
			return agent.ConfirmAsk
		}
	case string:
		if v == "totp" {
			return agent.ConfirmTOTP
		}
		s.fail("confirm", "unknown word %q (allowed: true, false, \"totp\")", v)
	default:
		s.fail("confirm", "%s", wants("true, false or \"totp\"", v))
	}
	return agent.ConfirmNone
}

// checkRun checks the words of a program, and who could change it. One that is
// not there may come with a disk that is mounted later.
func (l *loader) checkRun(s section, run []string) {
	if !s.given("run") {
		if !s.has("run") {
			s.r.fail(s.path, "there is no run: write run = [\"/usr/local/bin/backup\", \"--once\"]")
		}
		return
	}
	switch {
	case len(run) == 0:
		s.fail("run", "is empty: it wants the whole path of a program and its arguments")
		return
	case len(run) > maxRunWords:
		s.fail("run", "there are %d words, at most %d are possible", len(run), maxRunWords)
	case slices.ContainsFunc(run, func(w string) bool { return len(w) > maxRunWord || strings.Contains(w, "\x00") }):
		s.fail("run", "a word is longer than %d bytes or holds a NUL", maxRunWord)
	case !path.IsAbs(run[0]):
		s.fail("run", "%q is not a whole path: it must begin with /", run[0])
	case len(agent.Placeholders(run[0])) > 0:
		s.fail("run", "the program itself cannot come from an argument")
	default:
		err := l.env.CheckProgram(run[0])
		var missing *agent.MissingError
		if errors.As(err, &missing) {
			s.warn("run", "%s", err)
		} else if err != nil {
			s.fail("run", "%s", err)
		}
	}
}

// checkPlaceholders reports placeholders without an argument, and arguments
// without a placeholder.
func (s section) checkPlaceholders(run, args []string) {
	if !s.given("run") {
		return
	}
	var used []string
	for _, word := range run[1:] {
		for _, name := range agent.Placeholders(word) {
			if !slices.Contains(args, name) && !slices.Contains(used, name) {
				s.fail("run", "there is no argument %q for {%s}%s", name, name, s.argOptions(name, args))
			}
			used = append(used, name)
		}
	}
	for _, name := range args {
		if at := append(s.at("arg"), name); !slices.Contains(used, name) && !s.r.failed(at) {
			s.r.fail(at, "nothing in run holds {%s}", name)
		}
	}
}

func (s section) argOptions(name string, args []string) string {
	if len(args) == 0 {
		return ": write [command." + s.path[len(s.path)-1] + ".arg." + name + "]"
	}
	return options(name, args)
}

// checkWords reports choices and defaults that the command would refuse.
func (s section) checkWords(c *agent.Custom, args section) {
	for _, p := range c.Params {
		arg := args.sub(p.Name, "")
		check := func(key, value string) {
			if _, err := c.Words(map[string]string{p.Name: value}); err != nil && arg.given(key) {
				arg.fail(key, "%s: write a literal start into run, such as \"--%s={%s}\"", paramText(err), p.Name, p.Name)
			}
		}
		check("default", p.Default)
		if p.Choices != nil {
			for _, choice := range p.Choices() {
				check("choices", choice)
			}
		}
	}
}

// paramText is the text of a *agent.ParamError without the name.
func paramText(err error) string {
	if pe, ok := errors.AsType[*agent.ParamError](err); ok {
		return cmp.Or(pe.Text, err.Error())
	}
	return err.Error()
}
