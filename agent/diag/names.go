package diag

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Name is a text that tells who or where somebody is, and the word that its
// pseudonyms begin with, such as host or place.
type Name struct{ Kind, Text string }

// names gives pseudonyms: the same one for the same name.
type names struct {
	given map[string]string // by kind NUL name
	count map[string]int
	known []Name // that are looked for as words, the longest first
}

func newNames(known []Name) *names {
	n := &names{given: make(map[string]string), count: make(map[string]int)}
	for _, k := range known {
		n.learn(k.Kind, k.Text)
	}
	return n
}

// usual are names that tell nothing, or that logs are full of.
var usual = []string{"localhost", "localdomain", "raspberrypi", "pipit", "debian", "linux", "root", "none", "null", "true", "false", "hidden",
	"jid", "domain", "host", "place", "user", "room", "serial", "machine", "ssid", "uuid", "mac", "ip6", "res", "position"}

var isPseudonym = regexp.MustCompile(`^(jid|domain|host|place|user|room|serial|machine|ssid|uuid|mac|ip|ip6|res|name)-\d+$`).MatchString

// learn has a name looked for in texts, where it is more than a usual word.
func (n *names) learn(kind, text string) {
	text = strings.TrimSpace(text)
	if len(text) < 3 || slices.Contains(usual, strings.ToLower(text)) || isPseudonym(text) || strings.Trim(text, "0123456789") == "" {
		return
	}
	for _, k := range n.known {
		if k.Text == text {
			return
		}
	}
	n.known = append(n.known, Name{kind, text})
	slices.SortStableFunc(n.known, func(a, b Name) int { return cmp.Compare(len(b.Text), len(a.Text)) })
}

func (n *names) pseudonym(kind, name string) string {
	if isPseudonym(name) {
		return name
	}
	key := kind + "\x00" + strings.ToLower(name)
	if _, ok := n.given[key]; !ok {
		n.count[kind]++
		n.given[key] = kind + "-" + strconv.Itoa(n.count[kind])
	}
	return n.given[key]
}

// A pattern is a form that names have; to is what takes the place of a match,
// by its groups.
type pattern struct {
	hint string // a line without it has no match; in lower case
	form *regexp.Regexp
	to   func(n *names, m []string) string
}

const label = `[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?`

// patterns are tried in this order.
var patterns = []pattern{
	{"$", regexp.MustCompile(`\$[A-Z]{2,5}(?:GGA|RMC|GLL|GNS)[^\s"']*`), func(*names, []string) string { return "position" }},
	{"l", regexp.MustCompile(`(?i)\b((?:gps|gnss)?[._]?(?:lat|lon|lng)(?:itude)?)(["']?\s*[:=]?\s*)(["']?)([-+]?\d+(?:\.\d+)?)`), func(_ *names, m []string) string {
		if m[2] == "" {
			return m[0]
		}
		return m[1] + m[2] + quoted(m[2], m[3], "position")
	}},
	{"geo:", regexp.MustCompile(`\bgeo:[-0-9.,]+`), func(*names, []string) string { return "geo:position" }},
	{".", regexp.MustCompile(`[-+]?\b\d{1,2}\.\d{4,}\s*,\s*[-+]?\d{1,3}\.\d{4,}\b`), func(*names, []string) string { return "position" }},
	{"ssid", regexp.MustCompile(`(?i)(\be?ssid["']?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*'|[^\s"',;]+)`), func(n *names, m []string) string { return m[1] + n.inQuotes("ssid", m[2]) }},
	{"serial", regexp.MustCompile(`(?i)(serial[\w-]*["']?\s*[:=]\s*)("[^"\n]*"|[^\s"',;]+)`), func(n *names, m []string) string {
		if !strings.ContainsAny(m[2], "0123456789") || strings.Contains(m[2], "/") {
			return m[0]
		}
		return m[1] + n.inQuotes("serial", m[2])
	}},
	{"/by-id/", regexp.MustCompile(`(/by-id/)([^\s"',;]+)`), func(n *names, m []string) string { return m[1] + n.pseudonym("serial", m[2]) }},
	{"-", regexp.MustCompile(`\b([0-9a-f]{2}-)([0-9a-f]{12})\b`), func(n *names, m []string) string { return m[1] + n.pseudonym("serial", m[2]) }},
	{"partuuid=", regexp.MustCompile(`(PARTUUID=)([^\s"',;]+)`), func(n *names, m []string) string { return m[1] + n.pseudonym("uuid", m[2]) }},
	{"-", regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), func(n *names, m []string) string { return n.pseudonym("uuid", m[0]) }},
	{"", regexp.MustCompile(`\b[0-9a-f]{32}\b`), func(n *names, m []string) string { return n.pseudonym("machine", m[0]) }},
	{"", regexp.MustCompile(`\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,7}\b`), func(n *names, m []string) string { return n.pseudonym("mac", m[0]) }},
	{"", regexp.MustCompile(`(?i)([\p{L}\p{N}!#$*+.^_~-]+|\\[0-9a-f]{2})(@|%40)(` + label + `(?:\.` + label + `)*)(/[^\s"'<>,;)]+)?`), (*names).jid},
	{"://", regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)(` + label + `(?:\.` + label + `)*)`), func(n *names, m []string) string { return m[1] + n.domain(m[2]) }},
	{".", regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`), func(n *names, m []string) string { return n.address("ip", m[0]) }},
	{":", regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`), (*names).ip6},
}

// quoted keeps JSON what it is: a word in the place of a number needs quotes.
func quoted(separator, quote, word string) string {
	if quote == "" && strings.HasPrefix(separator, `"`) {
		return `"` + word + `"`
	}
	return quote + word
}

