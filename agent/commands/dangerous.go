package commands

import (
	"cmp"
	"context"

	"pipit/agent"
)

// Danger is what the config turned on of the commands that may leave nobody a
// way back.
type Danger struct {
	Confirm  agent.Confirmation
	Restart  func(context.Context) error // ends the agent soon after it returns, so that the answer gets out; nil: off
	Reboot   func(context.Context) error // nil: off
	Shutdown func(context.Context) error // nil: off
}

// dangerous returns the commands that are turned on.
func (d *Device) dangerous() (list []agent.Command) {
	for _, c := range []struct {
		name, help, will, says string
		do                     func(context.Context) error
	}{
		{"restart", "end the agent; the service manager starts it again", "restart the agent", "Restarting.", d.Danger.Restart},
		{"reboot", "start the board anew", "reboot the board", "Rebooting.", d.Danger.Reboot},
		{"shutdown", "switch the board off; somebody has to go there to start it", "switch the board off until somebody goes there", "Shutting down.", d.Danger.Shutdown},
	} {
		if c.do == nil {
			continue
		}
		list = append(list, agent.Command{
			Name: c.name, Help: c.help, Will: c.will, Needs: agent.Owner, Confirm: d.Danger.Confirm,
			Run: func(ctx context.Context, _ agent.Request) (agent.Answer, error) {
				if err := c.do(ctx); err != nil {
					return agent.Answer{}, err
				}
				return agent.Answer{Text: c.says}, nil
			},
		})
	}
	return list
}

// driving makes a command that sets an output ask where the output is marked, and
// leave an output that has a role of its own to those who have it. The command's
// role is for the other outputs.
func (d *Device) driving(c agent.Command) agent.Command {
	c.Needs = cmp.Or(d.Roles[c.Name], c.Needs)
	others := c.Needs
	for _, t := range d.Outputs.Tasks {
		if t.Needs != agent.Stranger {
			c.Needs = min(c.Needs, t.Needs)
		}
	}
	c.NeedsFor = func(args map[string]string) agent.Role {
		for _, t := range d.Outputs.Tasks {
			if t.Name == args["output"] && t.Needs != agent.Stranger {
				return t.Needs
			}
		}
		return others
	}
	c.Confirm = d.Danger.Confirm
	c.ConfirmIf = func(args map[string]string) bool {
		for _, t := range d.Outputs.Tasks {
			if t.Name == args["output"] {
				return t.Confirm
			}
		}
		return true
	}
	return c
}
