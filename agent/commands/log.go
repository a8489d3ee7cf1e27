package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

const maxLogText = 3000 // bytes that are told in the answer itself

func (d *Device) log() agent.Command {
	return agent.Command{
		Name:  "log",
		Help:  "the last lines of the log of this program",
		Needs: agent.Owner,
		Params: []agent.Param{{
			Name: "count", Label: "Lines", Help: "how many, at most 500", Kind: agent.ParamNumber, Min: 1, Max: 500, Default: "20",
		}},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			n, err := strconv.ParseFloat(req.Args["count"], 64)
			if err != nil {
				return agent.Answer{}, &agent.ParamError{Param: "count", Text: "is not a number"}
			}
			return logged(d.Log(int(n))), nil
		},
	}
}

// logged answers with lines of the log: few as a table of time and text.
func logged(lines []string) agent.Answer {
	text := strings.Join(lines, "\n")
	ans := agent.Answer{Text: fmt.Sprintf("The last %s.", count(len(lines), "line"))}
	if len(text) > maxLogText {
		ans.File = &agent.File{Name: time.Now().Local().Format("log-20060102-1504.txt"), Type: "text/plain; charset=utf-8", Data: []byte(text + "\n")}
		return ans
	}
	ans.Columns = []string{"Time", "Line"}
	for _, l := range lines {
		at, rest, _ := strings.Cut(l, " ")
		ans.Rows = append(ans.Rows, []string{strings.TrimPrefix(at, "time="), rest})
	}
	return ans
}
