package server

import (
	"bytes"
	"context"
	"embed"
	"os/exec"
	"slices"
	"text/template"
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

// config is what the templates see.
type config struct {
	Options
	Dir                     string
	Port, TLSPort, HTTPPort int
}

// Has tells whether a module or service is served.
func (c config) Has(module string) bool { return !slices.Contains(c.Without, module) }

func (c config) render(name string) ([]byte, error) {
	t, err := template.ParseFS(templates, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, c)
	return b.Bytes(), err
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
