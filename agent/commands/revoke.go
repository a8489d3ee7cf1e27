package commands

import (
	"context"

	"pipit/agent"
)

func (d *Device) revoke() agent.Command {
	return agent.Command{
		Name:   "revoke",
		Help:   "take away a role that was granted",
		Needs:  agent.Owner,
		Params: []agent.Param{{Name: "jid", Label: "JID", Help: "bare JID of the person", Kind: agent.ParamText, Required: true}},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			p, err := d.Agent.Staff.Revoke(req.Args["jid"])
			if err != nil {
				return agent.Answer{}, err
			}
			return agent.Answer{Text: p.JID + " has no role any more."}, nil
		},
	}
}
