package cross

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// stub writes an executable shell script called name into dir.
func stub(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// script runs a shell script of the tree with env as its whole environment
// and returns its exit code and all it printed.
func script(t *testing.T, env []string, path string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", path, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