func (n *names) inQuotes(kind, text string) string {
	inner := strings.Trim(text, `"'`)
	if inner == "" {
		return text
	}
	return strings.Replace(text, inner, n.pseudonym(kind, inner), 1)
}

// notDomains are what stands behind an @ and is no domain: versions, units of
// systemd, addresses in the device tree.
var notDomains = regexp.MustCompile(`^v\d|\.(service|socket|target|device|mount|slice|timer|scope)$|^[0-9a-f]*\d[0-9a-f]*$`)

// jid gives a JID the shape of one (RFC 7622).
func (n *names) jid(m []string) string {
	if notDomains.MatchString(m[3]) {
		return m[0]
	}
	to := n.pseudonym("jid", m[1]+"@"+m[3])
	if isPseudonym(m[1]) && isPseudonym(m[3]) {
		to = m[1]
	}
	to += m[2] + n.domain(m[3])
	if resource := strings.TrimPrefix(m[4], "/"); resource == "pipit" {
		to += m[4]
	} else if resource != "" {
		to += "/" + n.pseudonym("res", resource)
	}
	return to
}

// domain learns a name of DNS; one of a single label may be any word, so it is
// not looked for elsewhere.
func (n *names) domain(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || slices.Contains(known, strings.ToLower(name)) {
		return name // addresses are for the next patterns
	}
	if strings.Contains(name, ".") {
		n.learn("domain", name)
	}
	return n.pseudonym("domain", name)
}

// known are hosts that programs name, not people.
var known = []string{"www.debian.org", "bugs.debian.org", "www.raspbian.org", "www.raspberrypi.com", "www.freedesktop.org", "www.ubuntu.com", "help.ubuntu.com",
	"bugs.launchpad.net", "alpinelinux.org", "www.freedesktop.org", "github.com", "go.dev", "xmpp.org"}

// address leaves those alone that are the same everywhere.
func (n *names) address(kind, text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil || a.IsLoopback() || a.IsUnspecified() || strings.HasPrefix(text, "255.") {
		return text
	}
	return n.pseudonym(kind, text)
}

func (n *names) ip6(m []string) string {
	text := m[0]
	for range 2 {
		if _, err := netip.ParseAddr(text); err == nil {
			return n.address("ip6", text) + m[0][len(text):]
		}
		text = strings.TrimRight(text, ":.")
	}
	return m[0]
}

// hide puts pseudonyms in the place of names.
func (n *names) hide(text string) string {
	text = n.forms(text)
	for _, k := range n.known {
		if strings.Contains(text, k.Text) {
			text = replaceWords(text, k.Text, n.pseudonym(k.Kind, k.Text), isWord)
		}
	}
	return text
}

func (n *names) forms(text string) string {
	lower := strings.ToLower(text)
	for _, p := range patterns {
		if !strings.Contains(lower, p.hint) {
			continue // the forms are slow, and most lines have none of them
		}
		text = p.form.ReplaceAllStringFunc(text, func(match string) string { return p.to(n, p.form.FindStringSubmatch(match)) })
	}
	return text
}
