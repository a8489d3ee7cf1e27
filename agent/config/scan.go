package config

import "strings"

// A scanner walks over TOML text. It accepts more than TOML, never less.
type scanner struct {
	text string // what is left
	line int
	keys int
}

// peek returns the next byte, 0 at the end: TOML has no zero byte.
func (s *scanner) peek() byte {
	if s.text == "" {
		return 0
	}
	return s.text[0]
}

func (s *scanner) advance(n int) string {
	done := s.text[:n]
	s.line += strings.Count(done, "\n")
	s.text = s.text[n:]
	return done
}

// skip passes the given bytes and, if # is one of them, comments.
func (s *scanner) skip(set string) {
	for {
		s.advance(len(s.text) - len(strings.TrimLeft(s.text, strings.TrimSuffix(set, "#"))))
		if s.peek() != '#' || !strings.HasSuffix(set, "#") {
			return
		}
		s.advance(s.until("\n"))
	}
}

// until returns how far it is to the first of the given bytes or the end.
func (s *scanner) until(set string) int {
	if i := strings.IndexAny(s.text, set); i >= 0 {
		return i
	}
	return len(s.text)
}

// header reads [a.b] or [[a.b]] and returns its node.
func (s *scanner) header(root *node) (*node, error) {
	s.advance(1)
	if s.peek() == '[' {
		s.advance(1)
	}
	table, err := s.key(root)
	if err != nil {
		return nil, err
	}
	if s.peek() != ']' {
		return nil, errMalformed
	}
	s.skip("]")
	return table, nil
}

// pair reads key = value below a table.
func (s *scanner) pair(table *node, depth int) error {
	at, err := s.left(table)
	if err != nil {
		return err
	}
	return s.value(at, depth)
}

// left reads key = below a table.
func (s *scanner) left(table *node) (*node, error) {
	at, err := s.key(table)
	if err != nil {
		return nil, err
	}
	if s.peek() != '=' {
		return nil, errMalformed
	}
	s.advance(1)
	return at, nil
}

// key reads a dotted key and returns its node, made if it is new.
func (s *scanner) key(at *node) (*node, error) {
	start := len(s.text)
	for parts := 1; ; parts++ {
		s.skip(" \t")
		part, err := s.part()
		if err != nil {
			return nil, err
		}
		at = s.mention(at, part)
		s.skip(" \t")
		switch {
		case parts > maxParts:
			return nil, errDeep
		case start-len(s.text) > maxKeyText:
			return nil, errLongKey
		case s.keys > maxKeys:
			return nil, errManyKeys
		case s.peek() != '.':
			return at, nil
		}
		s.advance(1)
	}
}

func (s *scanner) mention(n *node, part string) *node {
	s.keys++
	kid := n.kids[part]
	if kid == nil {
		kid = &node{at: s.line, seq: s.keys}
		if n.kids == nil {
			n.kids = make(map[string]*node)
		}
		n.kids[part] = kid
	}
	return kid
}

// part reads one bare or quoted part of a key.
func (s *scanner) part() (string, error) {
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		word := s.advance(s.until(" \t\r\n.=[]{},#\"'"))
		if word == "" {
			return "", errMalformed
		}
		return word, nil
	}
	raw, err := s.quoted(string(quote))
	if err != nil {
		return "", err
	}
	return unquote(raw)
}

// unquote lets the toml module resolve the escapes, so that both agree.
func unquote(raw string) (string, error) {
	if inner := raw[1 : len(raw)-1]; raw[0] == '\'' || !strings.Contains(inner, `\`) {
		return inner, nil
	}
	var v struct{ K string }
	if err := decodeTOML("K = "+raw, &v); err != nil {
		return "", errMalformed
	}
	return v.K, nil
}

// quoted passes a string in the given quotes and returns it with them.
func (s *scanner) quoted(quote string) (string, error) {
	for i := len(quote); i < len(s.text); i++ {
		switch {
		case s.text[i] == '\\' && quote[0] == '"':
			i++
		case len(quote) == 1 && s.text[i] == '\n':
			return "", errMalformed
		case strings.HasPrefix(s.text[i:], quote):
			end := i + len(quote)
			for n := 0; n < 2 && len(quote) == 3 && strings.HasPrefix(s.text[end:], quote[:1]); n++ {
				end++ // """"" closes a string that ends in quotes
			}
			return s.advance(end), nil
		}
	}
	return "", errMalformed
}

// value passes a value and indexes the inline tables in it.
func (s *scanner) value(at *node, depth int) error {
	s.skip(" \t")
	if depth > maxNesting {
		return errDeep
	}
	switch c := s.peek(); c {
	case '"', '\'':
		quote := string(c)
		if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.text, triple) {
			quote = triple
		}
		_, err := s.quoted(quote)
		return err
	case '[':
		return s.items("]", func() error { return s.value(at, depth+1) })
	case '{':
		return s.items("}", func() error { return s.pair(at, depth+1) })
	}
	if s.advance(s.until(",]}#\n")) == "" {
		return errMalformed
	}
	return nil
}

// items passes a list or an inline table, one item after the other.
func (s *scanner) items(end string, item func() error) error {
	s.advance(1)
	for {
		s.skip(" \t\r\n,#")
		switch s.peek() {
		case 0:
			return errMalformed
		case end[0]:
			s.advance(1)
			return nil
		}
		if err := item(); err != nil {
			return err
		}
	}
}
