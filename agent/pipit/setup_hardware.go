package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pipit/agent/config"
	"pipit/sensors"
)

// A candidate is a sensor that the config may get.
type candidate struct {
	name string // of its table
	sensors.Suggestion
	about string
	sure  bool
}

// candidates are the sensors of findings that this program has a kind for and
// the config has no table of.
func candidates(found []sensors.Finding, have *config.Outline, kinds []sensors.Kind) (list []candidate) {
	names := make(tableNames)
	for _, table := range [][]string{{"sensor"}, {"output"}, {"mqtt", "import"}} {
		for _, name := range have.Keys(table...) {
			names[name] = true
		}
	}
	if board := (sensors.Suggestion{Kind: "system"}); !configured(have, board) {
		name := names.pick(sensors.Finding{Name: "board", Sure: true}, board)
		list = append(list, candidate{name, board, "this machine: processor, memory, disks, network", true})
	}
	for _, f := range found {
		for _, s := range f.Sensors {
			known := slices.ContainsFunc(kinds, func(k sensors.Kind) bool { return k.Name == s.Kind })
			if known && !configured(have, s) {
				list = append(list, candidate{names.pick(f, s), s, headline(f), f.Sure})
			}
		}
	}
	return list
}

// configured tells whether a config has a sensor of a kind with these keys.
func configured(have *config.Outline, s sensors.Suggestion) bool {
	return slices.ContainsFunc(have.Keys("sensor"), func(name string) bool {
		if have.Value("sensor", name, "kind") != s.Kind {
			return false
		}
		return !slices.ContainsFunc(s.Keys, func(k sensors.Key) bool {
			want := k.Value
			if n, ok := want.(int); ok {
				want = int64(n)
			}
			return have.Value("sensor", name, k.Name) != want
		})
	})
}

// hardware asks which of the sensors that were found to use. Those that are sure
// are usual in a new config; an old one was chosen before.
func (s *setup) hardware(ctx context.Context) error {
	if s.sensors == "none" {
		return nil
	}
	fmt.Fprintln(s.out, "Looking at the hardware ...")
	looking, cancel := within(ctx, detectTime)
	defer cancel()
	list := candidates(s.detect(looking), s.have, sensorKinds())
	if ctx.Err() != nil {
		return errInterrupted
	}
	if len(list) == 0 {
		fmt.Fprintln(s.out, "  nothing new")
		return nil
	}
	usual := "none"
	if len(s.have.Keys("sensor")) == 0 {
		usual = "all"
	}
	for i, c := range list {
		note := ""
		if !c.sure {
			note = " (a guess: name it if that is what you have)"
		}
		fmt.Fprintf(s.out, "  %2d  %-20s %s%s\n", i+1, c.name, c.about, note)
	}
	_, err := s.ask.ask(ctx, question{
		text: "Use which sensors (numbers or names; all: those without a guess; none)", usual: usual, flag: "--sensors", given: s.sensors,
		check: func(answer string) (_ string, err error) {
			s.chosen, err = choose(list, answer)
			return answer, err
		},
	})
	return err
}

// choose returns the candidates that an answer means.
func choose(list []candidate, answer string) (chosen []candidate, err error) {
	switch answer {
	case "none":
		return nil, nil
	case "all":
		return slices.DeleteFunc(slices.Clone(list), func(c candidate) bool { return !c.sure }), nil
	}
	taken := make(map[int]bool)
	for _, word := range strings.FieldsFunc(answer, func(r rune) bool { return r == ',' || r == ' ' }) {
		i := slices.IndexFunc(list, func(c candidate) bool { return c.name == word })
		if n, err := strconv.Atoi(word); i < 0 && err == nil && 1 <= n && n <= len(list) {
			i = n - 1
		}
		if i < 0 {
			return nil, fmt.Errorf("there is no %q: write numbers or names of the list, all or none", word)
		}
		taken[i] = true
	}
	for i, c := range list {
		if taken[i] {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

// changes are the lines of a table for the config.
func (c candidate) changes() []config.Change {
	table := []string{"sensor", c.name}
	list := []config.Change{{Table: table, Key: "kind", Value: tomlString(c.Kind)}}
	for _, k := range c.Keys {
		list = append(list, config.Change{Table: table, Key: k.Name, Value: tomlValue(k)})
	}
	return list
}
