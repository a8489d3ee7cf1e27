package commands

import (
	"context"

	"pipit/agent"
)

func (d *Device) pulse() agent.Command {
	return agent.Command{
		Name:   "pulse",
		Help:   "switch an output on for a moment",
		Needs:  agent.Operator,
		Params: []agent.Param{d.outputParam(), forParam("how long, such as 5s; empty: as the config says")},
		Run: func(ctx context.Context, req agent.Request) (agent.Answer, error) {
			long, err := length(req)
			if err != nil {
				return agent.Answer{}, err
			}
			return outputAnswer(d.Outputs.Pulse(ctx, req.Args["output"], long))
		},
	}
}
