package server

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

var prosody = program{
	name: "prosody", user: "prosody",
	dirs:      []string{"data"},
	portTaken: "this port is in use by another application",
	find: func(look func(string) (string, error)) ([]string, error) {
		path, err := lookPath(look, "prosody", &MissingError{"prosody", "prosody"})
		return []string{path}, err
	},
	args: func(dir string) []string { return []string{"-F", "--config", filepath.Join(dir, "prosody.cfg.lua")} },
	env:  func([]string, string) []string { return nil },
	configure: func(h home, c config) error {
		text, err := c.render("prosody.cfg.lua.tmpl")
		if err != nil {
			return err
		}
		return h.write("prosody.cfg.lua", text)
	},
	addAccount: addProsodyAccount,
}

// addProsodyAccount writes the account file itself. prosodyctl would take a
// tenth of a second and show the password to everybody in its command line.
// Prosody replaces the password by its hash at the first login.
func addProsodyAccount(ctx context.Context, s *Server, local, password string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Join("data", luaPath(s.Domain), "accounts")
	if err := s.home.mkdir(dir); err != nil {
		return err
	}
	return s.home.create(filepath.Join(dir, luaPath(local)+".dat"),
		[]byte("return { [\"password\"] = "+luaString(password)+"; };\n"))
}

// luaPath encodes a name as util.datamanager does.
func luaPath(s string) string { return escapeBytes(s, "%%%02x") }

func luaString(s string) string { return `"` + escapeBytes(s, `\%03d`) + `"` }

// escapeBytes formats all bytes but letters and digits.
func escapeBytes(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, format, c)
		}
	}
	return b.String()
}
