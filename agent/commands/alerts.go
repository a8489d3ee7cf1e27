package commands

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/rule"
)

func (d *Device) alerts() agent.Command {
	return agent.Command{
		Name:  "alerts",
		Help:  "what fires, who sees to it, and the rules",
		Needs: agent.Viewer,
		Run:   d.runAlerts,
	}
}

func (d *Device) runAlerts(context.Context, agent.Request) (agent.Answer, error) {
	list := d.Alarm.Standings()
	ans := agent.Answer{Columns: []string{"Number", "Rule", "Level", "State", "Now"}}
	firing := 0
	now := time.Now()
	for _, s := range list {
		number := ""
		if s.Phase == rule.Firing || s.Phase == rule.Acked {
			firing++
			number = "#" + strconv.FormatUint(s.Number, 10)
		}
		ans.Rows = append(ans.Rows, []string{number, s.Rule, s.Level.String(), standing(s, now), cell(s.Now)})
	}
	switch firing {
	case 0:
		ans.Text = fmt.Sprintf("Nothing fires; %s.", count(len(list), "rule"))
	case 1:
		ans.Text = fmt.Sprintf("1 of %s fires.", count(len(list), "rule"))
	default:
		ans.Text = fmt.Sprintf("%d of %s fire.", firing, count(len(list), "rule"))
	}
	return ans, nil
}

// standing tells the state of a rule in a few words.
func standing(s alarm.Standing, now time.Time) string {
	text := string(s.Phase)
	switch s.Phase {
	case rule.Firing:
		text = "firing since " + clockTime(s.Since, now)
	case rule.Acked:
		text = "acked by " + localPart(s.By)
	}
	if !s.Silenced.IsZero() {
		text += ", silenced until " + clockTime(s.Silenced, now)
	}
	if s.Flaps > 0 {
		text += fmt.Sprintf(", flapping (%d times)", s.Flaps)
	}
	return text
}

// localPart is who somebody is in a house.
func localPart(jid string) string {
	name, _, _ := strings.Cut(jid, "@")
	return cmp.Or(name, "somebody at the device")
}

// clockTime writes a time in local time, with the day where it is another one.
func clockTime(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2 Jan 15:04")
}

func whichParam(help string) agent.Param {
	return agent.Param{Name: "which", Label: "Alert", Help: help}
}

func (d *Device) ack() agent.Command {
	return agent.Command{
		Name:   "ack",
		Help:   "say that you see to an alert: nobody else is told",
		Needs:  agent.Operator,
		Params: []agent.Param{whichParam("number or rule; empty: the one you answer to, or the only one")},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			s, err := d.Alarm.Ack(asker(req), alertNumber(req), req.Re)
			if err != nil {
				return agent.Answer{}, err
			}
			return agent.Answer{Text: fmt.Sprintf("%s #%d: you see to it.", s.Rule, s.Number)}, nil
		},
	}
}

func (d *Device) unack() agent.Command {
	return agent.Command{
		Name:   "unack",
		Help:   "take an ack back: others are told again",
		Needs:  agent.Operator,
		Params: []agent.Param{whichParam("number or rule; empty: the one you answer to, or the only one")},
		Run: func(_ context.Context, req agent.Request) (agent.Answer, error) {
			s, err := d.Alarm.Unack(asker(req), alertNumber(req), req.Re)
			if err != nil {
				return agent.Answer{}, err
			}
			return agent.Answer{Text: fmt.Sprintf("%s #%d: nobody sees to it now.", s.Rule, s.Number)}, nil
		},
	}
}

// alertNumber returns which alert is meant: "17", "#17" or a rule's name.
func alertNumber(req agent.Request) string { return strings.TrimPrefix(req.Args["which"], "#") }
