package config

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxLeakFile = 64 << 10
	maxLeaks    = 1000
	minLikely   = 6 // bytes
)

// Leaks are texts of a config that do not belong into a report to others.
type Leaks struct {
	Secrets []string // of the file, and of those it and systemd name
	Hosts   []string // names of servers
	Users   []string // names for people and rooms
	Places  []string // where the device is
	Device  string   // its name
}

// FindLeaks looks for all that must stay private, also in a file with problems,
// or in one that is no TOML: of that it takes what stands behind each key that
// may hold a secret. files are more files with secrets. What cannot be read is
// left out.
func FindLeaks(path string, files ...string) Leaks {
	l := leaks{path: path}
	data, _, err := readFile(openFile, path, maxFile)
	var table map[string]any
	if err == nil && decodeTOML(string(data), &table) != nil {
		table = roughTable(string(data))
	}
	l.table("", table)
	if device, ok := table["device"].(map[string]any); ok {
		l.Device, _ = device["name"].(string)
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		files = append(files, names...)
	}
	for _, name := range files {
		l.file(name)
	}
	return l.Leaks
}

type leaks struct {
	Leaks
	path string
}

// roughTable reads lines KEY = VALUE of a text that is no TOML.
func roughTable(text string) map[string]any {
	table := make(map[string]any)
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimLeft(line, " \t#"), "=")
		if !ok {
			continue
		}
		key, value = strings.Trim(key, " \t\"'"), strings.TrimSpace(value)
		into(table, key)[value] = strings.Trim(value, `"' `)
		bare, _, _ := strings.Cut(value, " #")
		into(table, key)["bare "+value] = strings.Trim(bare, `"' `)
	}
	return table
}

func (l *leaks) table(key string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			if _, table := inner.(map[string]any); table || !isSecret(key) && !named(key) {
				l.table(k, inner)
			} else {
				l.table(key, inner) // headers and environments, and lines of roughTable
			}
		}
	case []map[string]any:
		for _, inner := range v {
			l.table(key, inner)
		}
	case []any:
		for _, inner := range v {
			l.table(key, inner)
		}
	case string:
		l.text(key, v)
	}
}

// named tells whether a key is one that text knows.
func named(key string) bool {
	switch key {
	case "location", "position", "user", "nick", "server", "pubsub":
		return true
	}
	return strings.HasSuffix(key, "_file")
}

func (l *leaks) text(key, text string) {
	switch {
	case strings.HasSuffix(key, "_file") && key != "ca_file" && key != "cert_file":
		l.file((&loader{path: l.path}).resolve(text))
	case isSecret(key) && (len(text) >= minLikely || certain(key)):
		l.secret(text)
	case key == "location":
		l.Places = append(l.Places, text)
	case key == "position":
		l.Places = append(l.Places, text)
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); len(part) > 4 {
				l.Places = append(l.Places, part)
			}
		}
	case key == "user" || key == "nick":
		l.Users = append(l.Users, text)
	case key == "server" || key == "pubsub":
		host, _, _ := strings.Cut(text, ":")
		l.Hosts = append(l.Hosts, host)
	}
	l.address(text)
}

// address takes the secrets out of a URL: its password, and the values of its query.
func (l *leaks) address(text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return
	}
	l.Hosts = append(l.Hosts, u.Hostname())
	if password, ok := u.User.Password(); ok {
		l.secret(password)
	}
	for key, values := range u.Query() {
		for _, v := range values {
			if len(v) >= minLikely || certain(key) {
				l.secret(v)
			}
		}
	}
}

// certain tells whether a key holds a secret, and not just may: a short value of
// the others, such as C or true, is a word that stands everywhere.
func certain(key string) bool {
	return slices.ContainsFunc(secretKeys[:4], func(part string) bool { return strings.Contains(strings.ToLower(key), part) })
}

func (l *leaks) file(name string) {
	data, _, err := readFile(openFile, name, maxLeakFile)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "-----") {
			l.secret(strings.TrimRight(line, "\r\n"))
		}
	}
}

// secret adds a secret, and what it is without the spaces and the case that an
// authenticator's may have. An Authorization holds one behind its first word.
func (l *leaks) secret(text string) {
	if text == "" || text == hidden || len(l.Secrets) >= maxLeaks {
		return
	}
	plain := strings.NewReplacer(" ", "", "-", "").Replace(text)
	l.Secrets = append(l.Secrets, text, strings.TrimSpace(text), plain, strings.ToUpper(plain), strings.ToLower(plain))
	if _, rest, ok := strings.Cut(text, " "); ok && len(rest) > 8 {
		l.Secrets = append(l.Secrets, rest)
	}
}
