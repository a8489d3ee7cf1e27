package config

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hider returns what takes the config's secrets, also those in the files that it
// names, out of a text that others may have had a hand in, such as an error of a
// server: there is [hidden] in the place of each.
func (c *Config) Hider() func(text string) string {
	secrets := c.secrets()
	return func(text string) string {
		for _, secret := range secrets {
			text = hideIn(text, secret)
		}
		return text
	}
}

// secrets returns the passwords, from whichever source, and what FindLeaks would
// find, the longest first.
func (c *Config) secrets() (list []string) {
	l := leaks{path: c.Path}
	l.table("", c.written())
	list = append(l.Secrets, c.XMPP.Password.Reveal(), c.MQTT.Password.Reveal())
	for _, r := range c.Rooms {
		list = append(list, r.Password.Reveal())
	}
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(list)
}

// surely is how many bytes of a secret are no part of a word by chance.
const surely = 5

// hideIn takes a secret out of a text; a short one only where it is a word.
func hideIn(text, secret string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, secret)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		shown := hidden
		if len(secret) < surely && (inWord(utf8.DecodeLastRuneInString(before)) || inWord(utf8.DecodeRuneInString(after))) {
			shown = secret
		}
		b.WriteString(shown)
		text = after
	}
}

func inWord(r rune, _ int) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
