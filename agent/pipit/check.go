package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"pipit/agent/config"
)

func checkCommand() *cobra.Command {
	var path string
	var offline, asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "check a config, and that all it names is there and works",
		Long: `Check reads a config and tries what it names, for at most a minute, without
starting anything: file, secrets, DNS, TCP, TLS, certificate, login, stream
management, the device's nodes on PubSub or PEP, upload, rooms, sensors, outputs,
MQTT, clock, disk (for the user that the service runs as) and systemd unit. It
disturbs no agent that runs: it logs in beside it, with another resource and
without presence, joins no room, switches no output, and leaves alone what the
agent holds, such as I2C chips, serial ports and GPIO lines. With [mqtt] it
publishes to probe below the device's own topic.

Each node is ok, warning, failed with what to do, or skipped: not in the config,
or not tried, as it needs another one that failed. Lines are folded at the width
of the terminal, or at COLUMNS. There is colour on a terminal only, and none with
NO_COLOR or TERM=dumb. Without a UTF-8 locale (LC_ALL, LC_CTYPE, LANG) the output
is ASCII. None of the config's secrets is in it, also not where a server says one.

--json prints one object: config, version, result (ok, warning or failed),
interrupted (true or false), and nodes, a list of id, parent, state, text and
hint; the last is there only where there is something to do, parent only below
another node. The ids stay as they are from version to version, the texts do not.

Exit codes: 0 all is ok or a warning; 1 something failed, or it was interrupted,
and then what was found until then is printed; 2 the config has problems, each
printed as FILE:LINE: key: what is wrong.`,
		Example: `  pipit check --config config.toml
  pipit check --config config.toml --offline
  pipit check --config config.toml --json | jq -r '.nodes[] | select(.state == "failed") | .id'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if err != nil {
				io.WriteString(c.ErrOrStderr(), err.Error()+"\n")
				return &exitError{exitUsage, nil}
			}
			hide := cfg.Hider()
			for _, w := range cfg.Warnings {
				io.WriteString(c.ErrOrStderr(), "warning: "+hide(w)+"\n")
			}
			i := newInspection(cfg)
			i.offline = offline
			r := i.run(c.Context())
			if asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(r)
			} else {
				err = r.write(c.OutOrStdout(), pageOf(c.OutOrStdout(), os.Getenv), cfg)
			}
			if err != nil {
				return err
			}
			return r.verdict()
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "connect to nothing")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	configFlag(c, &path)
	return c
}

// A result is what check found.
type result struct {
	Config      string    `json:"config"`
	Version     string    `json:"version"`
	Result      string    `json:"result"` // the worst state
	Interrupted bool      `json:"interrupted"`
	Nodes       []finding `json:"nodes"`

	hide func(text string) string // takes secrets out
}

// newResult sums findings up and takes secrets out of them.
func newResult(cfg *config.Config, list []finding, interrupted bool) *result {
	list = ordered(list, "")
	worst(list)
	r := &result{Config: cfg.Path, Version: version(), Result: stateOK, Interrupted: interrupted, Nodes: list, hide: cfg.Hider()}
	for _, state := range []string{stateWarning, stateFailed} {
		if count(list, state) > 0 {
			r.Result = state
		}
	}
	for i := range list {
		list[i].Text, list[i].Hint = r.hide(clean(list[i].Text)), r.hide(clean(list[i].Hint))
	}
	return r
}

// write writes what would run, and the tree.
func (r *result) write(out io.Writer, p page, cfg *config.Config) error {
	sum := fmt.Sprintf("failed: %d, warnings: %d", count(r.Nodes, stateFailed), count(r.Nodes, stateWarning))
	if r.Interrupted {
		sum += ", interrupted: not all was tried"
	}
	_, err := io.WriteString(out, p.text(r.hide(cfg.Describe())+"\n\n")+p.draw(r.Nodes)+"\n"+p.text(sum+"\n"))
	return err
}

// verdict is the error with the exit code.
func (r *result) verdict() error {
	switch {
	case r.Interrupted:
		return &exitError{exitFailed, errors.New("interrupted: not all was tried")}
	case r.Result == stateFailed:
		return &exitError{exitFailed, nil}
	}
	return nil
}
