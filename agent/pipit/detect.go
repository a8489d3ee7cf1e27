package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/sensors"
)

// detectTime bounds the look at the hardware.
const detectTime = 30 * time.Second

func detectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "detect",
		Short: "print what is attached to this board, as config to paste",
		Long: `Detect looks for thermometers on 1-wire, hwmon chips, iio devices, thermal zones,
power supplies, chips on I2C buses, GPIO chips, cameras, serial ports, LEDs and PWM
chips, and prints a [sensor.NAME] table for what a sensor can read. Where it cannot
be sure, or has no sensor for it, the lines are comments.

It measures nothing and writes to no device that it does not know: of an I2C address
that no kernel driver has, and where a known chip may live, it reads one byte, and
then the id, where all chips known to live there take that without harm. What it was
not allowed to look at is a comment that says what to do.`,
		Example: `  pipit detect
  pipit detect > found.toml
  pipit detect --json | jq -r 'select(.part == "i2c") | .where'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := within(c.Context(), detectTime)
			defer cancel()
			found := sensors.NewHost("/").Detect(ctx)
			if c.Context().Err() != nil {
				return context.Cause(c.Context())
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), found)
			}
			return writeTables(onPaper(c.OutOrStdout()), found, sensorKinds())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func writeJSON(out io.Writer, found []sensors.Finding) error {
	e := json.NewEncoder(out)
	for _, f := range found {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

// writeTables writes findings as TOML. A table that is a guess, or of a kind
// that this program does not have, is all comments.
func writeTables(out io.Writer, found []sensors.Finding, kinds []sensors.Kind) error {
	var b strings.Builder
	b.WriteString("# What pipit detect found on this board. Take the # off to use a line.\n")
	names := make(tableNames)
	for _, f := range found {
		b.WriteString("\n# " + headline(f) + "\n")
		if !f.Sure && len(f.Sensors) > 1 {
			b.WriteString("# Choose one of these:\n")
		}
		for _, s := range f.Sensors {
			known := slices.ContainsFunc(kinds, func(k sensors.Kind) bool { return k.Name == s.Kind })
			for line := range strings.Lines(tableOf(names.pick(f, s), s)) {
				if !f.Sure || !known {
					line = "#" + line
				}
				b.WriteString(line)
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// headline tells a finding in one line.
func headline(f sensors.Finding) string {
	what := f.Name
	if f.Where != "" {
		what += " at " + f.Where
	}
	told := append([]string{what}, f.Notes...)
	told = slices.DeleteFunc(append(told, f.Problem), func(s string) bool { return s == "" })
	return clean(f.Part + ": " + strings.Join(told, "; "))
}

// tableOf writes a suggestion as TOML.
func tableOf(name string, s sensors.Suggestion) string {
	text := "[sensor." + name + "]\nkind = " + tomlString(s.Kind) + "\n"
	for _, k := range s.Keys {
		text += k.Name + " = " + tomlValue(k) + "\n"
	}
	return text
}

// tomlValue writes the value of a key, addresses as the tools of I²C do.
func tomlValue(k sensors.Key) string {
	n, ok := k.Value.(int)
	switch {
	case !ok:
		text, _ := k.Value.(string)
		return tomlString(text)
	case k.Name == "address":
		return fmt.Sprintf("0x%02x", n)
	}
	return strconv.Itoa(n)
}

// tomlString writes a basic string of TOML; what a driver calls itself is text
// from outside.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// tableNames are the names of tables that are taken.
type tableNames map[string]bool

// maxTableName leaves room for a number behind; a sensor's name has 32 bytes.
const maxTableName = 28

// pick names a table by what it reads.
func (n tableNames) pick(f sensors.Finding, s sensors.Suggestion) string {
	base := f.Name
	if !f.Sure {
		base = s.Kind // the finding has the names of several
	}
	base = agent.CleanName(base)
	base = base[:min(len(base), maxTableName)]
	name := base
	for i := 2; n[name]; i++ {
		name = base + "_" + strconv.Itoa(i)
	}
	n[name] = true
	return name
}
