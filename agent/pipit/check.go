package main

import (
	"io"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check",
		Short: "check a config and print every problem, or what would run",
		Long: `Check reads a config without starting anything. A good one is described and the
exit code is 0. Otherwise every problem is printed as FILE:LINE: key: what is
wrong, and the exit code is 2.`,
		Example: "  pipit check --config config.toml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if err != nil {
				io.WriteString(c.ErrOrStderr(), err.Error()+"\n")
				return &exitError{exitUsage, nil}
			}
			for _, w := range cfg.Warnings {
				io.WriteString(c.ErrOrStderr(), "warning: "+w+"\n")
			}
			_, err = io.WriteString(c.OutOrStdout(), cfg.Describe()+"\n")
			return err
		},
	}
	configFlag(c, &path)
	return c
}
