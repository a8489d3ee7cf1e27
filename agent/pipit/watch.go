package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pipit/agent"
)

func watchCommand() *cobra.Command {
	var (
		who     account
		asJSON  bool
		service string
		length  time.Duration
	)
	c := &cobra.Command{
		Use:   "watch JID",
		Short: "show the readings of a device as they arrive",
		Long: `Watch logs in as a person and shows every reading of a device that arrives: a
live table in a terminal, otherwise one line each: time, name, value, unit.`,
		Example: `  pipit watch pi@example.org --jid me@example.org --password-file pw
  pipit watch pi@example.org --config me.toml --json | jq .value`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := who.open(c.Context(), args[0])
			if err != nil {
				return err
			}
			defer client.Close()
			ctx, cancel := within(c.Context(), length)
			defer cancel()
			return client.Watch(ctx, service, shower(c.OutOrStdout(), asJSON))
		},
	}
	who.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().StringVar(&service, "pubsub", "", "the PubSub service that the device publishes on, where it does not use its own account")
	c.Flags().DurationVar(&length, "for", 0, "stop after this time, such as 20s")
	return c
}

// within bounds a context; 0 means no bound.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// shower returns how readings are shown on out.
func shower(out io.Writer, asJSON bool) func(agent.Reading) error {
	if f, ok := out.(*os.File); ok && !asJSON && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		return (&table{out: f, latest: &agent.Board{}}).show
	}
	return func(r agent.Reading) error {
		if !asJSON {
			_, err := fmt.Fprintln(onScreen(out), lineOf(r))
			return err
		}
		b, err := json.Marshal(jsonOf(r))
		if err == nil {
			_, err = fmt.Fprintln(out, string(b))
		}
		return err
	}
}

// lineOf writes a reading as "time name value unit". What is not good says so:
// "time name fault: why", or "time name value unit (stale: why)".
func lineOf(r agent.Reading) string {
	head := agent.Stamp(r.Time) + " " + r.Name + " "
	if !r.OK() && r.Quality != agent.Stale {
		return head + clean(r.Display())
	}
	line := head + clean(r.Value.String())
	if r.Unit != "" {
		line += " " + r.Unit
	}
	if r.Quality != agent.Good {
		line += " (" + r.Quality.String() + ": " + clean(r.Reason) + ")"
	}
	return line
}

// clean keeps what comes from the wire from driving the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

type jsonReading struct {
	Name    string `json:"name"`
	Value   any    `json:"value"`
	Unit    string `json:"unit,omitempty"`
	Time    string `json:"time"`
	Quality string `json:"quality"`
	Reason  string `json:"reason,omitempty"`
}

func jsonOf(r agent.Reading) jsonReading {
	j := jsonReading{Name: r.Name, Unit: r.Unit, Time: agent.Stamp(r.Time), Quality: r.Quality.String(), Reason: r.Reason}
	switch r.Value.Kind() {
	case agent.IsBool:
		j.Value, _ = r.Value.Bool()
	case agent.IsNumber:
		j.Value, _ = r.Value.Float()
	case agent.IsText:
		j.Value = r.Value.String()
	}
	return j
}

// A table shows the newest readings and redraws itself.
type table struct {
	out    *os.File
	latest *agent.Board
	lines  int // drawn the last time
}

func (t *table) show(r agent.Reading) error {
	t.latest.Put(r)
	width, height := sizeOf(t.out)
	ascii := !speaksUTF8(os.Getenv)
	all := t.latest.All()
	var b strings.Builder
	if t.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", t.lines)
	}
	t.lines = min(len(all), max(1, height-2))
	for _, r := range all[:t.lines] {
		b.WriteString("\x1b[2K" + row(r, width-1, ascii) + "\n")
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}
