package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// agentFacts is what is known of an agent that runs with this config.
type agentFacts struct {
	running bool
	uid     int // -1: not known
}

// held is what is said of hardware that the agent has.
const held = "in use by the agent, which runs"

// findAgent looks for a process that runs this config, and else asks systemd's
// word: the processes of others may be hidden.
func (i *inspection) findAgent() agentFacts {
	entries, _ := os.ReadDir(i.proc)
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil && i.runsThis(filepath.Join(i.proc, e.Name())) {
			return agentFacts{true, userOf(filepath.Join(i.proc, e.Name()))}
		}
	}
	return agentFacts{i.unit.active() && i.unit.runs(i.cfg.Path), -1}
}

// runsThis tells whether a process is "pipit run" with this config.
func (i *inspection) runsThis(dir string) bool {
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return false
	}
	var argv []string
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(line, []byte{0}), []byte{0}) {
		argv = append(argv, string(arg))
	}
	if len(argv) < 2 || !strings.HasPrefix(filepath.Base(argv[0]), "pipit") || argv[1] != "run" {
		return false
	}
	path := configOf(argv)
	if !filepath.IsAbs(path) {
		cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
		if err != nil { // of another user
			return filepath.Base(path) == filepath.Base(i.cfg.Path)
		}
		path = filepath.Join(cwd, path)
	}
	return sameFile(path, i.cfg.Path)
}

// configOf returns the config that an agent was started with.
func configOf(argv []string) string {
	for n, arg := range argv {
		if path, ok := strings.CutPrefix(arg, "--config="); ok {
			return path
		}
		if (arg == "--config" || arg == "-c") && n+1 < len(argv) {
			return argv[n+1]
		}
	}
	return defaultConfig
}

// sameFile tells whether two names are those of one file; one that cannot be
// looked at is compared by its name.
func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(x, y)
	}
	absA, _ := filepath.Abs(a)
	absB, _ := filepath.Abs(b)
	return absA == absB
}

// userOf returns the number of a file's owner, -1 when that cannot be known.
func userOf(path string) int {
	if o := ownerOf(path); o != nil {
		return o.uid
	}
	return -1
}
