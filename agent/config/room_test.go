package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestRooms(t *testing.T) {
	c := mustLoad(t, `
[device]
name = "greenhouse"
[room.plain]
jid = "Plain@Conference.example.org"
[room.full]
jid = "full@conference.example.org"
nick = "pi"
password_file = "password"
alerts = "critical"
anonymous_viewers = true
[room.quiet]
jid = "quiet@conference.example.org"
password = "not a real one"
alerts = "none"
commands = false
anonymous_viewers = true
[room.loud]
jid = "loud@conference.example.org"
alerts = "info"
`, built{})
	var got []string
	for _, r := range c.Rooms {
		got = append(got, fmt.Sprintf("%s %s %s %q %s %t %t", r.Name, r.JID, r.Nick, r.Password.Reveal(), r.Level, r.Commands, r.AnonymousViewers))
	}
	want := []string{
		`plain plain@conference.example.org greenhouse "" warning true false`,
		`full full@conference.example.org pi "not a real one" critical true true`,
		`quiet quiet@conference.example.org greenhouse "not a real one" level(3) false true`,
		`loud loud@conference.example.org greenhouse "" info true false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c.Rooms[2].Level <= agent.Critical || !strings.HasSuffix(c.Rooms[1].PasswordFile, "/password") {
		t.Errorf("%+v", c.Rooms)
	}
	warnings := strings.Join(c.Warnings, "\n")
	for _, want := range []string{"room.quiet.password: the password stands in the config", "room.quiet.anonymous_viewers: it changes nothing"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no %q in\n%s", want, warnings)
		}
	}
	for _, want := range []string{
		"room    plain, plain@conference.example.org as greenhouse, alerts of level warning and worse, commands\n",
		"room    full, full@conference.example.org as pi, alerts of level critical, commands, those of viewers for everybody whose JID it hides\n",
		"room    quiet, quiet@conference.example.org as greenhouse\n",
	} {
		if !strings.Contains(c.Describe()+"\n", want) || strings.Contains(c.Describe(), "a real one") {
			t.Errorf("no %q in\n%s", want, c.Describe())
		}
	}
}

// A device's name that cannot be a nick is told where one is to be written.
func TestRoomNickOfDevice(t *testing.T) {
	_, err := loadText(t, "[device]\nname = \"a \"\n[room.x]\njid = \"x@conference.example.org\"\n", built{})
	if err == nil || !strings.Contains(err.Error(), `:3: room.x: "a " cannot be a nick: write nick = "..."`) {
		t.Error(err)
	}
}

func TestManyRooms(t *testing.T) {
	var b strings.Builder
	for i := range maxRooms + 1 {
		fmt.Fprintf(&b, "[room.r%d]\njid = \"r%d@conference.example.org\"\n", i, i)
	}
	if _, err := loadText(t, b.String(), built{}); err == nil || !strings.Contains(err.Error(), "there are 17 rooms, at most 16 are possible") {
		t.Error(err)
	}
}
