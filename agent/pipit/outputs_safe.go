package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/sensors"
)

func outputsSafeCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "outputs-safe",
		Short: "drive every output safe, for after a crash",
		Long: `Outputs-safe drives every output of a config to its safe value, all at once, and
prints one line for each. It is for systemd's ExecStopPost, which also runs after a
crash, and must not be used while the agent runs. It needs neither server nor
store and reads nothing of the config but [output]. An output that takes longer than
5 s is given up. The exit code is 0 when all of them are safe, 1 when one is not, and
2 when [output] has problems: what is right in it is driven all the same.`,
		Example: "  ExecStopPost=/usr/local/bin/pipit outputs-safe --config /etc/pipit/config.toml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			tasks, problems := config.LoadOutputs(path, configEnv(sensors.NewHost("/")))
			err := outputsSafe(c.Context(), c.OutOrStdout(), tasks)
			if problems != nil {
				return &exitError{exitUsage, problems}
			}
			return err
		},
	}
	configFlag(c, &path)
	return c
}

// outputsSafe drives outputs safe and says of each what came of it.
func outputsSafe(ctx context.Context, out io.Writer, tasks []agent.OutputTask) error {
	outputs := &agent.Outputs{Tasks: tasks}
	errs := outputs.Safe(ctx)
	for i, st := range outputs.States() {
		line := st.Name + ": " + st.Text
		if errs[i] != nil {
			line = errs[i].Error()
		}
		fmt.Fprintln(out, line) // nobody may be listening, and that changes nothing
	}
	if errors.Join(errs...) != nil {
		return &exitError{exitFailed, errors.New("not every output is safe")}
	}
	return nil
}
