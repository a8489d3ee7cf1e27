package commands

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"pipit/agent"
)

func (d *Device) audit() agent.Command {
	return agent.Command{
		Name:  "audit",
		Help:  "who asked for what, from where, and what came of it",
		Needs: agent.Owner,
		Params: []agent.Param{{
			Name: "count", Label: "Count", Help: "how many of the newest, at most 100", Kind: agent.ParamNumber, Min: 1, Max: 100, Default: "20",
		}},
		Run: d.runAudit,
	}
}

func (d *Device) runAudit(_ context.Context, req agent.Request) (agent.Answer, error) {
	n, err := strconv.ParseFloat(req.Args["count"], 64)
	if err != nil {
		return agent.Answer{}, &agent.ParamError{Param: "count", Text: "is not a number"}
	}
	list := d.Agent.Audit.Last(int(n))
	ans := agent.Answer{Text: fmt.Sprintf("The last %s:", count(len(list), "request")), Columns: []string{"Time", "Who", "Via", "What", "Result"}}
	for _, e := range list {
		via := string(e.Via)
		if e.Where != "" {
			via += " " + e.Where
		}
		ans.Rows = append(ans.Rows, []string{e.Time.Local().Format("2 Jan 15:04:05"), cell(cmp.Or(e.From, "-")), cell(via), cell(e.What), cell(e.Result)})
	}
	if len(list) == 0 {
		ans.Text = "Nobody has asked for anything yet."
	}
	return ans, nil
}
