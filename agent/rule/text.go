package rule

import (
	"strconv"
	"strings"

	"pipit/agent"
)

// String returns the normal form: one space between words, symbols of units,
// and no more parentheses than are needed. It parses to the same condition.
func (c *Cond) String() string { return c.root.String() }

func (n *node) String() string {
	switch n.kind {
	case isAnd, isOr:
		return n.joined()
	case isNot:
		return "not " + n.kids[0].inside(isNot)
	case isQuality:
		return n.name + " " + n.quality.String()
	case isChanges:
		return n.name + " changes"
	case isIn:
		return withUnit(n.name+" "+n.op+" "+number(n.low)+".."+number(n.high), n.unit)
	}
	return withUnit(n.name+" "+n.op+" "+literal(n.value), n.unit)
}

func (n *node) joined() string {
	word := " and "
	if n.kind == isOr {
		word = " or "
	}
	parts := make([]string, len(n.kids))
	for i, kid := range n.kids {
		parts[i] = kid.inside(n.kind)
	}
	return strings.Join(parts, word)
}

// inside writes a part of another, in parentheses where it would read otherwise.
func (n *node) inside(outer kind) string {
	if n.kind == isOr || n.kind == isAnd && outer == isNot {
		return "(" + n.String() + ")"
	}
	return n.String()
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// literal quotes a text with the quotes that it does not hold.
func literal(v agent.Value) string {
	switch {
	case v.Kind() != agent.IsText:
		return v.String()
	case strings.Contains(v.String(), `"`):
		return "'" + v.String() + "'"
	}
	return `"` + v.String() + `"`
}

func withUnit(s, unit string) string {
	if unit == "" {
		return s
	}
	return s + " " + unit
}
