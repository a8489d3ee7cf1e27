package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

const maxLogText = 3000 // bytes that are told in the answer; more come as a file

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
			lines := d.Log(int(n))
			text := strings.Join(lines, "\n")
			if len(text) <= maxLogText {
				return agent.Answer{Text: "```\n" + text + "\n```"}, nil
			}
			file := &agent.File{Name: time.Now().Local().Format("log-20060102-1504.txt"), Type: "text/plain; charset=utf-8", Data: []byte(text + "\n")}
			return agent.Answer{Text: fmt.Sprintf("The last %s.", count(len(lines), "line")), File: file}, nil
		},
	}
}
