package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
	BOMRef  string `json:"bom-ref,omitempty"`
}

// sbom returns the bill of materials of a binary, as CycloneDX 1.5 JSON, from
// its build information. It holds no time and no serial number.
func sbom(binary, version string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	parts := []component{module("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		parts = append(parts, module(d.Path, d.Version))
	}
	main := component{Type: "application", Name: "pipit", Version: version}
	return json.MarshalIndent(map[string]any{
		"bomFormat":   "CycloneDX",
		"specVersion": "1.5",
		"version":     1,
		"metadata":    map[string]any{"component": main},
		"components":  parts,
	}, "", "  ")
}

func module(name, version string) component {
	purl := fmt.Sprintf("pkg:golang/%s@%s", name, strings.ReplaceAll(version, "+", "%2B"))
	return component{Type: "library", Name: name, Version: version, PURL: purl, BOMRef: purl}
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)`)

// licences returns the licences of all modules that are linked into the binary
// of a machine, and Go's, from the module cache.
func licences(ctx context.Context, m machine) (string, error) {
	const line = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`
	list, err := output(ctx, append(m.env(), "GOFLAGS=", "GOWORK=off"), "go", "list", "-deps", "-tags", "nethttpomithttp2", "-f", line, "./agent/pipit")
	if err != nil {
		return "", err
	}
	root, err := output(ctx, nil, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return "", err
	}
	dir, version, _ := strings.Cut(strings.TrimSpace(root), "\n")
	modules := strings.Split(list, "\n")
	slices.Sort(modules)
	var b strings.Builder
	for _, mod := range append([]string{"Go " + version + " " + dir}, slices.Compact(modules)...) {
		f := strings.SplitN(mod, " ", 3)
		if len(f) < 3 {
			continue
		}
		if err := licence(&b, f[0]+" "+f[1], f[2]); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// licence writes the licences in the folder of a module.
func licence(b *strings.Builder, title, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "==== %s: %s\n\n%s\n", title, e.Name(), strings.TrimSpace(string(text))+"\n")
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", title, dir)
	}
	return nil
}
