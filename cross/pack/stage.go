package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A stage is a folder with the files of a package as they will be installed.
type stage struct {
	root  string          // holds bin/, native and tree/
	names map[string]bool // of the files below tree/, from the root of the board
}

const (
	docs     = "usr/share/doc/pipit/"
	confFile = "etc/pipit/config.toml"
	man      = "usr/share/man/"
	bashDir  = "usr/share/bash-completion/completions/"
	zshDir   = "usr/share/zsh/vendor-completions/"
	fishDir  = "usr/share/fish/vendor_completions.d/"
	unitFile = "usr/lib/systemd/system/pipit.service"
	initFile = "etc/init.d/pipit" // OpenRC's, in apk alone
)

// put writes a file of the package.
func (s stage) put(name string, data []byte) error {
	file := filepath.Join(s.root, "tree", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	s.names[name] = true
	return os.WriteFile(file, data, 0o644)
}

// shared writes what is the same for every machine.
func (s stage) shared(ctx context.Context) error {
	for _, c := range []struct{ from, to string }{
		{"cross/pipit.service", unitFile},
		{"cross/pipit.openrc", initFile},
		{"README.md", docs + "README.md"},
		{"LICENSE", docs + "LICENSE"},
		{"config.toml.example", docs + "config.toml.example"},
		{"cross/pack/config.toml", confFile},
	} {
		data, err := os.ReadFile(c.from)
		if err != nil {
			return err
		}
		if err := s.put(c.to, data); err != nil {
			return err
		}
	}
	pages, err := filepath.Glob("doc/*.md")
	if err != nil {
		return err
	}
	for _, name := range pages {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := s.put(docs+name, data); err != nil {
			return err
		}
	}
	native := filepath.Join(s.root, "native")
	for shell, to := range map[string]string{"bash": bashDir + "pipit", "zsh": zshDir + "_pipit", "fish": fishDir + "pipit.fish"} {
		text, err := output(ctx, nil, native, "completion", shell)
		if err != nil {
			return err
		}
		if err := s.put(to, []byte(text)); err != nil {
			return err
		}
	}
	page, err := commandPage(func(args ...string) (string, error) { return output(ctx, nil, native, args...) })
	if err != nil {
		return err
	}
	example, err := os.ReadFile("config.toml.example")
	if err != nil {
		return err
	}
	if err := s.page("man1/pipit.1", page); err != nil {
		return err
	}
	return s.page("man5/pipit.toml.5", configPage(string(example)))
}

// page writes a man page, compressed without a name and a time.
func (s stage) page(name, text string) error {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.put(path.Join(man, name+".gz"), b.Bytes())
}

// machine writes what differs: the binary, and what is linked into it.
func (s stage) machine(ctx context.Context, m machine, version string) error {
	binary := filepath.Join(s.root, "bin", "pipit-linux-"+m.target)
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if err := s.put("usr/bin/pipit", data); err != nil {
		return err
	}
	bill, err := sbom(binary, strings.TrimPrefix(version, "v"))
	if err != nil {
		return err
	}
	if err := s.put(docs+"sbom.cdx.json", bill); err != nil {
		return err
	}
	text, err := licences(ctx, m)
	if err != nil {
		return err
	}
	return s.put(docs+"third-party-licences.txt", []byte(text))
}
