package chat

import (
	"strconv"
	"strings"
	"unicode"
)

// line returns what the person wrote: the body without the quote of the message
// that it replies to, and without blanks around it.
func (m *message) line() string {
	if m.room != "" {
		return m.order
	}
	return m.written()
}

func (m *message) written() string {
	return strings.TrimFunc(cutQuotes(cut(m.body, m.fallback())), blank)
}

// blank tells whether a character cannot be seen: white space, no-break and
// zero width spaces, marks of direction.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// A span is a range of code points, the end excluded.
type span struct{ start, end int }

// fallback returns the parts of the body that only repeat the message replied
// to (XEP-0461), as XEP-0428 marks them. Ranges that make no sense are left out.
func (m *message) fallback() []span {
	const all = int(^uint(0) >> 1)
	var spans []span
	for _, e := range m.children {
		if e.XMLName.Space != "urn:xmpp:fallback:0" || e.XMLName.Local != "fallback" {
			continue
		}
		if what, _ := attr(e.Attrs, "for"); what != "urn:xmpp:reply:0" {
			continue
		}
		if len(e.Children) == 0 {
			spans = append(spans, span{0, all})
		}
		for _, c := range e.Children {
			start, ok1 := offset(c, "start", 0)
			end, ok2 := offset(c, "end", all)
			if c.XMLName.Local == "body" && ok1 && ok2 && start < end {
				spans = append(spans, span{start, end})
			}
		}
	}
	return spans
}

// offset reads an attribute of a range; absent means otherwise.
func offset(c child, name string, otherwise int) (int, bool) {
	v, ok := attr(c.Attrs, name)
	if !ok {
		return otherwise, true
	}
	n, err := strconv.Atoi(v)
	return n, err == nil && n >= 0
}

// cut removes ranges of code points, which may overlap and lie outside.
func cut(s string, spans []span) string {
	if len(spans) == 0 {
		return s
	}
	runes := []rune(s)
	depth := make([]int, len(runes)+1) // how many more ranges cover a place than the one before
	for _, p := range spans {
		depth[min(p.start, len(runes))]++
		depth[min(p.end, len(runes))]--
	}
	kept, covered := make([]rune, 0, len(runes)), 0
	for i, c := range runes {
		if covered += depth[i]; covered == 0 {
			kept = append(kept, c)
		}
	}
	return string(kept)
}

// cutQuotes removes the lines before the text that start with ">" (XEP-0393):
// what clients without replies put above an answer. No command starts so.
func cutQuotes(s string) string {
	for {
		s = strings.TrimLeftFunc(s, blank)
		if !strings.HasPrefix(s, ">") {
			return s
		}
		_, s, _ = strings.Cut(s, "\n")
	}
}
