package commands

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/rule"
)

// A dialog about alerts, as chat lines; "@" stands before an answer to an alert.
func TestAlertCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const anna, carol = "anna@example.org", "carol@example.org"
		when, err := rule.Parse("boiler > 80")
		if err != nil {
			t.Fatal(err)
		}
		a := &agent.Agent{People: map[string]agent.Role{anna: agent.Owner, carol: agent.Viewer}}
		var told []agent.Alert
		p := alarm.New(alarm.Config{
			Rules: []alarm.Rule{{Rule: rule.Rule{Name: "hot", When: when, Level: agent.Critical}}},
			Agent: a,
			Raise: func(al agent.Alert) error { told = append(told, al); return nil },
		})
		a.Commands = All(&Device{Agent: a, Alarm: p})
		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		go p.Run(ctx)
		see := func(v float64) {
			p.See(agent.Reading{Name: "boiler", Value: agent.Number(v), Unit: "°C", Time: time.Now()})
			synctest.Wait()
		}
		now := time.Now().Format("15:04")
		later := func(h int) string { return clockTime(time.Now().Add(time.Duration(h)*time.Hour), time.Now()) }
		see(70)
		for _, tt := range []struct{ line, want string }{
			{"alerts", "Nothing fires; 1 rule.\n  hot  critical  idle  boiler is 70.0 °C"},
			{"ack", "no alert waits for somebody to acknowledge it"},
			{"!", ""}, // it fires
			{"alerts", "1 of 1 rule fires.\n#1  hot  critical  firing since " + now + "  boiler is 85.0 °C"},
			{"ack 2", "#2 is over"},
			{"@ack", "hot #1: you see to it."},
			{"alerts", "1 of 1 rule fires.\n#1  hot  critical  acked by anna  boiler is 85.0 °C"},
			{"ack #1", "hot #1 was acknowledged by anna already"},
			{"unack 1", "hot #1: nobody sees to it now."},
			{"@silence 2h", "hot: silent until " + later(2) + "."},
			{"silence hot for 30m", "hot: silent until " + time.Now().Add(30*time.Minute).Format("15:04") + "."},
			{"@silence", "hot: silent until " + later(1) + "."},
			{"silence all 2h", "hot: silent until " + later(2) + "."},
			{"silence hot 31d", "for: a silence is 1m to 30d"},
			{"silence hot soon", `for: "soon" is no length of time: write 2h, 30m or 7d`},
			{"silence", "that message is no alert of a rule: say which number, see alerts"},
			{"alerts", "1 of 1 rule fires.\n#1  hot  critical  firing since " + now + ", silenced until " + later(2) + "  boiler is 85.0 °C"},
			{"unsilence hto", `there is no rule "hto", did you mean "hot"?`},
			{"unsilence all", "hot: no longer silent."},
			{"test-alert hot", "A test goes to " + anna + "."},
		} {
			if tt.line == "!" {
				see(85)
				continue
			}
			line, answers := strings.CutPrefix(tt.line, "@")
			name, args, err := agent.ParseLine(line, a.Commands)
			if err != nil {
				t.Fatal(err)
			}
			req := agent.Request{From: anna, Via: agent.ViaChat, Name: name, Args: args}
			if answers {
				req.Re = told[0].ID
			}
			ans, err := a.Do(ctx, req)
			got := ans.String()
			if err != nil {
				got = fmt.Sprint(err)
			}
			if got != tt.want {
				t.Errorf("%s:\n%s\nwant\n%s", tt.line, got, tt.want)
			}
		}
		for _, name := range []string{"ack", "unack", "silence", "unsilence", "test-alert"} {
			if _, err := a.Do(ctx, agent.Request{From: carol, Via: agent.ViaChat, Name: name}); err != agent.ErrUnknown {
				t.Errorf("%s by a viewer: %v", name, err)
			}
		}
	})
}
