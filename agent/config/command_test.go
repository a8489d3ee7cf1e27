package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// fakeProgram knows a program that others may change, and one that is not there.
func fakeProgram(path string) error {
	switch path {
	case "/opt/loose":
		return errors.New("/opt/loose may be changed by others (mode 0777), so nothing there is run: run chmod go-w /opt/loose")
	case "/opt/none":
		return &agent.MissingError{Reason: "there is no /opt/none"}
	}
	return nil
}

func TestCommands(t *testing.T) {
	c := mustLoad(t, `
[command.wake-up]
run = ["/usr/bin/x"]
[command.copy]
run = ["/usr/bin/copy", "-n", "{count}", "--to={target}", "{dry}:{note_x}", "{}", "{ x }"]
help = "copy things."
role = "owner"
confirm = true
timeout = "1h"
output = "64kB"
arg.target = { type = "choice", choices = ["usb", "nas"], help = "where to" }
arg.count = { type = "number", min = 1, max = 9.5, default = 2 }
[command.copy.arg.dry]
type = "bool"
default = false
[command.copy.arg.note_x]
required = false
help = "what for"
[command.ask]
run = ["/usr/bin/x"]
confirm = true
`, built{})
	if len(c.Commands) != 3 {
		t.Fatalf("%d commands", len(c.Commands))
	}
	wake, copies := c.Commands[0], c.Commands[1]
	if wake.Needs != agent.Operator || wake.Timeout != 10*time.Second || wake.Output != 4000 || wake.Confirm != agent.ConfirmNone || wake.Help == "" {
		t.Errorf("defaults: %+v", wake)
	}
	if c.Commands[2].Confirm != agent.ConfirmAsk {
		t.Errorf("confirm = true: %v", c.Commands[2].Confirm)
	}
	if copies.Needs != agent.Owner || copies.Timeout != time.Hour || copies.Output != 64000 || copies.Confirm != agent.ConfirmAsk || copies.Help != "copy things" {
		t.Errorf("got %+v", copies)
	}
	if got := copies.Params[0].Choices(); !slices.Equal(got, []string{"usb", "nas"}) {
		t.Errorf("choices %q", got)
	}
	for i := range copies.Params {
		copies.Params[i].Choices = nil
	}
	want := []agent.Param{
		{Name: "target", Label: "Target", Help: "where to", Kind: agent.ParamChoice, Required: true},
		{Name: "count", Label: "Count", Kind: agent.ParamNumber, Default: "2", Min: 1, Max: 9.5},
		{Name: "dry", Label: "Dry", Kind: agent.ParamBool, Default: "false"},
		{Name: "note_x", Label: "Note x", Help: "what for", Rest: true},
	}
	if d := cmp.Diff(want, copies.Params); d != "" {
		t.Error(d)
	}
}

// A program that is not there may come with a disk: the agent starts.
func TestCommandMissing(t *testing.T) {
	c := mustLoad(t, "\n[command.x]\nrun = [\"/opt/none\"]\n", built{})
	if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasSuffix(w, "3: command.x.run: there is no /opt/none") }) {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

func TestCommandBounds(t *testing.T) {
	var commands, args strings.Builder
	run := `run = ["/usr/bin/x"`
	for i := range maxCommands + 1 {
		fmt.Fprintf(&commands, "[command.x%d]\nrun = [\"/usr/bin/x\"]\n", i)
	}
	for i := range maxCommandArgs + 1 {
		run += fmt.Sprintf(`, "{a%d}"`, i)
		fmt.Fprintf(&args, "arg.a%d = {}\n", i)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"commands": {commands.String(), "1: command: there are 65 commands, at most 64 are possible"},
		"args":     {"[command.x]\n" + run + "]\n" + args.String(), "3: command.x.arg: there are 17 arguments, at most 16 are possible"},
		"words":    {"[command.x]\nrun = [\"/usr/bin/x\"" + strings.Repeat(`, "a"`, maxRunWords) + "]\n", "2: command.x.run: there are 65 words, at most 64 are possible"},
		"word":     {"[command.x]\nrun = [\"/usr/bin/x\", \"" + strings.Repeat("a", maxRunWord+1) + "\"]\n", "2: command.x.run: a word is longer than 4096 bytes or holds a NUL"},
		"choices": {"[command.x]\nrun = [\"/usr/bin/x\", \"{a}\"]\narg.a = { type = \"choice\", choices = [] }\n",
			"3: command.x.arg.a.choices: 1 to 64 of them are possible"},
	} {
		_, err := loadText(t, tt.text, built{})
		ps, ok := errors.AsType[Problems](err)
		if !ok {
			t.Errorf("%s: got %v", name, err)
		} else if got := strings.TrimPrefix(ps.Error(), ps[0].File+":"); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", name, got, tt.want)
		}
	}
}
