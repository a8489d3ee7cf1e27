package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipit/agent/config"
)

// show is what systemctl says of a unit; the pairs change it.
func show(program, path string, pairs ...string) func(context.Context, ...string) ([]byte, error) {
	text := "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nResult=success\nUser=nobody\nStateDirectory=pipit\n" +
		"ExecStart={ path=" + program + " ; argv[]=" + program + " run --config " + path + " ; ignore_errors=no ; start_time=[n/a] ; pid=0 }\n"
	return func(context.Context, ...string) ([]byte, error) {
		return []byte(text + strings.Join(pairs, "\n") + "\n"), nil
	}
}

func TestUnit(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, t.TempDir(), "config.toml", "", 0o600)
	for name, c := range map[string]struct {
		systemctl   func(context.Context, ...string) ([]byte, error)
		state, says string
		hint        string
	}{
		"well":         {show(self, path), stateOK, "is enabled and active (running), starts " + self + " run --config " + path, ""},
		"no systemctl": {nil, stateSkipped, "does not use systemd", ""},
		"no systemd":   {func(context.Context, ...string) ([]byte, error) { return nil, errors.New("exit status 1") }, stateSkipped, "does not answer", ""},
		"none":         {show(self, path, "LoadState=not-found"), stateSkipped, "not installed", ""},
		"broken":       {show(self, path, "LoadState=bad-setting"), stateFailed, "", "cannot load it (bad-setting)"},
		"failed":       {show(self, path, "ActiveState=failed", "Result=exit-code"), stateFailed, "", "journalctl -u pipit"},
		"disabled":     {show(self, path, "UnitFileState=disabled"), stateWarning, "disabled", "systemctl enable pipit"},
		"stopped":      {show(self, path, "ActiveState=inactive"), stateWarning, "inactive", "systemctl start pipit"},
		"other binary": {show("/bin/sh", path), stateWarning, "", "it starts /bin/sh, and this is " + self},
		"other config": {show(self, "/bin/sh"), stateWarning, "", "it reads /bin/sh, and this is " + path},
	} {
		i := newInspection(&config.Config{Path: path})
		i.systemctl = c.systemctl
		i.unit = i.askUnit(t.Context())
		f := found(t, i.tellUnit)["unit"]
		if f.State != c.state || !strings.Contains(f.Text, c.says) || !strings.Contains(f.Hint, c.hint) || c.hint == "" && f.Hint != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// The user of the unit owns the state, and systemd makes its directory.
func TestDiskOfAUnit(t *testing.T) {
	path := write(t, t.TempDir(), "config.toml", "", 0o600)
	i := newInspection(&config.Config{Path: path, Device: config.Device{StateDir: "/var/lib/pipit-check-none"}})
	i.systemctl = show("/usr/bin/pipit", path, "StateDirectory=pipit-check-none")
	i.unit = i.askUnit(t.Context())
	expectFinding(t, found(t, i.disk)["disk"], stateOK, "nobody may write")
	i.cfg.Device.StateDir = "/var/lib/pipit-check-other"
	expectFinding(t, found(t, i.disk)["disk"], stateFailed, "nobody cannot write into /var/lib")
	i.systemctl = show("/usr/bin/pipit", path, "User=nobody-of-this-name")
	i.unit = i.askUnit(t.Context())
	expectFinding(t, found(t, i.disk)["disk"], stateFailed, "nobody-of-this-name")
}

func TestFindAgent(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "config.toml", "", 0o600)
	for line, running := range map[string]bool{
		"/usr/bin/pipit run --config " + path:   true,
		"/usr/bin/pipit run --config=" + path:   true,
		"pipit-linux-armv6 run -c config.toml":  true, // from its directory
		"/usr/bin/pipit check --config " + path: false,
		"/usr/bin/pipit run --config /other":    false,
		"/usr/bin/pipit run":                    false, // the usual config
		"vi run --config " + path:               false,
		"":                                      false,
	} {
		proc := t.TempDir()
		if err := os.Mkdir(filepath.Join(proc, "17"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(proc, "17"), "cmdline", strings.ReplaceAll(line, " ", "\x00")+"\x00", 0o600)
		if err := os.Symlink(dir, filepath.Join(proc, "17", "cwd")); err != nil {
			t.Fatal(err)
		}
		i := newInspection(&config.Config{Path: path})
		i.proc = proc
		if got := i.findAgent(); got.running != running || running && got.uid != os.Geteuid() {
			t.Errorf("%s: %+v", line, got)
		}
	}
	i := newInspection(&config.Config{Path: path}) // whose process is hidden
	i.proc, i.systemctl = t.TempDir(), show("/usr/bin/pipit", path)
	i.unit = i.askUnit(t.Context())
	if got := i.findAgent(); got != (agentFacts{true, -1}) {
		t.Errorf("%+v", got)
	}
}
