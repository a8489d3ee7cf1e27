package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

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
		Short: "print one reading of each sensor, and how long it took",
		Long: `Read reads every sensor of a config once and prints the readings, one line each:
time, name, value, unit, or why there is no value, and how long the read of that
sensor took, for all of its fields. It needs no server.`,
		Example: `  pipit read --config config.toml
  pipit read --config config.toml --json | jq -r 'select(.quality != "good") | .name'
  pipit read --config config.toml --json | jq -r 'select(.took_ms > 1000) | .name'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			for _, r := range readOnce(c.Context(), cfg) {
				if err := r.write(c.OutOrStdout(), asJSON); err != nil {
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

// A timedReading has the time that the read of its sensor took; read is false
// when there was none, because its bus was held.
type timedReading struct {
	agent.Reading
	took time.Duration
	read bool
}

// discarded is the reason of a number that its field's rule does not let pass.
const discarded = "its [field] discards this number"

// readOnce reads each sensor as the agent would and returns what that put on
// the board, through the fields. A number that these discard is shown as it is,
// uncertain. A sensor that does not answer costs its timeout.
func readOnce(ctx context.Context, cfg *config.Config) []timedReading {
	var board agent.Board
	fields := agent.Fields{Rules: cfg.Fields, Next: func(r agent.Reading) { board.Put(r) }}
	put := func(r agent.Reading) {
		raw := r
		if raw.OK() {
			raw.Quality, raw.Reason = agent.Uncertain, discarded
		}
		board.Put(raw)
		fields.Put(r)
	}
	poller := agent.Poller{Tasks: cfg.Sensors, Put: put, Remove: board.Remove}
	took := poller.Once(ctx)
	var list []timedReading
	for _, r := range board.All() {
		sensor, _, _ := strings.Cut(r.Name, ".")
		d, ok := took[sensor]
		list = append(list, timedReading{r, d, ok})
	}
	return list
}

// write writes a line as lineOf does with the time in milliseconds behind it,
// or as JSON with took_ms.
func (r timedReading) write(out io.Writer, asJSON bool) error {
	ms := float64(r.took.Microseconds()) / 1000
	if asJSON {
		line := struct {
			jsonReading
			TookMS *float64 `json:"took_ms,omitempty"`
		}{jsonReading: jsonOf(r.Reading)}
		if r.read {
			line.TookMS = &ms
		}
		return json.NewEncoder(out).Encode(line)
	}
	line := lineOf(r.Reading)
	if r.read {
		line += fmt.Sprintf(" [%.1f ms]", ms)
	}
	_, err := fmt.Fprintln(onScreen(out), line)
	return err
}
