package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/rule"
)

func TestRules(t *testing.T) {
	c := mustLoad(t, `
[people]
"anna@example.org" = "owner"
[sensor.boiler]
kind = "sim"
[room.hall]
jid = "hall@conference.example.org"
[rule.hot]
when = "boiler > 80 °C or boiler stale"
clear = "boiler < 75"
for = "1m"
clear_for = "2m"
level = "critical"
say = "{name} is hot"
to = ["owners", "Bob@Example.org", "room.hall"]
repeat = "1h"
grace = "0s"
do = ["set fan on"]
on_clear = ["set fan off"]
escalate = false
[rule.plain]
when = "boiler.temperature in 10..20"
[alerts]
to = ["operators"]
escalate = ["owners", "viewers"]
critical_after = "0s"
warning_after = "1h"
receipt_after = "30s"
[quiet."Anna@Example.org"]
from = "22:30"
to = "07:00"
[quiet."bob@example.org"]
from = "00:00"
to = "24:00"
except = "none"
`, built{})
	cond := cmp.Comparer(func(a, b *rule.Cond) bool {
		return a == nil && b == nil || a != nil && b != nil && a.String() == b.String()
	})
	want := []alarm.Rule{
		{
			Rule: rule.Rule{
				Name: "hot", When: parsed(t, "boiler > 80 °C or boiler stale"), Clear: parsed(t, "boiler < 75"),
				For: time.Minute, ClearFor: 2 * time.Minute, Repeat: time.Hour, Level: agent.Critical,
			},
			Say: "{name} is hot", To: []string{"owners", "bob@example.org", "room.hall"},
			Do: []string{"set fan on"}, OnClear: []string{"set fan off"},
		},
		{Rule: rule.Rule{Name: "plain", When: parsed(t, "boiler.temperature in 10..20"), Grace: 30 * time.Second, Level: agent.Warning}, Escalate: true},
	}
	if d := cmp.Diff(want, c.Rules, cond); d != "" {
		t.Error(d)
	}
	plan := alarm.Plan{
		To: []string{"operators"}, Escalate: []string{"owners", "viewers"}, WarningAfter: time.Hour, ReceiptAfter: 30 * time.Second,
		Quiet: map[string]alarm.Quiet{
			"anna@example.org": {From: 22*time.Hour + 30*time.Minute, To: 7 * time.Hour, Except: agent.Critical},
			"bob@example.org":  {To: 24 * time.Hour, Except: agent.Critical + 1},
		},
	}
	if d := cmp.Diff(plan, c.Alarms); d != "" {
		t.Error(d)
	}
}

func parsed(t *testing.T, s string) *rule.Cond {
	t.Helper()
	c, err := rule.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
