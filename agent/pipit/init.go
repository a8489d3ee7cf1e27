package main

import (
	"io"

	"github.com/spf13/cobra"

	"pipit/agent/config"
)

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "print a commented config to start from",
		Example: `  pipit init > config.toml
  (umask 077; read -r -s P; printf %s "$P" > password)   next to it, for you alone`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), config.Example())
			return err
		},
	}
}
