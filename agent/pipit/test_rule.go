package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/config"
	"pipit/agent/rule"
	"pipit/sensors"
)

const (
	maxTestSamples = 1000
	testEvery      = 30 * time.Second // between two samples
)

func testRuleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test-rule FILE NAME VALUE...",
		Short: "show what a rule would do with values that you type in",
		Long: `Test-rule gives the rule NAME of the config FILE one sample for each VALUE, 30 s
apart, the first when the grace after a start is over, and shows what it would
do. Nothing is sent, run or kept, and of the other tables only the names count.

A VALUE is a number, on, off, a text, or stale, fault or missing. Where a rule
looks at several readings it names them: boiler=85,fan=on. +10m lets the time
go on without a sample.`,
		Example: `  pipit test-rule config.toml hot 70 85 85 60
  pipit test-rule config.toml hot boiler=70,fan=off boiler=85 +10m fan=on`,
		Args: cobra.MinimumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			rules, plan, err := config.LoadRules(args[0], configEnv(sensors.NewHost("/")))
			if err != nil {
				return &exitError{exitUsage, err}
			}
			i := slices.IndexFunc(rules, func(r alarm.Rule) bool { return r.Name == args[1] })
			if i < 0 {
				return &exitError{exitUsage, noRule(args[1], rules)}
			}
			start := time.Now()
			samples, err := testSamples(rules[i], start, args[2:])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return writeOutcomes(c.OutOrStdout(), rules[i], alarm.Try(rules[i], plan, start, samples), samples)
		},
	}
}

func noRule(name string, rules []alarm.Rule) error {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return errors.New("the config has no [rule.NAME]")
	}
	return fmt.Errorf("there is no rule %q: the config has %s", name, strings.Join(names, ", "))
}

// testSamples reads the values. Each but a +DURATION is a sample.
func testSamples(r alarm.Rule, start time.Time, words []string) (samples []alarm.Sample, err error) {
	if len(words) > maxTestSamples {
		return nil, fmt.Errorf("there are %d values: at most %d are possible", len(words), maxTestSamples)
	}
	at := r.Grace
	for i, word := range words {
		if long, ok := strings.CutPrefix(word, "+"); ok {
			if d, err := time.ParseDuration(long); err == nil && d >= 0 && d <= rule.MaxTime {
				at += d
				samples = append(samples, alarm.Sample{At: at})
				continue
			}
		}
		if i > 0 {
			at += testEvery
		}
		readings, err := testReadings(r, start.Add(at), word)
		if err != nil {
			return nil, err
		}
		samples = append(samples, alarm.Sample{At: at, Readings: readings})
	}
	return samples, nil
}

// testReadings reads the values of one sample.
func testReadings(r alarm.Rule, at time.Time, word string) (readings []agent.Reading, err error) {
	names := r.When.Names()
	if r.Clear != nil {
		names = append(names, r.Clear.Names()...)
	}
	for _, part := range strings.Split(word, ",") {
		name, value, named := strings.Cut(part, "=")
		if !named {
			name, value = names[0], part
		}
		switch {
		case !slices.Contains(names, name):
			return nil, fmt.Errorf("%q: the rule does not look at %q, only at %s", word, name, strings.Join(names, ", "))
		case !named && len(r.When.Names()) > 1:
			return nil, fmt.Errorf("%q: the rule looks at several readings: write %s=%s", word, name, value)
		}
		readings = append(readings, testReading(r, name, value, at))
	}
	return readings, nil
}

func testReading(r alarm.Rule, name, value string, at time.Time) agent.Reading {
	if q, ok := agent.ParseQuality(value); ok && q >= agent.Stale {
		return agent.Faulty(name, q, at, "typed in")
	}
	reading := agent.Reading{Name: name, Value: agent.Text(value), Time: at}
	switch f, err := strconv.ParseFloat(value, 64); {
	case err == nil && agent.Number(f).Kind() != agent.None:
		reading.Value = agent.Number(f)
		if units := r.When.Units(name); len(units) > 0 {
			reading.Unit = units[0]
		}
	case value == "on", value == "true":
		reading.Value = agent.Bool(true)
	case value == "off", value == "false":
		reading.Value = agent.Bool(false)
	}
	return reading
}

// writeOutcomes writes a line for each sample, and below it what is told and done.
func writeOutcomes(w io.Writer, r alarm.Rule, outcomes []alarm.Outcome, samples []alarm.Sample) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s: when %s", r.Name, r.Level, r.When)
	if r.Clear != nil {
		fmt.Fprintf(&b, ", clear when %s", r.Clear)
	}
	b.WriteString("\n")
	for _, o := range outcomes {
		fmt.Fprintf(&b, "%10s  %-24s  %-7s  %s\n", "+"+o.At.Truncate(time.Second).String(), sampleText(o.At, samples), o.When, o.Phase)
		for _, line := range o.Does {
			fmt.Fprintf(&b, "%12sdoes  %s\n", "", line)
		}
		for _, a := range o.Tells {
			fmt.Fprintf(&b, "%12stells %s: %s\n", "", a.To, a.Text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sampleText(at time.Duration, samples []alarm.Sample) string {
	var words []string
	for _, s := range samples {
		if s.At != at {
			continue
		}
		for _, r := range s.Readings {
			words = append(words, r.Name+"="+alarm.Word(r))
		}
	}
	return strings.Join(words, ",")
}
