package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestRoles(t *testing.T) {
	c := mustLoad(t, `
[output.valve]
kind = "sim"
role = "owner"
[output.lamp]
kind = "sim"
[command.tea]
run = ["/usr/bin/x"]
[roles]
tea = "viewer"
help = "operator"
`, built{})
	if d := cmp.Diff(map[string]agent.Role{"tea": agent.Viewer, "help": agent.Operator}, c.Roles); d != "" {
		t.Error(d)
	}
	if c.Outputs[0].Needs != agent.Owner || c.Outputs[1].Needs != agent.Stranger {
		t.Errorf("outputs need %s and %s", c.Outputs[0].Needs, c.Outputs[1].Needs)
	}
	for text, want := range map[string]string{
		"[roles]\nhlep = \"owner\"":                        `roles.hlep: there is no such command (did you mean "help"?`,
		"[roles]\nhelp = 1":                                "roles.help: wants a string",
		"[roles]\nhelp = \"king\"":                         `roles.help: unknown role "king" (allowed: viewer, operator, owner)`,
		"[roles]\ngrant = \"operator\"":                    "roles.grant: this command is for owners alone",
		"[roles]\nyes = \"owner\"":                         "roles.yes: there is no such command",
		"[output.a]\nkind = \"sim\"\nrole = \"everybody\"": `output.a.role: unknown role "everybody"`,
	} {
		if _, err := loadText(t, text, built{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
