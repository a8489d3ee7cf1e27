package diag

import (
	"regexp"
	"strings"
)

// A Redactor takes secrets and names out of texts. It is for one goroutine.
type Redactor struct {
	secrets *secrets
	names   *names
	raw     bool
}

// New returns a Redactor for secrets and names that are known. With raw, names
// stay; secrets never do. A secret of less than 4 bytes is only found where it is
// a word of its own.
func New(secrets []string, known []Name, raw bool) *Redactor {
	return &Redactor{secrets: newSecrets(secrets), names: newNames(known), raw: raw}
}

// Learn notes the names in a text, so that Text finds them in every file where
// their form alone does not tell: a domain of a JID, for one.
func (r *Redactor) Learn(text string) { r.Text(text) }

// Text returns a text that may be shown. Of what it has returned it changes
// nothing any more.
func (r *Redactor) Text(text string) string {
	text = strings.ToValidUTF8(text, "?")
	for range maxRounds {
		was := text
		text = privateKey.ReplaceAllLiteralString(r.secrets.hide(text), "a private key: "+r.secrets.mask)
		var b strings.Builder
		for line := range strings.Lines(text) {
			b.WriteString(r.line(line))
		}
		if text = r.secrets.hide(b.String()); text == was {
			return text
		}
	}
	return r.secrets.mask
}

func (r *Redactor) line(text string) string {
	text = looksSecret(text, r.secrets.mask)
	if !r.raw {
		text = r.names.hide(text)
	}
	return text
}

var privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`)

// likely are texts that look like secrets; the first group stays.
var likely = []*regexp.Regexp{
	regexp.MustCompile(`(?i)((?:passw(?:or)?d|passphrase|secret|token|api_?key|credential|psk|previd|smid)[\w.-]*(?:\s*=\s*|"\s*:\s*))("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"',;&<>]+)`),
	regexp.MustCompile(`(?i)(--?(?:password|passwd|token|secret)\s+)([^\s"',;]+)`),
	regexp.MustCompile(`(?i)(authorization["']?\s*[:=]\s*)([^\n]+)`),
	regexp.MustCompile(`(?i)(\bbearer\s+)([^\s"',;]{8,})`),
	regexp.MustCompile(`(?i)(SetCredential(?:Encrypted)?=[^:\s]+:)([^\n]+)`),
	regexp.MustCompile(`(?i)(<(?:auth|response|challenge|success|password|token)\b[^>]*>)([^<\n]+)`),
	regexp.MustCompile(`(<enabled\b[^>]*\bid=["'])([^"']+)`),
	regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://[^\s/@:"']*:)([^\s/@"']+)@`),
}

// looksSecret takes out what looks like a secret and is none that is known. A
// key that ends in _file names where one is.
func looksSecret(text, mask string) string {
	for _, form := range likely {
		text = form.ReplaceAllStringFunc(text, func(match string) string {
			m := form.FindStringSubmatch(match)
			if key := strings.TrimRight(m[1], " \t\":="); strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_files") {
				return match
			}
			value, end := mask, ""
			if len(m) > 2 && len(m[2]) > 1 && strings.ContainsAny(m[2][:1], `"'`) {
				value = m[2][:1] + mask + m[2][:1]
			}
			if strings.HasSuffix(match, "@") {
				end = "@"
			}
			return m[1] + value + end
		})
	}
	return text
}
