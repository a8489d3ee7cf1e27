package commands

import (
	"context"
	"fmt"
	"strings"

	"pipit/agent"
)

func (d *Device) help() agent.Command {
	return agent.Command{
		Name:  "help",
		Help:  "the commands you may use, or the arguments of one",
		Needs: agent.Viewer,
		// A text and not a choice: the choices would be the same for
		// everybody, and names of commands must not leak.
		Params: []agent.Param{{Name: "command", Label: "Command", Help: "name of the command to explain"}},
		Run:    d.runHelp,
	}
}

func (d *Device) runHelp(_ context.Context, req agent.Request) (agent.Answer, error) {
	if name := strings.ToLower(req.Args["command"]); name != "" {
		return d.explain(req, name)
	}
	ans := agent.Answer{
		Text:    fmt.Sprintf("Commands of %s; \"help NAME\" explains one.", d.Agent.Name),
		Columns: []string{"Command", "What it does"},
	}
	if jid := d.FullJID(); jid != "" {
		ans.Text += "\nAs forms (ad-hoc commands) they are at " + jid + "."
	}
	for _, c := range d.Agent.CommandsFor(req.From, req.Via) {
		ans.Rows = append(ans.Rows, []string{usage(c), c.Help})
	}
	return ans, nil
}

func (d *Device) explain(req agent.Request, name string) (agent.Answer, error) {
	c, ok := d.Agent.Command(req.From, req.Via, name)
	if !ok {
		var names []string
		for _, c := range d.Agent.CommandsFor(req.From, req.Via) {
			names = append(names, c.Name)
		}
		text := fmt.Sprintf("there is no command %q", name)
		if near := agent.Nearest(name, names); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		return agent.Answer{}, &agent.ParamError{Param: "command", Text: text}
	}
	lines := []string{usage(c) + ": " + c.Help + "."}
	for _, p := range c.Params {
		lines = append(lines, explainParam(p))
	}
	return agent.Answer{Text: strings.Join(lines, "\n")}, nil
}

// usage writes a command with its arguments: read [name ...].
func usage(c agent.Command) string {
	s := c.Name
	for _, p := range c.Params {
		name := p.Name
		if p.Rest {
			name += " ..."
		}
		if p.Required {
			s += " <" + name + ">"
		} else {
			s += " [" + name + "]"
		}
	}
	return s
}

func explainParam(p agent.Param) string {
	s := p.Name + ": "
	if p.Help != "" {
		s += p.Help + "; "
	}
	s += allowed(p)
	if p.Default != "" {
		s += "; default " + p.Default
	}
	if !p.Required {
		s += "; may be left out"
	}
	return s + "."
}

// maxListed is how many choices help writes out.
const maxListed = 20

// allowed says what values a parameter takes.
func allowed(p agent.Param) string {
	switch p.Kind {
	case agent.ParamNumber:
		if p.Min < p.Max {
			return fmt.Sprintf("a number from %s to %s", agent.Number(p.Min), agent.Number(p.Max))
		}
		return "a number"
	case agent.ParamBool:
		return "on or off"
	case agent.ParamChoice:
		return "one of " + choices(p)
	case agent.ParamChoices:
		return "any of " + choices(p)
	}
	return "a text of one line"
}

func choices(p agent.Param) string {
	list := p.Choices()
	if len(list) == 0 {
		return "nothing yet"
	}
	s := strings.Join(list[:min(len(list), maxListed)], ", ")
	if more := len(list) - maxListed; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	if p.Glob {
		s += "; * stands for any characters"
	}
	return s
}
