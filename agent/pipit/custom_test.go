package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/commands"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
	"pipit/sensors"
)

// customTables are commands of a config. Their program is that of the system:
// one in a test's folder would be refused, because others may change /tmp.
const customTables = `
[command.greet]
run = ["/bin/sh", "-c", 'echo "hello $1 from $PIPIT_FROM via $PIPIT_VIA"; echo "${2:-no more}"', "greet", "{who}", "--more={more}"]
help = "greet somebody"
arg.who = { type = "choice", choices = ["anna", "ben"], help = "whom" }
arg.more = { type = "number", min = -5, max = 5, required = false }

[command.say]
run = ["/bin/echo", "{text}"]
role = "viewer"
arg.text = { default = "nothing" }

[command.fail]
run = ["/bin/sh", "-c", "echo out; echo first >&2; echo no route >&2; exit 3"]

[command.slow]
run = ["/bin/sh", "-c", "sleep 600"]
timeout = "300ms"

[command.flood]
run = ["/bin/sh", "-c", "while echo 1234567; do :; done | head -n 1000"]
output = "16B"

[command.env]
run = ["/usr/bin/env"]

[command.wait]
run = ["/bin/sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.1; done; echo finished', %q]
timeout = "10m"
`

// A config's commands run real programs.
func TestCustomCommands(t *testing.T) {
	t.Setenv("TZ", "UTC")
	t.Setenv("CREDENTIALS_DIRECTORY", "/nowhere")
	dir := t.TempDir()
	cfg, err := load(write(t, dir, "config.toml", fmt.Sprintf(customTables, filepath.Join(dir, "mark")), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	a := &agent.Agent{People: map[string]agent.Role{"ben@example.org": agent.Operator, "vera@example.org": agent.Viewer}}
	programs := &commands.Programs{Custom: cfg.Commands, Capture: sensors.NewHost("/").Capture, Tell: a.Tell, Log: slog.New(slog.DiscardHandler)}
	a.Commands = programs.Commands()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- programs.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	ask := func(from, name, args string) string {
		req := agent.Request{From: from, Via: agent.ViaChat, Name: name, Args: map[string]string{}}
		for pair := range strings.FieldsSeq(args) {
			key, value, _ := strings.Cut(pair, "=")
			req.Args[key] = value
		}
		for {
			ans, err := a.Do(t.Context(), req)
			switch {
			case err == nil:
				return ans.String()
			case !strings.Contains(err.Error(), "starting"): // Run has begun
				return "error: " + err.Error()
			}
			time.Sleep(time.Millisecond)
		}
	}
	for _, tt := range []struct{ from, name, args, want string }{
		{"ben@example.org", "greet", "who=anna", "hello anna from ben@example.org via chat\nno more"},
		{"ben@example.org", "greet", "who=ben more=-5", "hello ben from ben@example.org via chat\n--more=-5"},
		{"ben@example.org", "greet", "", "error: who: a value is needed"},
		{"ben@example.org", "greet", "who=eve", `error: who: there is no "eve"`},
		{"ben@example.org", "greet", "who=ben more=6", "error: more: 6 is not between -5 and 5"},
		{"vera@example.org", "greet", "who=ben", "error: unknown command"},
		{"vera@example.org", "say", "text=$(reboot);*", "$(reboot);*"},
		{"vera@example.org", "say", "", "nothing"},
		{"vera@example.org", "say", "text=-e", `error: text: "-e" begins with -, which a program takes for an option`},
		{"ben@example.org", "fail", "", "error: exit status 3: no route"},
		{"ben@example.org", "slow", "", "error: stopped after 300ms, which is its timeout"},
		{"ben@example.org", "flood", "", "1234567\n1234567\n… cut: it wrote more than 16 bytes"},
	} {
		if got := ask(tt.from, tt.name, tt.args); got != tt.want {
			t.Errorf("%s %s %s: got %q, want %q", tt.from, tt.name, tt.args, got, tt.want)
		}
	}
	env := ask("ben@example.org", "env", "")
	for line := range strings.Lines(env) {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "PATH", "HOME", "LANG", "TZ", "PIPIT_COMMAND", "PIPIT_FROM", "PIPIT_VIA":
		default:
			t.Errorf("a program sees %s", line)
		}
	}
	if !strings.Contains(env, "PIPIT_COMMAND=env\n") || !strings.Contains(env, "TZ=UTC") {
		t.Errorf("a program sees only\n%s", env)
	}
}

// What others may change is refused before anything starts.
func TestCheckRefusesAProgramOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	program := write(t, dir, "x", "#!/bin/sh\n", 0o755)
	path := write(t, dir, "c.toml", fmt.Sprintf("[command.x]\nrun = [%q]\n[command.help]\nrun = [\"/bin/echo\"]\n", program), 0o600)
	code, _, errs := call(t, "check", "--config", path)
	if code != exitUsage || !strings.Contains(errs, ":2: command.x.run: ") || !strings.Contains(errs, "may be changed by others") ||
		!strings.Contains(errs, ":3: command.help: pipit has a command of this name") {
		t.Errorf("exit %d, %s", code, errs)
	}
	path = write(t, dir, "c.toml", "[command.x]\nrun = [\"/nowhere/x\"]\n", 0o600)
	if code, _, errs := call(t, "check", "--offline", "--config", path); code != exitOK || !strings.Contains(errs, ":2: command.x.run: there is no /nowhere") {
		t.Errorf("a program that is not there: exit %d, %s", code, errs)
	}
}

