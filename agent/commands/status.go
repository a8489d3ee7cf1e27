package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// maxTroubles is how many readings that are not good status lists.
const maxTroubles = 10

func (d *Device) status() agent.Command {
	return agent.Command{
		Name:  "status",
		Help:  "how the device, its links and its readings are",
		Needs: agent.Viewer,
		Run:   d.runStatus,
	}
}

func (d *Device) runStatus(_ context.Context, req agent.Request) (agent.Answer, error) {
	all := d.Agent.Board.All()
	troubles := slices.DeleteFunc(slices.Clone(all), func(r agent.Reading) bool { return r.Quality == agent.Good })
	slices.SortStableFunc(troubles, func(x, y agent.Reading) int { return cmp.Compare(y.Quality, x.Quality) })

	lines := []string{d.Agent.Name + ": " + summary(all), d.running()}
	lines = append(lines, d.Status()...)
	if d.Counters != nil && d.Agent.Allowed(req.From, req.Via, agent.Command{Needs: agent.Owner}) {
		lines = append(lines, d.Counters()...)
	}
	switch n := len(troubles); {
	case n > maxTroubles:
		lines = append(lines, fmt.Sprintf("The worst %d of %d that are not good:", maxTroubles, n))
		troubles = troubles[:maxTroubles]
	case n > 0:
		lines = append(lines, "Not good:")
	}
	ans := agent.Answer{Text: strings.Join(lines, "\n"), Columns: []string{"Reading", "Quality", "Reason", "Age"}}
	for _, r := range troubles {
		ans.Rows = append(ans.Rows, []string{r.Name, r.Quality.String(), cell(r.Reason), ago(time.Since(r.Time))})
	}
	return ans, nil
}

func (d *Device) running() string {
	s := "Pipit " + d.Agent.Version
	if d.Agent.Location != "" {
		s += ", " + d.Agent.Location
	}
	return s + ", running for " + span(time.Since(d.Agent.Started)) + "."
}

// summary counts readings by quality: "12 readings: 10 good, 2 stale."
func summary(readings []agent.Reading) string {
	if len(readings) == 0 {
		return "no readings yet."
	}
	var n [agent.Missing + 1]int
	for _, r := range readings {
		n[min(r.Quality, agent.Missing)]++
	}
	s := count(len(readings), "reading")
	if n[agent.Good] == len(readings) {
		return s + ", all good."
	}
	var parts []string
	for q, n := range n {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, agent.Quality(q)))
		}
	}
	return s + ": " + strings.Join(parts, ", ") + "."
}
