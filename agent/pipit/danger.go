package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pipit/agent/commands"
	"pipit/agent/config"
	"pipit/sensors"
)

const (
	systemctl     = "/usr/bin/systemctl" // of /usr-merged systems; older ones have a link
	systemctlTime = 20 * time.Second
	lastWords     = 2 * time.Second // from the answer to restart until the agent ends
)

// danger returns the commands that the config turns on. restart ends run: the
// service manager starts the agent again (Restart=always).
func danger(d config.Device, restart context.CancelFunc) commands.Danger {
	host := sensors.NewHost("/")
	danger := commands.Danger{Confirm: d.Confirm}
	if slices.Contains(d.Dangerous, "restart") {
		danger.Restart = func(context.Context) error {
			time.AfterFunc(lastWords, restart)
			return nil
		}
	}
	if slices.Contains(d.Dangerous, "reboot") {
		danger.Reboot = power(host, "reboot")
	}
	if slices.Contains(d.Dangerous, "shutdown") {
		danger.Shutdown = power(host, "poweroff")
	}
	return danger
}

// power returns a function that asks systemd for what verb says. It does not
// wait for that to happen, so that the answer gets out.
func power(host *sensors.Host, verb string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, systemctlTime)
		defer cancel()
		argv := []string{systemctl, "--no-block", "--no-ask-password", verb}
		_, err := host.Run(ctx, argv, nil, 1<<10)
		if err != nil {
			return fmt.Errorf("systemctl %s: %w (may the agent's user do that? a polkit rule for org.freedesktop.login1 lets it)", verb, err)
		}
		return nil
	}
}
