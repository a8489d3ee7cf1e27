package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigShow(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "password", "not a real one", 0o600)
	write(t, dir, "level", "10\n", 0o600)
	path := write(t, dir, "config.toml", strings.ReplaceAll(reloadBase, "DIR", dir), 0o600)
	show := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := rootCommand()
		root.SetOut(&out)
		root.SetArgs(append([]string{"config", "show", "--config", path}, args...))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "not a real one") {
			t.Error("the password is shown")
		}
		return out.String()
	}
	before, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]any
	if err := json.Unmarshal([]byte(show("--json")), &all); err != nil || all["device"]["keep"] != "720h" || all["people"]["guest@example.org"] != "operator" {
		t.Errorf("%v, %v", all, err)
	}
	path = write(t, dir, "shown.toml", show(), 0o600)
	after, err := load(path)
	if err != nil {
		t.Fatalf("what is shown is no config: %v", err)
	}
	lines := func(s string) map[string]bool {
		m := map[string]bool{}
		for _, l := range strings.Split(s, "\n") {
			m[l] = true
		}
		return m
	}
	if d := cmp.Diff(lines(before.Describe()), lines(after.Describe())); d != "" {
		t.Errorf("what is shown means something else: %s", d)
	}
}
