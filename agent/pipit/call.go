package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/agent/xmpp/adhoc"
)

// callTime is how long a call may take, with the login.
const callTime = 30 * time.Second

func callCommand() *cobra.Command {
	var (
		who    account
		asJSON bool
		answer adhoc.Consent
	)
	c := &cobra.Command{
		Use:   "call JID [COMMAND [key=value ...]]",
		Short: "run an ad-hoc command of a device, or list what you may run",
		Example: `  pipit call pi@example.org --config me.toml
  pipit call pi@example.org read name=system.load1 --config me.toml
  pipit call pi@example.org status --jid me@example.org --password-file pw --json
  pipit call pi@example.org reboot --yes --code 123456 --config me.toml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			values, err := keyValues(args[min(2, len(args)):])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			ctx, cancel := within(c.Context(), callTime)
			defer cancel()
			client, err := who.open(ctx, args[0])
			if err != nil {
				return err
			}
			defer client.Close()
			if len(args) == 1 {
				items, err := client.Commands(ctx)
				if err != nil {
					return &exitError{exitRefused, err}
				}
				for _, i := range items {
					name := strings.TrimPrefix(i.Name, i.Node+": ") // a Pipit's names begin with the node
					fmt.Fprintf(c.OutOrStdout(), "%-12s %s\n", clean(i.Node), clean(name))
				}
				return nil
			}
			result, err := client.Call(ctx, args[1], values, answer)
			if err != nil {
				return &exitError{exitRefused, err}
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(result)
			}
			fmt.Fprintln(c.OutOrStdout(), cleanLines(textOf(result)))
			return nil
		},
	}
	who.flags(c)
	c.Flags().BoolVar(&answer.Yes, "yes", false, "confirm what the device asks before it does something dangerous")
	c.Flags().StringVar(&answer.Code, "code", "", "with --yes: the code of your authenticator, where the device wants one")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

// keyValues reads key=value arguments; a key may come more than once.
func keyValues(args []string) (map[string][]string, error) {
	values := make(map[string][]string)
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, errors.New("arguments of a command are written key=value, got " + a)
		}
		values[k] = append(values[k], v)
	}
	return values, nil
}

// textOf writes a result as the chat would.
func textOf(r adhoc.Result) string {
	var lines []string
	for _, n := range r.Notes {
		lines = append(lines, n.Text)
	}
	if table := (agent.Answer{Text: r.Text, Columns: r.Columns, Rows: r.Rows}).String(); table != "" {
		lines = append(lines, table)
	}
	return strings.Join(lines, "\n")
}

// cleanLines cleans every line and leaves the fences of preformatted blocks
// (XEP-0393) out: all of a terminal is preformatted.
func cleanLines(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		if line != "```" {
			lines = append(lines, clean(line))
		}
	}
	return strings.Join(lines, "\n")
}
