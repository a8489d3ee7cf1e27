package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A machine is a target of cross/build, and what Go and nfpm call it.
type machine struct{ target, goarch, nfpm string }

func machines() []machine {
	return []machine{
		{"armv6", "arm", "arm6"},
		{"arm64", "arm64", "arm64"},
		{"amd64", "amd64", "amd64"},
		{"riscv64", "riscv64", "riscv64"},
	}
}

func (m machine) env() []string {
	return []string{"GOOS=linux", "GOARCH=" + m.goarch, "GOARM=6", "CGO_ENABLED=0"}
}

// choose returns the machines of targets, or all.
func choose(targets []string) (list []machine, err error) {
	all := machines()
	if len(targets) == 0 {
		return all, nil
	}
	for _, t := range targets {
		i := slices.IndexFunc(all, func(m machine) bool { return m.target == t })
		if i < 0 {
			return nil, fmt.Errorf("no target %s (there are armv6, arm64, amd64, riscv64)", t)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// A format is a kind of package.
type format struct {
	name    string
	version func(git, date string) string
	omit    string // the file of another's service manager
}

var formats = []format{
	{"deb", debVersion, initFile},
	{"rpm", debVersion, initFile},
	{"apk", apkVersion, unitFile},
}

// archive makes one package with nfpm.
func (s stage) archive(ctx context.Context, m machine, f format, git, epoch, dir string) error {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("time of the commit: %w", err)
	}
	at := time.Unix(seconds, 0).UTC()
	config, err := json.MarshalIndent(s.config(m, f, f.version(git, at.Format("20060102150405")), at), "", " ")
	if err != nil {
		return err
	}
	file := filepath.Join(s.root, "nfpm.json") // JSON is YAML
	if err := os.WriteFile(file, config, 0o644); err != nil {
		return err
	}
	_, err = output(ctx, []string{"SOURCE_DATE_EPOCH=" + epoch, "GOFLAGS="},
		"go", "run", nfpm, "package", "-f", file, "-p", f.name, "-t", dir)
	return err
}

// config is nfpm's for one package.
func (s stage) config(m machine, f format, version string, at time.Time) map[string]any {
	script := func(name string) string { return "cross/pack/scripts/" + name }
	scripts := map[string]any{"postinstall": script("install"), "preremove": script("remove"), "postremove": script("removed")}
	return map[string]any{
		"name": "pipit", "arch": m.nfpm, "platform": "linux", "version": version, "version_schema": "none",
		"section": "net", "priority": "optional", "license": "Apache-2.0", "mtime": at.Format(time.RFC3339),
		"maintainer":  "The Pipit authors <pipit@example.org>",
		"description": "device agent that speaks XMPP\nReads the sensors of a Linux board, publishes them over XMPP, and does what\nauthorised people ask of it from the XMPP clients they already have.",
		"recommends":  []string{"ca-certificates"},
		"contents":    s.contents(f, at),
		"scripts":     scripts,
		"rpm":         map[string]any{"buildhost": "localhost"},
		"apk":         map[string]any{"scripts": map[string]any{"postupgrade": script("install")}},
	}
}

// contents are the files of a package, all of root.
func (s stage) contents(f format, at time.Time) (list []map[string]any) {
	info := func(mode int) map[string]any {
		return map[string]any{"mode": mode, "owner": "root", "group": "root", "mtime": at.Format(time.RFC3339)}
	}
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		if name == f.omit {
			continue
		}
		mode, kind := 0o644, ""
		switch {
		case strings.HasPrefix(name, "usr/bin/"):
			mode = 0o755
		case name == initFile:
			mode, kind = 0o755, "config"
		case name == confFile:
			mode, kind = 0o640, "config|noreplace"
		}
		list = append(list, map[string]any{
			"src": filepath.Join(s.root, "tree", name), "dst": "/" + name, "type": kind, "file_info": info(mode),
		})
	}
	return append(list, map[string]any{"dst": "/etc/pipit", "type": "dir", "file_info": info(0o750)})
}
