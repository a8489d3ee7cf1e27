package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipit/agent/commands"
	"pipit/agent/config"
)

const (
	systemctl     = "/usr/bin/systemctl" // of /usr-merged systems; older ones have a link
	systemctlTime = 20 * time.Second
	lastWords     = 2 * time.Second // from the answer to restart until the agent ends
)

// errRestart ends run when somebody asked for a restart: the service manager
// starts the agent again.
var errRestart = errors.New("a restart was asked for")

// A restarter is a part that ends the program soon after it was asked to.
type restarter struct{ asked chan struct{} } // holds one

func newRestarter() *restarter { return &restarter{make(chan struct{}, 1)} }

func (r *restarter) ask(context.Context) error {
	select {
	case r.asked <- struct{}{}:
	default: // it is on its way
	}
	return nil
}

// Run waits until it is asked, and a little longer, so that the answer gets out.
func (r *restarter) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.asked:
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(lastWords):
		return errRestart
	}
}

// A runner runs a program of this board; see sensors.Host.Run.
type runner func(ctx context.Context, argv, env []string, most int) ([]byte, error)

// danger returns the commands that the config turns on.
func danger(d config.Device, program runner, r *restarter) commands.Danger {
	danger := commands.Danger{Confirm: d.Confirm}
	if slices.Contains(d.Dangerous, "restart") {
		danger.Restart = r.ask
	}
	if slices.Contains(d.Dangerous, "reboot") {
		danger.Reboot = power(program, "reboot")
	}
	if slices.Contains(d.Dangerous, "shutdown") {
		danger.Shutdown = power(program, "poweroff")
	}
	return danger
}

// power returns a function that asks systemd for what verb says. It does not
// wait for that to happen, so that the answer gets out.
func power(program runner, verb string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, systemctlTime)
		defer cancel()
		argv := []string{systemctl, "--no-block", "--no-ask-password", verb}
		_, err := program(ctx, argv, nil, 1<<10)
		if err != nil {
			return fmt.Errorf("systemctl %s: %w (may the agent's user do that? a polkit rule for org.freedesktop.login1 lets it)", verb, err)
		}
		return nil
	}
}
