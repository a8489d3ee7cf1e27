package config

import (
	"slices"

	"pipit/agent"
)

// dangerous names the commands that are off unless [device] turns them on.
var dangerous = []string{"restart", "reboot", "shutdown"}

type confirmKeys struct {
	Dangerous []string `toml:"dangerous"`
	Confirm   string   `toml:"confirm"`
	TOTPFile  string   `toml:"totp_file"`
}

// confirmation reads what dangerous commands ask for. The secret follows the
// rules of a password file.
func (l *loader) confirmation(s section, d Device) Device {
	keys := confirmKeys{Confirm: "ask"}
	s.pick(&keys)
	for i, name := range keys.Dangerous {
		switch {
		case !slices.Contains(dangerous, name):
			s.fail("dangerous", "there is no dangerous command %q%s", name, options(name, dangerous))
		case slices.Contains(keys.Dangerous[:i], name):
			s.fail("dangerous", "%q stands there twice", name)
		}
	}
	d.Dangerous, d.Confirm = keys.Dangerous, agent.ConfirmAsk
	s.oneOf("confirm", keys.Confirm, "ask", "totp")
	switch {
	case keys.Confirm == "totp" && !s.has("totp_file"):
		s.fail("confirm", "there is no totp_file: it holds the secret of your authenticator")
	case keys.Confirm == "totp":
		d.Confirm = agent.ConfirmTOTP
	}
	if s.given("totp_file") {
		d.Codes = l.totpFile(s, keys.TOTPFile)
	}
	return d
}

func (l *loader) totpFile(s section, path string) *agent.TOTP {
	secret, err := readPassword(l.open, l.resolve(path))
	if err != nil {
		s.fail("totp_file", "%s", err)
		return nil
	}
	codes, err := agent.NewTOTP(secret.Reveal())
	if err != nil {
		s.fail("totp_file", "%s %s", path, err)
	}
	return codes
}
