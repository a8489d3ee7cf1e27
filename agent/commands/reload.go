package commands

import (
	"context"

	"pipit/agent"
)

func (d *Device) reload() agent.Command {
	return agent.Command{
		Name: "reload", Help: "read the config again and put in force what changed", Needs: agent.Owner,
		Run: func(context.Context, agent.Request) (agent.Answer, error) {
			text, err := d.Reload()
			return agent.Answer{Text: text}, err
		},
	}
}
