package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"pipit/agent"
)

func (d *Device) who() agent.Command {
	return agent.Command{
		Name:  "who",
		Help:  "who you are to this device and what you may do",
		Needs: agent.Viewer,
		Run:   d.runWho,
	}
}

func (d *Device) runWho(_ context.Context, req agent.Request) (agent.Answer, error) {
	you := fmt.Sprintf("You are %s, %s of %s.", req.From, d.Agent.Role(req.From), d.Agent.Name)
	if req.Via == agent.ViaLocal && req.From == "" {
		you = fmt.Sprintf("You are at %s itself and may do all that its owner may.", d.Agent.Name)
	}
	if req.Via == agent.ViaGuest {
		you = "I do not know who you are: this room hides it."
	}
	if req.Via == agent.ViaMQTT {
		you = "I do not know who you are: a topic does not say who writes to it."
	}
	var names []string
	for _, c := range d.Agent.CommandsFor(req.From, req.Via) {
		names = append(names, c.Name)
	}
	return agent.Answer{Text: you + "\nYou may use: " + strings.Join(names, ", ") + "."}, nil
}

// asker names who asks, or the way where there is nobody to name.
func asker(req agent.Request) string { return cmp.Or(req.From, string(req.Via)) }
