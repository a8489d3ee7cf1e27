package rule

import (
	"slices"

	"pipit/agent"
)

// State is the answer to a condition.
type State uint8

const (
	Unknown State = iota // no reading to judge by: neither fires nor clears
	False
	True
)

var stateWords = [...]string{"unknown", "false", "true"}

// String returns the word for people.
func (s State) String() string { return stateWords[min(int(s), len(stateWords)-1)] }

// not is True for False, False for True, and Unknown stays.
func (s State) not() State {
	switch s {
	case True:
		return False
	case False:
		return True
	}
	return Unknown
}

func stateOf(b bool) State {
	if b {
		return True
	}
	return False
}

type kind uint8

const (
	isAnd kind = iota
	isOr
	isNot
	isCompare // name op value unit
	isIn      // name in low..high unit; op is "in" or "not in"
	isQuality // name quality
	isChanges // name changes
)

// node is a part of a condition; which fields count depends on kind.
type node struct {
	kind      kind
	kids      []*node
	name, op  string
	value     agent.Value
	low, high float64
	unit      string // a symbol of the unit table, or ""
	quality   agent.Quality
}

// A Cond is a condition over readings. It does not change and may be used from
// any goroutine.
type Cond struct {
	root  *node
	terms []*node
}

// Names returns the names of the readings that count, each once, in the order
// of the condition.
func (c *Cond) Names() (names []string) {
	for _, t := range c.terms {
		if !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
	}
	return names
}

// Thresholds returns the numbers that a reading is compared with, ascending,
// each once: the lines of a chart.
func (c *Cond) Thresholds(name string) (numbers []float64) {
	for _, t := range c.terms {
		switch f, _ := t.value.Float(); {
		case t.name != name:
		case t.kind == isIn:
			numbers = append(numbers, t.low, t.high)
		case t.kind == isCompare && t.value.Kind() == agent.IsNumber:
			numbers = append(numbers, f)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// Units returns the units that are written behind the numbers for a reading,
// each once. A reading in another unit makes the comparison Unknown.
func (c *Cond) Units(name string) (units []string) {
	for _, t := range c.terms {
		if t.name == name && t.unit != "" && !slices.Contains(units, t.unit) {
			units = append(units, t.unit)
		}
	}
	return units
}

// Crosses tells whether a comparison of the condition has another answer for
// now than for before: what agent.Fields.Crosses asks.
func (c *Cond) Crosses(name string, before, now agent.Value) bool {
	return slices.ContainsFunc(c.terms, func(t *node) bool {
		return t.name == name && t.test(before) != t.test(now)
	})
}

// Eval judges the condition. get returns the newest reading of a name; changed
// tells whether the value of a name differs from the one before, and may be nil:
// no. A comparison, and changes, is Unknown for a reading that is not OK, and a
// comparison also for one of another unit or kind of value; stale, fault and
// missing are always known. An unknown part does not matter where the others decide.
func (c *Cond) Eval(get func(name string) (agent.Reading, bool), changed func(name string) bool) State {
	return c.root.eval(get, changed)
}

func (n *node) eval(get func(string) (agent.Reading, bool), changed func(string) bool) State {
	switch n.kind {
	case isNot:
		return n.kids[0].eval(get, changed).not()
	case isAnd, isOr:
		return n.join(get, changed)
	}
	r, ok := get(n.name)
	if !ok {
		r = agent.Reading{Quality: agent.Missing}
	}
	switch {
	case n.kind == isQuality:
		return stateOf(r.Quality == n.quality)
	case !r.OK():
		return Unknown
	case n.kind == isChanges:
		return stateOf(changed != nil && changed(n.name))
	case n.unit != "" && n.unit != r.Unit:
		return Unknown
	}
	return n.test(r.Value)
}

// join is the three-valued and, or: False or True decides, then Unknown.
func (n *node) join(get func(string) (agent.Reading, bool), changed func(string) bool) State {
	decides := False
	if n.kind == isOr {
		decides = True
	}
	all := decides.not()
	for _, kid := range n.kids {
		switch kid.eval(get, changed) {
		case decides:
			return decides
		case Unknown:
			all = Unknown
		}
	}
	return all
}

// test compares a value; it is Unknown for one of another kind.
func (n *node) test(v agent.Value) State {
	f, isNumber := v.Float()
	want, _ := n.value.Float()
	switch {
	case n.kind == isIn && isNumber:
		return stateOf((n.low <= f && f <= n.high) == (n.op == "in"))
	case n.kind == isCompare && n.value.Kind() == agent.IsNumber && isNumber:
		return stateOf(compare(f, n.op, want))
	case n.kind == isCompare && n.value.Kind() == v.Kind():
		return stateOf((v == n.value) == (n.op == "=="))
	}
	return Unknown
}

func compare(a float64, op string, b float64) bool {
	switch op {
	case ">":
		return a > b
	case "<":
		return a < b
	case ">=":
		return a >= b
	case "<=":
		return a <= b
	case "==":
		return a == b
	}
	return a != b
}
