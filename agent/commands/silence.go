package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/rule"
)

const (
	usualSilence = time.Hour
	leastSilence = time.Minute
)

func (d *Device) silence() agent.Command {
	return agent.Command{
		Name:  "silence",
		Help:  "tell nobody of a rule for a time",
		Needs: agent.Operator,
		Params: []agent.Param{
			whichParam("rule, number or all; empty: the alert you answer to"),
			{Name: "for", Label: "For", Help: "how long, such as 2h or 30m, at most 30d", Default: "1h", Rest: true},
		},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			which, long, err := silenceArgs(req)
			if err != nil {
				return agent.Answer{}, err
			}
			list, err := d.Alarm.Silence(asker(req), which, req.Re, long)
			if err != nil {
				return agent.Answer{}, err
			}
			until := clockTime(time.Now().Add(long), time.Now())
			return agent.Answer{Text: fmt.Sprintf("%s: silent until %s.", rules(list), until)}, nil
		},
	}
}

// silenceArgs reads "hot 2h", "hot for 2h", and "2h" for the alert answered to.
func silenceArgs(req agent.Request) (which string, long time.Duration, err error) {
	which, text := alertNumber(req), strings.TrimSpace(strings.TrimPrefix(req.Args["for"], "for "))
	if req.Re != "" && which != "" {
		if d, err := parseSpan(which); err == nil {
			which, text = "", ""
			long = d
		}
	}
	if text != "" {
		if long, err = parseSpan(text); err != nil {
			return "", 0, &agent.ParamError{Param: "for", Text: fmt.Sprintf("%q is no length of time: write 2h, 30m or 7d", text)}
		}
	}
	if long < leastSilence || long > rule.MaxSilence {
		return "", 0, &agent.ParamError{Param: "for", Text: "a silence is 1m to 30d"}
	}
	return which, long, nil
}

func (d *Device) unsilence() agent.Command {
	return agent.Command{
		Name:   "unsilence",
		Help:   "end a silence",
		Needs:  agent.Operator,
		Params: []agent.Param{whichParam("rule, number or all; empty: the alert you answer to")},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			list, err := d.Alarm.Unsilence(asker(req), alertNumber(req), req.Re)
			if err != nil {
				return agent.Answer{}, err
			}
			return agent.Answer{Text: rules(list) + ": no longer silent."}, nil
		},
	}
}

func rules(list []alarm.Standing) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Rule
	}
	return strings.Join(names, ", ")
}

func (d *Device) testAlert() agent.Command {
	return agent.Command{
		Name:   "test-alert",
		Help:   "send those who would be told of an alert a test",
		Needs:  agent.Operator,
		Params: []agent.Param{{Name: "rule", Label: "Rule", Help: "whose people are told; empty: those of all rules"}},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			to, err := d.Alarm.Test(asker(req), req.Args["rule"])
			if err != nil {
				return agent.Answer{}, err
			}
			return agent.Answer{Text: "A test goes to " + strings.Join(to, ", ") + "."}, nil
		},
	}
}
