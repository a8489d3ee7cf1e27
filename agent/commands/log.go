package commands

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

const (
	maxLogText  = 3000 // bytes that are told in the answer itself
	maxLogLines = 500
)

var levelWords = []string{"debug", "info", "warn", "error"}

// Bounds of another level, which goes back by itself.
const (
	leastLogTime = 10 * time.Second
	mostLogTime  = 24 * time.Hour
)

// log shows lines, or sets the level for a time: a number and a word cannot be
// taken for one another.
func (d *Device) log() agent.Command {
	return agent.Command{
		Name:  "log",
		Help:  "the last lines of the log of this program, or another level for a time",
		Needs: agent.Owner,
		Params: []agent.Param{
			{Name: "count", Label: "Lines or level", Help: "how many lines, at most 500; or debug, info, warn or error, which sets the level", Default: "20"},
			{Name: "for", Label: "For", Help: "how long the level is set, such as 10m, at most 24h", Default: "10m"},
		},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			var level slog.Level
			if n, err := strconv.Atoi(req.Args["count"]); err == nil && n >= 1 && n <= maxLogLines {
				return logged(d.Log(n)), nil
			} else if err == nil || !slices.Contains(levelWords, strings.ToLower(req.Args["count"])) || level.UnmarshalText([]byte(req.Args["count"])) != nil {
				return agent.Answer{}, &agent.ParamError{Param: "count", Text: "wants 1 to 500 for lines, or debug, info, warn or error"}
			}
			long, err := parseSpan(req.Args["for"])
			if err != nil || long < leastLogTime || long > mostLogTime {
				return agent.Answer{}, &agent.ParamError{Param: "for", Text: "the level is set for 10s to 24h: write 10m"}
			}
			d.LogLevel(level, long)
			text := fmt.Sprintf("The log level is %s until %s.", strings.ToLower(level.String()), clockTime(time.Now().Add(long), time.Now()))
			return agent.Answer{Text: text}, nil
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
