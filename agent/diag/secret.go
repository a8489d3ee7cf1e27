package diag

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	minSecret = 4 // bytes; a shorter one is taken out where it is a word of its own
	maxRounds = 8
)

// masks take the place of a secret; one that holds no secret is taken.
var masks = []string{"[hidden]", "[***]", "\u2588\u2588\u2588\u2588", "~~~~", "!!!!", ""}

// secrets takes known texts out of others.
type secrets struct {
	forms []string // of the secrets, the longest first
	short []string // words
	mask  string
}

func newSecrets(list []string) *secrets {
	s := &secrets{}
	for _, secret := range list {
		switch {
		case secret == "":
		case len(secret) < minSecret:
			s.short = append(s.short, secret)
		default:
			s.forms = append(s.forms, Forms(secret)...)
		}
	}
	slices.SortFunc(s.forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	s.forms = slices.Compact(s.forms)
	for _, m := range masks {
		if s.mask = m; !slices.ContainsFunc(s.forms, func(f string) bool { return strings.Contains(m, f) }) && !slices.Contains(s.short, strings.Trim(m, "[]")) {
			break
		}
	}
	return s
}

// Forms returns what a secret of at least 4 bytes looks like where it may be
// written: as it is, in URLs, JSON, TOML, XML, Go, base64 (also in the midst of
// something longer, as in SASL PLAIN) and hex.
func Forms(secret string) []string {
	forms := []string{
		secret, strings.Join(strings.Fields(secret), " "),
		url.QueryEscape(secret), url.PathEscape(secret), percent(secret),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		strings.Trim(strconv.Quote(secret), `"`), strings.Trim(strconv.QuoteToASCII(secret), `"`),
	}
	for _, f := range forms[2:5] {
		forms = append(forms, lowerPercent(f))
	}
	if b, err := json.Marshal(secret); err == nil {
		forms = append(forms, string(b[1:len(b)-1]))
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(secret) == nil {
		forms = append(forms, strings.TrimSuffix(b.String()[1:], "\"\n"))
	}
	b.Reset()
	if xml.EscapeText(&b, []byte(secret)) == nil {
		forms = append(forms, b.String())
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, inBase64(enc, secret)...)
	}
	return slices.DeleteFunc(forms, func(f string) bool { return len(f) < minSecret })
}

// inBase64 returns the characters that a secret has at each of the three places
// it may begin at, without those that depend on its neighbours.
func inBase64(enc *base64.Encoding, secret string) (forms []string) {
	for before := range 3 {
		text := enc.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
		first := (before*8 + 5) / 6
		forms = append(forms, text[first:(before+len(secret))*8/6])
	}
	return forms
}

// percent writes every byte as in a URL.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{s[i]})))
	}
	return b.String()
}

// lowerPercent writes the hex digits of escapes in lower case.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(s[i+1:i+3]))
		}
	}
	return string(b)
}

// hide takes the secrets out. What is beside a mask may make a secret together
// with it, so it looks again; a text that never comes clean is given up.
func (s *secrets) hide(text string) string {
	for _, word := range s.short {
		text = replaceWords(text, word, s.mask, isWord)
	}
	for range maxRounds {
		was := text
		for _, f := range s.forms {
			text = strings.ReplaceAll(text, f, s.mask)
		}
		if text == was {
			return text
		}
	}
	return s.mask
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= 0x80
}

// replaceWords replaces a text where no byte of a word is beside it.
func replaceWords(text, old, with string, word func(byte) bool) string {
	var b strings.Builder
	done := 0
	for from := 0; ; {
		i := strings.Index(text[from:], old)
		if i < 0 {
			return b.String() + text[done:]
		}
		i += from
		end := i + len(old)
		if i > 0 && word(text[i-1]) || end < len(text) && word(text[end]) {
			from = i + 1
			continue
		}
		b.WriteString(text[done:i] + with)
		done, from = end, end
	}
}
