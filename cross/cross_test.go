package cross

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const maxARMv6 = 12_000_000 // bytes

// run runs a program to its end and returns what it printed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// build runs the build script of the tree at root and returns the folder
// with what it made.
func build(t *testing.T, root string, targets ...string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, root, "cross/build", append([]string{"-o", dir}, targets...)...)
	return dir
}

func TestBinaries(t *testing.T) {
	dir := build(t, "..")
	targets := []struct {
		name    string
		machine elf.Machine
		class   elf.Class
		level   string // a build setting
	}{
		{"armv6", elf.EM_ARM, elf.ELFCLASS32, "GOARM=6"},
		{"armv7", elf.EM_ARM, elf.ELFCLASS32, "GOARM=7"},
		{"arm64", elf.EM_AARCH64, elf.ELFCLASS64, "GOARM64=v8.0"},
		{"riscv64", elf.EM_RISCV, elf.ELFCLASS64, "GORISCV64=rva20u64"},
		{"amd64", elf.EM_X86_64, elf.ELFCLASS64, "GOAMD64=v1"},
	}
	var sums []string
	for _, target := range targets {
		path := filepath.Join(dir, "pipit-linux-"+target.name)
		sums = append(sums, fmt.Sprintf("%x  %s\n", sha256.Sum256(contents(t, path)), filepath.Base(path)))
		t.Run(target.name, func(t *testing.T) {
			file, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if file.Machine != target.machine || file.Class != target.class {
				t.Errorf("built for %v %v, want %v %v", file.Machine, file.Class, target.machine, target.class)
			}
			checkStatic(t, file)
			checkStripped(t, file)
			checkSettings(t, path, target.level, "GOOS=linux", "CGO_ENABLED=0", "-trimpath=true")
		})
	}
	if size := len(contents(t, filepath.Join(dir, "pipit-linux-armv6"))); size > maxARMv6 {
		t.Errorf("armv6: %d bytes, at most %d are allowed", size, maxARMv6)
	}
	listed := string(contents(t, filepath.Join(dir, "SHA256SUMS")))
	for _, sum := range sums {
		if !strings.Contains(listed, sum) {
			t.Errorf("SHA256SUMS does not hold %q:\n%s", sum, listed)
		}
	}
}

// contents returns the bytes of a file.
func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkStatic fails when file asks for a dynamic loader or a shared library.
func checkStatic(t *testing.T, file *elf.File) {
	t.Helper()
	for _, prog := range file.Progs {
		if prog.Type == elf.PT_INTERP || prog.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: it has a segment %v", prog.Type)
		}
	}
	if file.SectionByType(elf.SHT_DYNAMIC) != nil {
		t.Error("not static: it has a dynamic section")
	}
}

// checkStripped fails when file has a symbol table or DWARF data.
func checkStripped(t *testing.T, file *elf.File) {
	t.Helper()
	for _, section := range file.Sections {
		if section.Type == elf.SHT_SYMTAB || strings.HasPrefix(section.Name, ".debug_") || strings.HasPrefix(section.Name, ".zdebug_") {
			t.Errorf("not stripped: it has a section %s", section.Name)
		}
	}
}

// checkSettings fails when the binary at path was not built with all of want.
func checkSettings(t *testing.T, path string, want ...string) {
	t.Helper()
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for _, setting := range info.Settings {
		got[setting.Key+"="+setting.Value] = true
	}
	for _, setting := range want {
		if !got[setting] {
			t.Errorf("not built with %s, but with %v", setting, info.Settings)
		}
	}
}

// TestReproducible builds two clones of one commit, under paths of different
// length, and wants the same bytes and the commit as their version.
func TestReproducible(t *testing.T) {
	first := filepath.Join(t.TempDir(), "first")
	copyModule(t, first)
	second := filepath.Join(t.TempDir(), "a", "longer", "path", "to", "second")
	run(t, first, "git", "init", "-q")
	run(t, first, "git", "add", "-A")
	run(t, first, "git", "-c", "user.name=Test", "-c", "user.email=test@example.org",
		"-c", "commit.gpgSign=false", "commit", "-q", "--no-verify", "-m", "A tree to build")
	run(t, first, "git", "clone", "-q", first, second)

	one := filepath.Join(build(t, first, "armv6"), "pipit-linux-armv6")
	two := filepath.Join(build(t, second, "armv6"), "pipit-linux-armv6")
	if !bytes.Equal(contents(t, one), contents(t, two)) {
		t.Error("two clones of one commit gave different bytes")
	}
	commit := strings.TrimSpace(run(t, first, "git", "rev-parse", "--short=12", "HEAD"))
	if version := run(t, "", qemu(t), "-cpu", "arm1176", one, "version"); !strings.Contains(version, commit) {
		t.Errorf("pipit version printed %q, without the commit %s", version, commit)
	}
}

// copyModule copies the tree without its history and without what make built.
func copyModule(t *testing.T, to string) {
	t.Helper()
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".git" || path == "dist":
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case path == "pipit" || !entry.Type().IsRegular():
			return nil
		}
		return copyFile(root, path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyFile copies one file of root to the same place below to.
func copyFile(root fs.FS, path, to string) error {
	data, err := fs.ReadFile(root, path)
	if err != nil {
		return err
	}
	info, err := fs.Stat(root, path)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, path), data, info.Mode().Perm())
}