// People run the commands of a config by chat line and by form.
func TestCustomCommandsOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		mark := filepath.Join(t.TempDir(), "mark")
		b := startDevice(t, s, fmt.Sprintf(customTables, mark))
		operator, viewer := b.client(t, "operator/phone"), b.client(t, "viewer/phone")

		operator.Chat(full, "wait", "") // 5 s
		operator.Chat(full, "greet ben", "")
		operator.Wait(xmpptest.Has("<body>wait was started. I report when it is done.</body>"), patience)
		operator.Wait(xmpptest.Has("<body>hello ben from operator@"+xmpptest.Domain+" via chat\nno more</body>"), patience)
		operator.Chat(full, "wait", "")
		operator.Wait(xmpptest.Has("<body>", "busy, wait was started ", " s ago by operator@"), patience)

		customForm(t, operator)

		viewer.Chat(full, "greet anna", "")
		viewer.Wait(xmpptest.Has("<body>", "do not know"), patience)
		viewer.Chat(full, "say a; b", "")
		viewer.Wait(xmpptest.Has("<body>a; b</body>"), patience)
		got := viewer.IQ(full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='greet'/>")
		if !strings.Contains(got, "item-not-found") {
			t.Errorf("a viewer's form: %s", got)
		}

		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		report := operator.Wait(xmpptest.Has("<body>wait, started ", " is done:\nfinished</body>"), patience)
		for _, want := range []string{`type="chat"`, "origin-id", "urn:xmpp:hints", "auto-generated"} {
			if !strings.Contains(report, want) {
				t.Errorf("no %s in %s", want, report)
			}
		}
	})
}

// customForm runs greet by its form, whose fields have the types of the config.
func customForm(t *testing.T, c *xmpptest.Client) {
	const command = "<command xmlns='http://jabber.org/protocol/commands' node='greet'"
	form := c.IQ(full, "set", command+"/>")
	for _, want := range []string{`status="executing"`, `var="who"`, "list-single", "<required", "whom", "anna", `var="more"`, "xs:decimal", `min="-5"`, `max="5"`} {
		if !strings.Contains(form, want) {
			t.Errorf("no %s in the form:\n%s", want, form)
		}
	}
	submit := func(who, more string) string {
		return c.IQ(full, "set", command+" sessionid='"+sessionOf(t, form)+"'><x xmlns='jabber:x:data' type='submit'>"+
			"<field var='who'><value>"+who+"</value></field><field var='more'><value>"+more+"</value></field></x></command>")
	}
	if got := submit("eve", "1"); !strings.Contains(got, `status="executing"`) || !strings.Contains(got, "there is no") {
		t.Errorf("a wrong choice does not bring the form back:\n%s", got)
	}
	if got := submit("anna", "-2"); !strings.Contains(got, `status="completed"`) || !strings.Contains(got, "hello anna from operator@"+xmpptest.Domain+" via adhoc\n--more=-2") {
		t.Errorf("result:\n%s", got)
	}
}
