package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// maxRead is how many readings one read lists.
const maxRead = 50

func (d *Device) read() agent.Command {
	return agent.Command{
		Name:  "read",
		Help:  "the newest readings, all of them or those you name",
		Needs: agent.Viewer,
		Params: []agent.Param{{
			Name: "name", Label: "Readings", Help: "names of readings or sensors",
			Kind: agent.ParamChoices, Choices: d.names, Glob: true, Rest: true,
		}},
		Run: d.runRead,
	}
}

// names returns what can be read: each reading on the board and each sensor.
func (d *Device) names() []string {
	var names []string
	for _, r := range d.Agent.Board.All() {
		names = append(names, r.Name)
	}
	for _, t := range d.Sensors {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (d *Device) runRead(_ context.Context, req agent.Request) (agent.Answer, error) {
	readings := d.Agent.Board.All()
	if wanted := strings.Fields(req.Args["name"]); len(wanted) > 0 {
		readings = slices.DeleteFunc(readings, func(r agent.Reading) bool {
			return !slices.ContainsFunc(wanted, func(w string) bool { return agent.Match(w, r.Name) })
		})
	}
	if len(readings) == 1 {
		r := readings[0]
		return agent.Answer{Text: fmt.Sprintf("%s: %s, %s.", r.Name, cell(r.Display()), ago(time.Since(r.Time)))}, nil
	}
	text := summary(readings)
	if more := len(readings) - maxRead; more > 0 {
		text += fmt.Sprintf(" The first %d are here, %d more are not; name what you want.", maxRead, more)
		readings = readings[:maxRead]
	}
	ans := agent.Answer{Text: strings.ToUpper(text[:1]) + text[1:], Columns: []string{"Reading", "Value", "Age"}}
	for _, r := range readings {
		ans.Rows = append(ans.Rows, []string{r.Name, cell(r.Display()), ago(time.Since(r.Time))})
	}
	return ans, nil
}
