package main

import (
	"context"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/agent/config"
)

func readCommand() *cobra.Command {
	var (
		path   string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "read",
		Short: "print one reading of each sensor",
		Long: `Read reads every sensor of a config once and prints the readings, one line each:
time, name, value, unit, or why there is no value. It needs no server.`,
		Example: `  pipit read --config config.toml
  pipit read --config config.toml --json | jq -r 'select(.quality != "good") | .name'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			show := shower(c.OutOrStdout(), asJSON)
			for _, r := range readOnce(c.Context(), cfg) {
				if err := show(r); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// readOnce reads each sensor as the agent would and returns what that put on
// the board. A sensor that does not answer costs its timeout.
func readOnce(ctx context.Context, cfg *config.Config) []agent.Reading {
	var board agent.Board
	poller := agent.Poller{Tasks: cfg.Sensors, Put: func(r agent.Reading) { board.Put(r) }, Remove: board.Remove}
	poller.Once(ctx)
	return board.All()
}
