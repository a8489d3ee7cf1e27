package config

import "strings"

// A layout says where in a text its tables and keys stand.
type layout struct {
	text    string
	root    *node
	headers []header
	entries []entry
}

// A header is a line [a.b] or [[a.b]].
type header struct {
	table *node
	last  int // offset behind the last key of its own, else behind its bracket
}

// An entry is a key = value that stands in no inline table.
type entry struct {
	at         *node
	start, end int // offsets of the value
}

// layOut finds the places of a text that the toml module reads.
func layOut(text string) (*layout, error) {
	l := &layout{text: text, root: &node{at: 1}}
	s := &scanner{text: strings.TrimPrefix(text, "\ufeff"), line: 1}
	table := l.root
	for {
		s.skip(" \t\r\n#")
		var err error
		switch s.peek() {
		case 0:
			return l, nil
		case '[':
			table, err = s.header(l.root)
			l.headers = append(l.headers, header{table, l.offset(s)})
		default:
			err = l.entry(s, table)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (l *layout) offset(s *scanner) int { return len(l.text) - len(s.text) }

func (l *layout) entry(s *scanner, table *node) error {
	at, err := s.left(table)
	if err != nil {
		return err
	}
	s.skip(" \t")
	start := l.offset(s)
	if err := s.value(at, 0); err != nil {
		return err
	}
	end := start + len(strings.TrimRight(l.text[start:l.offset(s)], " \t\r")) // of a bare value
	l.entries = append(l.entries, entry{at, start, end})
	if n := len(l.headers); n > 0 {
		l.headers[n-1].last = end
	}
	return nil
}

// apply makes a change of the text where it looks possible; the caller
// verifies what comes out.
func (l *layout) apply(c Change) (string, error) {
	table := l.root.find(c.Table)
	if key := table.find([]string{c.Key}); key != nil {
		return l.replace(key, c)
	}
	for _, h := range l.headers {
		if h.table == table && table != nil {
			return l.insert(h.last, c), nil
		}
	}
	if table != nil && !l.onlyAbove(c.Table) {
		return "", &ByHandError{Line: table.at, Text: "this table is written inline or by dotted keys", Change: c}
	}
	return l.append(c), nil
}

// onlyAbove tells whether a table is known only from headers of those below it.
func (l *layout) onlyAbove(path []string) bool {
	above := make(map[*node]bool)
	for _, h := range l.headers {
		above[h.table] = true
	}
	for _, kid := range l.root.find(path).kids {
		if !above[kid] {
			return false
		}
	}
	return true
}

func (l *layout) replace(key *node, c Change) (string, error) {
	for _, e := range l.entries {
		switch old := l.text[e.start:e.end]; {
		case e.at != key:
		case strings.Contains(old, "\n") && strings.Contains(old, "#"): // there may be comments inside
			return "", &ByHandError{Line: key.at, Text: "this value has several lines", Change: c}
		default:
			return l.text[:e.start] + c.Value + l.text[e.end:], nil
		}
	}
	return "", &ByHandError{Line: key.at, Text: "this is in an inline table, or a table itself", Change: c}
}

// insert adds a key behind the line of an offset, and behind the comments that
// go on from there, which begin with a space.
func (l *layout) insert(at int, c Change) string {
	rest := l.text[at:]
	done := strings.IndexByte(rest, '\n') + 1
	if done == 0 {
		return l.text + l.lineEnd() + c.line() + l.lineEnd()
	}
	for {
		line, _, found := strings.Cut(rest[done:], "\n")
		bare := strings.TrimLeft(line, " \t")
		if !found || bare == line || !strings.HasPrefix(bare, "#") {
			break
		}
		done += len(line) + 1
	}
	at += done
	return l.text[:at] + c.line() + l.lineEnd() + l.text[at:]
}

// append adds a table with a key.
func (l *layout) append(c Change) string {
	end, text := l.lineEnd(), l.text
	if strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")) != "" {
		if !strings.HasSuffix(text, "\n") {
			text += end
		}
		text += end
	}
	return text + strings.ReplaceAll(c.String(), "\n", end) + end
}

// lineEnd is how the lines of the text end.
func (l *layout) lineEnd() string {
	if first := strings.IndexByte(l.text, '\n'); first > 0 && l.text[first-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
