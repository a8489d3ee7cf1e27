package main

import (
	"fmt"
	"slices"
	"strings"

	"pipit/agent"
	"pipit/agent/config"
)

// changes is what differs between the config in force and the next one.
type changes struct {
	old, now          *config.Config
	link, mqtt, rules bool
	fresh             []agent.Task // the sensors as the next config has made them
}

// differences finds out what differs. An empty old config differs in all.
func differences(old, now *config.Config) *changes {
	c := &changes{old: old, now: now, mqtt: old.Path == "" || !old.SameMQTT(now)}
	c.rules = slices.ContainsFunc([]string{"rule", "alerts", "quiet", "room"}, func(table string) bool { return !old.Same(now, table) })
	c.link = old.Path == "" || !old.SameXMPP(now) || !old.SameFace(now)
	return c
}

// keepSensors is differences, and puts the sensors that do not differ in the place
// of those that the next config made: once for each config.
func keepSensors(old, now *config.Config) *changes {
	c := differences(old, now)
	c.fresh = slices.Clone(now.Sensors)
	for i, t := range now.Sensors {
		if j := indexTask(old.Sensors, t.Name); j >= 0 && !c.sensor(t.Name) {
			now.Sensors[i] = old.Sensors[j]
		}
	}
	return c
}

func indexTask(tasks []agent.Task, name string) int {
	return slices.IndexFunc(tasks, func(t agent.Task) bool { return t.Name == name })
}

func (c *changes) sensor(name string) bool { return !c.old.Same(c.now, "sensor", name) }

// output tells whether an output must begin anew. One of an import does with its link.
func (c *changes) output(t agent.OutputTask) bool {
	if t.Remote {
		return c.mqtt
	}
	return !c.old.Same(c.now, "output", t.Name)
}

// anew returns tasks with sensors that nothing has read yet.
func (c *changes) anew(tasks []agent.Task) (list []agent.Task) {
	for _, t := range tasks {
		list = append(list, c.fresh[indexTask(c.fresh, t.Name)])
	}
	return list
}

// sameTasks tells whether a bus needs no exchange.
func (c *changes) sameTasks(had, tasks []agent.Task) bool {
	return slices.EqualFunc(had, tasks, func(a, b agent.Task) bool { return a.Name == b.Name && !c.sensor(b.Name) })
}

// mostChanges are named; of more there is a count.
const mostChanges = 12

// String names the tables that differ, "nothing" when none does.
func (c *changes) String() string {
	var list []string
	for _, table := range []string{"device", "xmpp", "people", "roles", "field", "rule", "alerts", "quiet", "room", "command", "mqtt"} {
		if !c.old.Same(c.now, table) || table == "xmpp" && !c.old.SameXMPP(c.now) && c.old.Same(c.now, "room") || table == "mqtt" && c.mqtt {
			list = append(list, "["+table+"]")
		}
	}
	for _, table := range []string{"sensor", "output"} {
		for _, name := range c.names(table) {
			if !c.old.Same(c.now, table, name) {
				list = append(list, "["+table+"."+name+"]")
			}
		}
	}
	if len(list) == 0 {
		return "nothing"
	}
	if n := len(list) - mostChanges; n > 0 {
		list = append(list[:mostChanges], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(list, ", ")
}

// names returns the sensors or outputs of both configs, each once.
func (c *changes) names(table string) (names []string) {
	for _, cfg := range []*config.Config{c.old, c.now} {
		if table == "output" {
			names = append(names, outputNames(cfg.Outputs)...)
			continue
		}
		for _, t := range cfg.Sensors {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// groups returns the outputs in groups that interlocks join, in the order of the file.
func groups(tasks []agent.OutputTask) (list [][]agent.OutputTask) {
	for len(tasks) > 0 {
		names := []string{tasks[0].Name}
		for i := 0; i < len(names); i++ {
			for _, t := range tasks {
				if slices.Contains(t.Interlock, names[i]) && !slices.Contains(names, t.Name) {
					names = append(names, t.Name)
				}
			}
		}
		var group, rest []agent.OutputTask
		for _, t := range tasks {
			if slices.Contains(names, t.Name) {
				group = append(group, t)
			} else {
				rest = append(rest, t)
			}
		}
		list, tasks = append(list, group), rest
	}
	return list
}

func outputNames(tasks []agent.OutputTask) (names []string) {
	for _, t := range tasks {
		names = append(names, t.Name)
	}
	return names
}

func sameNames(a, b []agent.OutputTask) bool { return slices.Equal(outputNames(a), outputNames(b)) }

// executorName is the name of a group's executor among the parts.
func executorName(group []agent.OutputTask) string {
	return "outputs " + strings.Join(outputNames(group), " ")
}
