package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// files tells of the config and of where its secrets are. That the config has no
// problem, and that others cannot read a secret, was seen when it was loaded.
func (i *inspection) files(_ context.Context, b branch) {
	if n := len(i.cfg.Warnings); n > 0 {
		b.warn("file", fmt.Sprintf("%s, warnings: %d; %s", i.cfg.Path, n, strings.Join(i.cfg.Warnings, "; ")), "mend these lines, or leave them if you know why")
	} else {
		b.ok("file", i.cfg.Path)
	}
	i.secrets(b)
}

// A secretPlace is a secret that the config may have.
type secretPlace struct {
	key  string
	file string // "" when it stands in the config
	used bool
}

func (i *inspection) secretPlaces() []secretPlace {
	c := i.cfg
	list := []secretPlace{
		{"[xmpp]", c.XMPP.PasswordFile, c.XMPP.Password.Reveal() != ""},
		{"[mqtt]", c.MQTT.PasswordFile, c.MQTT.Password.Reveal() != ""},
	}
	for _, r := range c.Rooms {
		list = append(list, secretPlace{"[room." + r.Name + "]", r.PasswordFile, r.Password.Reveal() != ""})
	}
	return slices.DeleteFunc(list, func(p secretPlace) bool { return !p.used })
}

func (i *inspection) secrets(b branch) {
	var inline, files []string
	for _, p := range i.secretPlaces() {
		if p.file == "" {
			inline = append(inline, p.key)
			continue
		}
		files = append(files, p.key+" in "+p.file)
	}
	if i.cfg.Device.Codes != nil {
		files = append(files, "[device] in its totp_file")
	}
	told := strings.Join(files, ", ")
	switch {
	case len(inline) > 0:
		b.warn("secrets", strings.TrimPrefix(told+"; in the config itself: "+strings.Join(inline, ", "), "; "),
			"move each to a file of its own and name that in password_file")
	case told == "":
		b.skip("secrets", "there are none in the config")
	default:
		b.ok("secrets", told+"; others cannot read them")
	}
}
