package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sh runs a command to its end and returns all that it printed.
func sh(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// one returns the only file that matches.
func one(t *testing.T, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %v, %v", pattern, list, err)
	}
	return list[0]
}

// TestPackages makes packages twice, in two folders, and looks at them.
func TestPackages(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	first, second, clone := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "a", "longer", "path")
	sh(t, "mkdir", "-p", filepath.Dir(clone))
	sh(t, "cp", "-a", root, clone)
	t.Chdir(root)
	if err := pack(t.Context(), first, []string{"armv6", "amd64"}); err != nil {
		t.Fatal(err)
	}
	t.Chdir(clone)
	if err := pack(t.Context(), second, []string{"amd64"}); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	same(t, first, second)
	deb := one(t, filepath.Join(first, "*_amd64.deb"))
	t.Run("contents", func(t *testing.T) { testContents(t, deb) })
	t.Run("life", func(t *testing.T) { testLife(t, deb) })
	t.Run("armhf", func(t *testing.T) {
		dir := t.TempDir()
		sh(t, "dpkg-deb", "-x", one(t, filepath.Join(first, "*_armhf.deb")), dir)
		if out := sh(t, "qemu-arm-static", "-cpu", "arm1176", filepath.Join(dir, "usr/bin/pipit"), "version"); !strings.Contains(out, "linux/arm") {
			t.Errorf("version: %s", out)
		}
	})
}

// same fails when a file of second differs from that of first.
func same(t *testing.T, first, second string) {
	t.Helper()
	files, err := os.ReadDir(second)
	if err != nil || len(files) != len(formats) {
		t.Fatalf("%d packages, want %d: %v", len(files), len(formats), err)
	}
	for _, f := range files {
		a, errA := os.ReadFile(filepath.Join(first, f.Name()))
		b, errB := os.ReadFile(filepath.Join(second, f.Name()))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v, %v", f.Name(), errA, errB)
		}
	}
}

func testContents(t *testing.T, deb string) {
	var got []string
	for line := range strings.Lines(sh(t, "dpkg-deb", "-c", deb)) {
		if f := strings.Fields(line); f[0] != "drwxr-xr-x" {
			got = append(got, strings.Join([]string{f[0], f[1], f[5]}, " "))
		}
	}
	want := strings.Split(`drwxr-x--- root/root ./etc/pipit/
-rw-r----- root/root ./etc/pipit/config.toml
-rwxr-xr-x root/root ./usr/bin/pipit
-rw-r--r-- root/root ./usr/lib/systemd/system/pipit.service
-rw-r--r-- root/root ./usr/share/bash-completion/completions/pipit
-rw-r--r-- root/root ./usr/share/doc/pipit/LICENSE
-rw-r--r-- root/root ./usr/share/doc/pipit/README.md
-rw-r--r-- root/root ./usr/share/doc/pipit/config.toml.example
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/chat.md
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/config.md
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/mqtt.md
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/rules.md
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/sensors.md
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/service.md
-rw-r--r-- root/root ./usr/share/doc/pipit/doc/wire.md
-rw-r--r-- root/root ./usr/share/doc/pipit/sbom.cdx.json
-rw-r--r-- root/root ./usr/share/doc/pipit/third-party-licences.txt
-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/pipit.fish
-rw-r--r-- root/root ./usr/share/man/man1/pipit.1.gz
-rw-r--r-- root/root ./usr/share/man/man5/pipit.toml.5.gz
-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_pipit`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
