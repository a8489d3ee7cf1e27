package sensors

import (
	"slices"
	"strconv"

	"pipit/agent"
)

// maxFields bounds what one Read may give, above what the poller keeps and logs.
const maxFields = 512

// fieldList collects the readings of one Read. Of two fields with one name the
// first stays.
type fieldList struct {
	readings []agent.Reading
	want     []string // globs of the fields to keep; empty keeps all
}

func (l *fieldList) add(r agent.Reading) {
	if len(l.readings) < maxFields && l.wants(r.Name) && !l.has(r.Name) {
		l.readings = append(l.readings, r)
	}
}

func (l *fieldList) wants(name string) bool {
	return len(l.want) == 0 || slices.ContainsFunc(l.want, func(glob string) bool { return agent.Match(glob, name) })
}

func (l *fieldList) has(name string) bool {
	return slices.ContainsFunc(l.readings, func(r agent.Reading) bool { return r.Name == name })
}

func (l *fieldList) number(name string, v float64, unit string) {
	l.add(agent.Reading{Name: name, Value: tidy(v, unit), Unit: unit})
}

func (l *fieldList) uncertain(name string, v float64, unit, reason string) {
	l.add(agent.Reading{Name: name, Value: tidy(v, unit), Unit: unit, Quality: agent.Uncertain, Reason: reason})
}

// tidy takes off the digits that come from arithmetic and not from the kernel.
func tidy(v float64, unit string) agent.Value {
	decimals := 6
	switch unit {
	case "%":
		decimals = 2
	case "MiB":
		decimals = 1
	}
	return agent.Number(v).Round(decimals)
}

func (l *fieldList) bool(name string, b bool) {
	l.add(agent.Reading{Name: name, Value: agent.Bool(b)})
}

// fail adds names without value: Missing for an *agent.MissingError, else Fault.
func (l *fieldList) fail(err error, names ...string) {
	q := agent.Fault
	if isMissing(err) {
		q = agent.Missing
	}
	for _, name := range names {
		l.add(agent.Reading{Name: name, Quality: q, Reason: err.Error()})
	}
}

// unique returns base, with a number behind it when that name is taken.
func (l *fieldList) unique(base string) string {
	name := base
	for i := 2; l.has(name); i++ {
		name = base + "_" + strconv.Itoa(i)
	}
	return name
}
