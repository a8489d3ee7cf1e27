package commands

import (
	"context"

	"pipit/agent"
)

func (d *Device) toggle() agent.Command {
	return agent.Command{
		Name:   "toggle",
		Help:   "switch an output off when it is on, and on when it is off",
		Needs:  agent.Operator,
		Params: []agent.Param{d.outputParam()},
		Run: func(ctx context.Context, req agent.Request) (agent.Answer, error) {
			return outputAnswer(d.Outputs.Toggle(ctx, req.Args["output"]))
		},
	}
}
