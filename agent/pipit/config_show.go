package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "what a config comes to", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(configShowCommand())
	return c
}

func configShowCommand() *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "print the config in force, without its secrets",
		Long: `Show prints every table of a config as it would be in force, with the defaults of
what the file leaves out, as TOML. Secrets are [hidden], and so is everything under a
key that may hold one. It reads the file and those it names, and nothing else.`,
		Example: "  pipit config show --config config.toml\n  pipit config show --json | jq .device.keep",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				e.SetEscapeHTML(false)
				return e.Encode(cfg.Effective())
			}
			_, err = io.WriteString(onPaper(c.OutOrStdout()), cfg.Show())
			return err
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
