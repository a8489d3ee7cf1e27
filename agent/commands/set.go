package commands

import (
	"context"
	"slices"

	"pipit/agent"
)

func (d *Device) set() agent.Command {
	return agent.Command{
		Name:  "set",
		Help:  "set an output, for a time or for good",
		Needs: agent.Operator,
		Params: []agent.Param{
			d.outputParam(),
			{Name: "value", Label: "Value", Help: "on, off, or a number where the output takes one", Required: true},
			forParam("how long, such as 10m, then it goes off; empty: for good"),
		},
		Run: d.runSet,
	}
}

func (d *Device) runSet(ctx context.Context, req agent.Request) (agent.Answer, error) {
	i := slices.Index(d.outputNames(), req.Args["output"]) // a choice: it is there
	value, err := d.Outputs.Tasks[i].Parse(req.Args["value"])
	if err != nil {
		return agent.Answer{}, &agent.ParamError{Param: "value", Text: err.Error()}
	}
	long, err := length(req)
	if err != nil {
		return agent.Answer{}, err
	}
	return outputAnswer(d.Outputs.Set(ctx, req.Args["output"], value, long))
}
