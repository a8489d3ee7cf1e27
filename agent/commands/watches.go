package commands

import (
	"context"
	"time"

	"pipit/agent"
)

func (d *Device) watches() agent.Command {
	return agent.Command{
		Name:  "watches",
		Help:  "what you watch",
		Needs: agent.Viewer,
		Run:   d.runWatches,
	}
}

func (d *Device) runWatches(_ context.Context, req agent.Request) (agent.Answer, error) {
	if err := byPerson(req); err != nil {
		return agent.Answer{}, err
	}
	list, silent := d.Watch.List(req.From)
	if len(list) == 0 {
		return agent.Answer{Text: `You watch nothing. "watch NAME" tells you when a reading changes.`}, nil
	}
	ans := agent.Answer{Text: "You have " + counted(len(list)) + ".", Columns: []string{"Reading", "When", "Last told"}}
	if !silent.IsZero() {
		ans.Text += " You had too many messages: the next one comes at " + silent.Local().Format("15:04") + " or later."
	}
	for _, w := range list {
		last := "never"
		if !w.Told.IsZero() {
			last = ago(time.Since(w.Told))
		}
		ans.Rows = append(ans.Rows, []string{w.Name, watchWords(w), last})
	}
	return ans, nil
}
