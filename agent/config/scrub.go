package config

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hide returns a text that others may have had a hand in, such as an error of a
// server, with [hidden] in place of each secret of the config.
func (c *Config) Hide(text string) string {
	for _, secret := range c.secrets() {
		text = hideIn(text, secret)
	}
	return text
}

// secrets returns the passwords, from whichever source, and what stands in the
// file under keys that may hold a secret, the longest first.
func (c *Config) secrets() (list []string) {
	list = append(list, c.XMPP.Password.Reveal(), c.MQTT.Password.Reveal())
	for _, r := range c.Rooms {
		list = append(list, r.Password.Reveal())
	}
	list = secretsIn(list, "", c.written())
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	slices.SortFunc(list, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return slices.Compact(list)
}

// secretsIn appends the texts of a value that hide would take out.
func secretsIn(list []string, key string, value any) []string {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			if isSecret(key) {
				k = key
			}
			list = secretsIn(list, k, inner)
		}
	case []any:
		for _, inner := range v {
			list = secretsIn(list, key, inner)
		}
	case string:
		if isSecret(key) {
			return append(list, v)
		}
		if u, err := url.Parse(v); err == nil && u.Host != "" {
			password, _ := u.User.Password()
			list = append(list, password, u.RawQuery)
		}
	}
	return list
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
