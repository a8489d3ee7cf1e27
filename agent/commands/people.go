package commands

import (
	"context"

	"pipit/agent"
)

func (d *Device) people() agent.Command {
	return agent.Command{
		Name:  "people",
		Help:  "who may do what, and who granted it",
		Needs: agent.Owner,
		Run: func(context.Context, agent.Request) (agent.Answer, error) {
			ans := agent.Answer{Text: "People:", Columns: []string{"JID", "Role", "From"}}
			for _, p := range d.Agent.Staff.List() {
				from := "config"
				if p.By != "" {
					from = "granted by " + p.By + ", " + agent.Stamp(p.At)
				}
				ans.Rows = append(ans.Rows, []string{p.JID, p.Role.String(), from})
			}
			return ans, nil
		},
	}
}
