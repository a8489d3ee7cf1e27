package rule

import (
	"strconv"
	"strings"

	"pipit/agent"
)

// value reads what a name is compared with.
func (p *parser) value(n *node) error {
	const what = `a number, true, false, on, off, or a text in quotes`
	p.space()
	at := p.pos
	if text, err := p.quoted(); err != nil || text != nil {
		if err == nil {
			n.value = agent.Text(*text)
			err = p.equality(n, at)
		}
		return err
	}
	for _, word := range []string{"true", "on", "false", "off"} {
		if p.take(word) {
			n.value = agent.Bool(word == "true" || word == "on")
			return p.equality(n, at)
		}
	}
	f, err := p.number(what)
	if err != nil {
		return err
	}
	n.value = agent.Number(f)
	return p.unit(n)
}

// equality refuses what has no order; at is where the value began.
func (p *parser) equality(n *node, at int) error {
	if n.op == "==" || n.op == "!=" {
		return nil
	}
	p.pos = at
	return p.expected("a number behind " + n.op)
}

// quoted reads a text in single or double quotes, which it cannot hold itself;
// it is nil when something else comes.
func (p *parser) quoted() (*string, error) {
	quote := p.takeSign(`"`, "'")
	if quote == "" {
		return nil, nil
	}
	text, _, ok := strings.Cut(p.rest(), quote)
	if !ok {
		p.pos = len(p.s)
		return nil, p.expected("the closing " + quote)
	}
	p.pos += len(text) + 1
	return &text, nil
}

// number reads a decimal number: a sign, digits, a point and digits.
func (p *parser) number(what string) (float64, error) {
	p.space()
	s := p.rest()
	n := 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		n++
	}
	end := n + digits(s[n:])
	if end == n {
		return 0, p.expected(what)
	}
	if more := s[end:]; len(more) > 1 && more[0] == '.' && digits(more[1:]) > 0 {
		end += 1 + digits(more[1:])
	}
	f, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return 0, p.fail("the number is too large")
	}
	p.pos += end
	return f + 0, nil // minus zero becomes zero
}

func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

// unit reads the unit that may stand behind a number: the longest that fits.
func (p *parser) unit(n *node) error {
	at := p.pos
	p.space()
	found := 0
	for _, u := range agent.Units() {
		for _, s := range append([]string{u.Symbol}, u.Spellings...) {
			if len(s) > found && strings.HasPrefix(p.rest(), s) && ends(p.rest()[len(s):]) {
				found, n.unit = len(s), u.Symbol
			}
		}
	}
	p.pos += found
	if found == 0 && p.pos == at && !ends(p.rest()) {
		return p.expected("a space or a unit behind the number")
	}
	return nil
}

// ends tells whether a word ends before s.
func ends(s string) bool { return s == "" || strings.ContainsRune(" \t\n)", rune(s[0])) }
