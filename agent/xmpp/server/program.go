package server

import (
	"context"
	"embed"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

//go:embed prosody.cfg.lua.tmpl ejabberd.yml.tmpl
var templates embed.FS

// A program is what differs between the servers.
type program struct {
	name      string
	user      string   // whom the Debian package made for it
	dirs      []string // that it needs
	portTaken string   // what it logs when a port is taken

	// find returns the paths of what is to be run, the executable first, or a
	// *MissingError.
	find       func(look func(string) (string, error)) ([]string, error)
	args       func(dir string) []string
	env        func(found []string, dir string) []string
	configure  func(home, config) error
	addAccount func(ctx context.Context, s *Server, local, password string) error
}

// config is what the templates are filled in with.
type config struct {
	Options
	Dir                               string
	Port, TLSPort, HTTPPort, MQTTPort int
}

// values returns what stands for ${NAME} in the templates. They are not of
// text/template: that would keep every exported method of the program in it.
func (c config) values() map[string]string {
	values := map[string]string{
		"DIR": c.Dir, "DOMAIN": c.Domain, "LOG": "info", "EXTRA": c.Extra,
		"PORT": strconv.Itoa(c.Port), "TLS_PORT": strconv.Itoa(c.TLSPort), "HTTP_PORT": strconv.Itoa(c.HTTPPort),
		"OPTIONS": "", "REGISTER": "", "REGISTRATION_TIMEOUT": "infinity", "MOD_REGISTER": "", "INVITE_ONLY": "true", "PROTOCOLS": "", "PROSODY_FILE": "", "EJABBERD_FILE": "", "WITHOUT": quoted(c.Without, ""), "PUBLISHERS": quoted(c.Publishers, "@"+c.Domain),
	}
	if c.Debug {
		values["LOG"] = "debug"
	}
	if c.TLS12 {
		values["OPTIONS"], values["PROTOCOLS"] = `options = { "no_tlsv1_3" };`, ", no_tlsv1_3"
	}
	if n := strconv.Itoa(c.MaxFile); c.MaxFile > 0 {
		values["PROSODY_FILE"], values["EJABBERD_FILE"] = "http_file_share_size_limit = "+n, ", max_size: "+n
	}
	if c.MQTT {
		values["MQTT_LISTEN"] = "  - {port: " + strconv.Itoa(c.MQTTPort) + `, ip: "127.0.0.1", module: mod_mqtt}`
		values["MQTT_MODULE"] = "  mod_mqtt: {}"
	}
	if c.Register {
		values["REGISTER"], values["MOD_REGISTER"] = `"register_ibr"; `, "  mod_register: {password_strength: 32}"
	}
	if c.RegisterEvery > 0 {
		values["REGISTRATION_TIMEOUT"] = strconv.Itoa(c.RegisterEvery)
		values["REGISTRATION_LIMIT"] = "registration_allowlist = {}; min_seconds_between_registrations = " + strconv.Itoa(c.RegisterEvery)
	}
	if c.Invite {
		values["REGISTER"] += `"invites"; "invites_register"; `
		values["INVITE_ONLY"] = strconv.FormatBool(!c.Register)
	}
	for _, module := range []string{"pubsub", "muc", "http_file_share"} {
		values[module] = "" // a comment sign where it is not served
		if slices.Contains(c.Without, module) {
			values[module] = "--"
		}
	}
	return values
}

// quoted writes a list as Lua has it.
func quoted(list []string, behind string) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(strconv.Quote(s+behind) + "; ")
	}
	return b.String()
}

func (c config) render(name string) ([]byte, error) {
	text, err := templates.ReadFile(name)
	values := c.values()
	return []byte(os.Expand(string(text), func(name string) string { return values[name] })), err
}

func lookPath(look func(string) (string, error), file string, missing *MissingError) (string, error) {
	if look == nil {
		look = exec.LookPath
	}
	path, err := look(file)
	if err != nil {
		return "", missing
	}
	return path, nil
}
