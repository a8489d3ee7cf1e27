package commands

import (
	"errors"
	"strings"
	"testing"

	"pipit/agent"
)

func TestPeopleAtRunTime(t *testing.T) {
	d := device()
	staff, err := agent.NewPeople(d.Agent.People, nil, func(s string) (string, error) { return s, nil })
	if err != nil {
		t.Fatal(err)
	}
	d.Agent.Staff = staff
	d.Agent.Commands = All(d)
	const guest = "gina@example.org"
	args := map[string]string{"jid": guest, "role": "viewer"}

	if _, err := ask(t, d, viewer, "grant", args); !errors.Is(err, agent.ErrUnknown) {
		t.Errorf("a viewer grants: %v", err)
	}
	if _, err := ask(t, d, guest, "read", nil); !errors.Is(err, agent.ErrUnknown) {
		t.Errorf("a stranger reads: %v", err)
	}
	if _, err := ask(t, d, owner, "grant", args); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, d, guest, "read", nil); err != nil {
		t.Errorf("a granted viewer cannot read: %v", err)
	}
	if ans, err := ask(t, d, owner, "people", nil); err != nil || !strings.Contains(ans.String(), "granted by "+owner) {
		t.Errorf("people: %v, %v", ans, err)
	}
	if _, err := ask(t, d, owner, "revoke", map[string]string{"jid": guest}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, d, guest, "read", nil); !errors.Is(err, agent.ErrUnknown) {
		t.Errorf("a revoked viewer reads: %v", err)
	}
	if _, err := ask(t, d, owner, "revoke", map[string]string{"jid": viewer}); err == nil {
		t.Error("a person of the config was revoked")
	}
}
