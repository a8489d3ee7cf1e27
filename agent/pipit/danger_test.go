package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/commands"
	"pipit/agent/config"
)

func TestDangerIsOffByDefault(t *testing.T) {
	d := danger(config.Device{Confirm: agent.ConfirmAsk}, nil, newRestarter())
	if d.Restart != nil || d.Reboot != nil || d.Shutdown != nil {
		t.Error("something is on")
	}
}

// Reboot and shutdown ask the service manager, and tell why it refused.
func TestPower(t *testing.T) {
	var asked []string
	program := func(_ context.Context, argv, _ []string, _ int) ([]byte, error) {
		asked = append(asked, strings.Join(argv, " "))
		if argv[len(argv)-1] == "poweroff" {
			return nil, errors.New("exit status 1: access denied")
		}
		return nil, nil
	}
	d := danger(config.Device{Dangerous: []string{"reboot", "shutdown"}}, program, newRestarter())
	if d.Restart != nil {
		t.Error("restart is on")
	}
	if err := d.Reboot(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "denied") || !strings.Contains(err.Error(), "polkit") {
		t.Errorf("refused: %v", err)
	}
	want := []string{"/usr/bin/systemctl --no-block --no-ask-password reboot", "/usr/bin/systemctl --no-block --no-ask-password poweroff"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// A restart ends all parts a moment after it was asked for, with an error of its own.
func TestRestarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, start := newRestarter(), time.Now()
		other := func(ctx context.Context) error { <-ctx.Done(); return nil }
		for range 3 {
			if err := r.ask(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := together(t.Context(), other, r.Run); !errors.Is(err, errRestart) || time.Since(start) != lastWords {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newRestarter().Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Who confirms a dangerous command, and that nothing runs before.
func TestDangerousCommands(t *testing.T) {
	const owner, operator = "owner@example.org", "operator@example.org"
	ran := ""
	does := func(name string) func(context.Context) error {
		return func(context.Context) error { ran += name; return nil }
	}
	a := &agent.Agent{People: map[string]agent.Role{owner: agent.Owner, operator: agent.Operator}}
	a.Commands = commands.All(&commands.Device{Agent: a, Danger: commands.Danger{Confirm: agent.ConfirmAsk, Reboot: does("reboot")}})
	ask := func(from, name, word string) error {
		_, err := a.Do(t.Context(), agent.Request{From: from, Via: agent.ViaChat, Name: name, Confirmed: word})
		return err
	}
	var confirm *agent.ConfirmError
	if err := ask(owner, "reboot", ""); !errors.As(err, &confirm) || ran != "" || !strings.Contains(confirm.Text, "reboot the board") {
		t.Errorf("%v, ran %q", err, ran)
	}
	for _, err := range []error{ask(operator, "reboot", confirm.Word), ask(owner, "restart", ""), ask(owner, "shutdown", "")} {
		if !errors.Is(err, agent.ErrUnknown) || ran != "" {
			t.Errorf("%v, ran %q", err, ran)
		}
	}
	if err := ask(owner, "reboot", confirm.Word); err != nil || ran != "reboot" {
		t.Errorf("%v, ran %q", err, ran)
	}
	if err := ask(owner, "reboot", confirm.Word); err == nil || ran != "reboot" {
		t.Errorf("the same word twice: %v, ran %q", err, ran)
	}
}
