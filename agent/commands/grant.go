package commands

import (
	"context"

	"pipit/agent"
)

func (d *Device) grant() agent.Command {
	return agent.Command{
		Name:  "grant",
		Help:  "give a person a role: viewer, operator or owner",
		Needs: agent.Owner,
		Params: []agent.Param{
			{Name: "jid", Label: "JID", Help: "bare JID of the person", Kind: agent.ParamText, Required: true},
			{Name: "role", Label: "Role", Kind: agent.ParamChoice, Required: true,
				Choices: func() []string { return []string{"viewer", "operator", "owner"} }},
		},
		Run: d.runGrant,
	}
}

func (d *Device) runGrant(_ context.Context, req agent.Request) (agent.Answer, error) {
	role, err := agent.ParseRole(req.Args["role"])
	if err != nil {
		return agent.Answer{}, err
	}
	p, err := d.Agent.Staff.Grant(req.From, req.Args["jid"], role)
	if err != nil {
		return agent.Answer{}, err
	}
	return agent.Answer{Text: p.JID + " is now " + p.Role.String() + "."}, nil
}
