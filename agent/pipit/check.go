package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pipit/bridge"
)

func checkCommand() *cobra.Command {
	var path string
	var offline bool
	c := &cobra.Command{
		Use:   "check",
		Short: "check a config and print every problem, or what would run",
		Long: `Check reads a config without starting anything. A good one is described and the
exit code is 0. Otherwise every problem is printed as FILE:LINE: key: what is
wrong, and the exit code is 2. With [mqtt] it also logs in to the broker beside
an agent that runs, and publishes to the topic probe below the device's own to
see that it arrives; if that fails the exit code is 1. --offline leaves it out.`,
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
			if _, err = io.WriteString(c.OutOrStdout(), cfg.Describe()+"\n"); err != nil || offline || cfg.MQTT.Broker == "" {
				return err
			}
			base := cfg.MQTT.Prefix + "/" + cfg.MQTT.Device
			if err := bridge.Probe(c.Context(), broker(cfg.MQTT), base); err != nil {
				return fmt.Errorf("mqtt: %w", err)
			}
			_, err = io.WriteString(c.OutOrStdout(), "mqtt    the broker takes and delivers what is below "+base+"\n")
			return err
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "connect to nothing")
	configFlag(c, &path)
	return c
}
