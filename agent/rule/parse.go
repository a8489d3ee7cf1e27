package rule

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"pipit/agent"
)

// Bounds of a condition.
const (
	MaxCond  = 1024 // bytes, as written and in its normal form
	MaxTerms = 32   // comparisons and the like
	MaxDepth = 16   // parentheses and nots in one another
)

// Parse reads a condition; see the package comment for the grammar. An error
// gives the column, in characters from 1, and what was expected there.
func Parse(s string) (*Cond, error) {
	if len(s) > MaxCond {
		return nil, fmt.Errorf("the condition has %d bytes: at most %d are allowed", len(s), MaxCond)
	}
	if i := strings.IndexFunc(s, bad); i >= 0 {
		return nil, fmt.Errorf("column %d: a control character, or one that is not UTF-8", utf8.RuneCountInString(s[:i])+1)
	}
	p := parser{s: s}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(s) {
		return nil, p.expected("and, or, or the end")
	}
	c := &Cond{root: root, terms: p.terms}
	if n := len(c.String()); n > MaxCond {
		return nil, fmt.Errorf("the condition has %d bytes when its units are written out: at most %d are allowed", n, MaxCond)
	}
	return c, nil
}

func bad(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) && r != '\t' && r != '\n' }

type parser struct {
	s     string
	pos   int
	depth int
	terms []*node
}

func (p *parser) space() {
	p.pos = len(p.s) - len(strings.TrimLeft(p.s[p.pos:], " \t\n"))
}

func (p *parser) rest() string { return p.s[p.pos:] }

// fail returns an error for the place where the parser is.
func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("column %d: "+format, append([]any{utf8.RuneCountInString(p.s[:p.pos]) + 1}, args...)...)
}

func (p *parser) expected(what string) error {
	p.space()
	found, _, _ := strings.Cut(p.rest(), " ")
	switch {
	case found == "":
		return p.fail("expected %s, found the end", what)
	case len(found) > agent.MaxName:
		found = strings.ToValidUTF8(found[:agent.MaxName], "") + "..."
	}
	return p.fail("expected %s, found %q", what, found)
}

// peek returns the word, such as a name may be, that comes next.
func (p *parser) peek() string {
	p.space()
	n := strings.IndexFunc(p.rest(), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
	})
	if n < 0 {
		return p.rest()
	}
	return p.rest()[:n]
}

// take goes on behind word if that comes next.
func (p *parser) take(word string) bool {
	if p.peek() != word {
		return false
	}
	p.pos += len(word)
	return true
}

// takeSign goes on behind the first of some signs that comes next.
func (p *parser) takeSign(signs ...string) string {
	p.space()
	for _, s := range signs {
		if strings.HasPrefix(p.rest(), s) {
			p.pos += len(s)
			return s
		}
	}
	return ""
}

func (p *parser) or() (*node, error)  { return p.list(isOr, "or", p.and) }
func (p *parser) and() (*node, error) { return p.list(isAnd, "and", p.unary) }

// list reads parts joined by a word. One part stands for itself, and parts of
// the same kind become parts of this one.
func (p *parser) list(k kind, word string, part func() (*node, error)) (*node, error) {
	list := &node{kind: k}
	for {
		n, err := part()
		switch {
		case err != nil:
			return nil, err
		case n.kind == k:
			list.kids = append(list.kids, n.kids...)
		default:
			list.kids = append(list.kids, n)
		}
		if !p.take(word) {
			break
		}
	}
	if len(list.kids) == 1 {
		return list.kids[0], nil
	}
	return list, nil
}

func (p *parser) unary() (*node, error) {
	p.space()
	if p.depth > MaxDepth {
		return nil, p.fail("more than %d parentheses and nots in one another", MaxDepth)
	}
	p.depth++
	defer func() { p.depth-- }()
	switch {
	case p.take("not"):
		n, err := p.unary()
		return &node{kind: isNot, kids: []*node{n}}, err
	case p.takeSign("(") != "":
		n, err := p.or()
		if err == nil && p.takeSign(")") == "" {
			return nil, p.expected(`and, or, or ")"`)
		}
		return n, err
	}
	return p.term()
}

func (p *parser) term() (*node, error) {
	name := p.peek()
	if name == "" || name == "and" || name == "or" || name == "in" {
		return nil, p.expected(`the name of a reading, not, or "("`)
	}
	if err := agent.CheckName(name); err != nil {
		return nil, p.fail("%w", err)
	}
	if len(p.terms) == MaxTerms {
		return nil, p.fail("more than %d comparisons", MaxTerms)
	}
	p.pos += len(name)
	n := &node{name: name}
	p.terms = append(p.terms, n)
	return n, p.predicate(n)
}

// predicate reads what is said of a name.
func (p *parser) predicate(n *node) error {
	switch word := p.peek(); word {
	case "changes":
		n.kind = isChanges
		p.take(word)
		return nil
	case "stale", "fault", "missing":
		n.kind = isQuality
		n.quality, _ = agent.ParseQuality(word)
		p.take(word)
		return nil
	case "in":
		p.take(word)
		return p.between(n, "in")
	case "not":
		p.take(word)
		if !p.take("in") {
			return p.expected("in")
		}
		return p.between(n, "not in")
	}
	if n.op = p.takeSign(">=", "<=", "==", "!=", ">", "<"); n.op == "" {
		return p.expected(fmt.Sprintf("behind %s one of > < >= <= == !=, in, not in, stale, fault, missing, changes", n.name))
	}
	n.kind = isCompare
	return p.value(n)
}

func (p *parser) between(n *node, op string) (err error) {
	n.kind, n.op = isIn, op
	if n.low, err = p.number("a range such as 2..8"); err != nil {
		return err
	}
	if p.takeSign("..") == "" {
		return p.expected(`".." and a number`)
	}
	at := p.pos
	if n.high, err = p.number("a number"); err != nil {
		return err
	}
	if n.low > n.high {
		p.pos = at
		return p.fail("the range ends below its start: write the smaller number first")
	}
	return p.unit(n)
}
