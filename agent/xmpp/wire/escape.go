package wire

import "unicode/utf8"

// Escape appends s as XML text. Invalid UTF-8 and characters that XML does not
// allow become U+FFFD: a server closes the stream that holds one of them.
func Escape(b []byte, s string) []byte { return escape(b, s, false) }

// Attr appends an attribute with a space before it: key='value'. It appends
// nothing when value is "". The key must be a name.
func Attr(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ' ')
	b = append(b, key...)
	b = append(b, "='"...)
	b = escape(b, value, true)
	return append(b, '\'')
}

func escape(b []byte, s string, attr bool) []byte {
	last := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if e := entity(r, n, attr); e != "" {
			b = append(b, s[last:i]...)
			b = append(b, e...)
			last = i + n
		}
		i += n
	}
	return append(b, s[last:]...)
}

// plain holds the ASCII characters that stand for themselves everywhere.
var plain = func() (t [256]bool) {
	for c := rune(' '); c < utf8.RuneSelf; c++ {
		t[c] = entity(c, 1, true) == ""
	}
	return t
}()

// entity returns what to write for a character that cannot stand for itself,
// else "". n is the number of bytes it was decoded from.
func entity(r rune, n int, attr bool) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\'':
		return "&#39;"
	case '"':
		return "&#34;"
	case '\r': // a parser would turn it into a line feed
		return "&#13;"
	case '\t', '\n': // in an attribute a parser would turn it into a space
		switch {
		case !attr:
			return ""
		case r == '\t':
			return "&#9;"
		default:
			return "&#10;"
		}
	}
	if !isChar(r) || r == utf8.RuneError && n == 1 {
		return "\uFFFD"
	}
	return ""
}

// isChar tells whether XML 1.0 allows a character (production 2).
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		0x20 <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= utf8.MaxRune
}
