package xmpp

import (
	"strings"
	"testing"

	"pipit/agent"
)

func TestSummaryAndShow(t *testing.T) {
	num := func(name string, v float64, unit string) agent.Reading {
		return agent.Reading{Name: name, Value: agent.Number(v), Unit: unit}
	}
	bad := func(name string, q agent.Quality) agent.Reading {
		return agent.Reading{Name: name, Quality: q, Reason: "why"}
	}
	stale := num("attic.temperature", 9, "°C")
	stale.Quality = agent.Stale
	long := agent.Reading{Name: "note", Value: agent.Text(strings.Repeat("0123456789", 13))}
	for name, c := range map[string]struct {
		all        []agent.Reading
		globs      []string
		text, show string
	}{
		"nothing": {},
		"the first three with a value": {
			[]agent.Reading{bad("a", agent.Missing), num("b", 1, ""), num("c.x", 2, "%"), num("d", 3, ""), num("e", 4, "")},
			nil, "b 1, x 2.0 %, d 3", ""},
		"named, in the order of the config": {
			[]agent.Reading{num("a.cpu_use", 12.34, "%"), num("b", 21.46, "°C")},
			[]string{"b", "a.*"}, "b 21.5 °C, cpu use 12.3 %", ""},
		"same field twice": {
			[]agent.Reading{num("in.temperature", 20, "°C"), num("out.temperature", 5, "°C")},
			[]string{"in", "out"}, "in temperature 20.0 °C, out temperature 5.0 °C", ""},
		"a fault": {
			[]agent.Reading{num("a", 1, ""), bad("b", agent.Fault)},
			nil, "a 1, 1 reading failed", "away"},
		"stale, named": {
			[]agent.Reading{stale, bad("b", agent.Fault)},
			[]string{"attic"}, "temperature 9.0 °C (stale), 2 readings failed", "away"},
		"missing hardware is no trouble": {
			[]agent.Reading{bad("b", agent.Missing)},
			[]string{"b"}, "", ""},
		"too long": {
			[]agent.Reading{long}, nil,
			"note 012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123…", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := summary(c.all, c.globs); got != c.text {
				t.Errorf("status %q\nwant   %q", got, c.text)
			}
			if got := show(c.all); got != c.show {
				t.Errorf("show %q, want %q", got, c.show)
			}
		})
	}
}
