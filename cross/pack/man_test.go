package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// printed undoes escape, and drops requests, as troff would print the page.
func printed(page string) string {
	undo := strings.NewReplacer(`\e`, `\`, `\-`, "-", `\(aq`, "'", `\(ga`, "`", `\(ha`, "^", `\(ti`, "~", `\&`, "")
	var b strings.Builder
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, ".") {
			b.WriteString(undo.Replace(line))
		}
	}
	return b.String()
}

// TestManIsHelp holds that pipit(1) has all that --help prints, and no command
// that pipit does not have.
func TestManIsHelp(t *testing.T) {
	native := filepath.Join(t.TempDir(), "pipit")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", native, "./agent/pipit")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	help := func(args ...string) (string, error) { return output(t.Context(), nil, native, args...) }
	page, err := commandPage(help)
	if err != nil {
		t.Fatal(err)
	}
	text := printed(page)
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"check", "--help"}, {"watch", "--help"}, {"version", "--help"}, {"test-rule", "--help"}, {"completion", "--help"}, {"config", "show", "--help"}} {
		want, err := help(args...)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, strings.ReplaceAll(strings.TrimSpace(want), "\t", "    ")) {
			t.Errorf("pipit %s is not in the page:\n%s", strings.Join(args, " "), want)
		}
	}
	root, err := help("--help")
	if err != nil {
		t.Fatal(err)
	}
	top := 0
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, ".SS pipit ") && strings.Count(line, " ") == 2 {
			top++
		}
	}
	if want := len(subcommands(root)); top != want || want < 12 {
		t.Errorf("%d commands in the page, %d in --help", top, want)
	}
}

func TestConfigPageIsTheExample(t *testing.T) {
	example, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(printed(configPage(string(example))), strings.TrimSpace(string(example))) {
		t.Error("config.toml.example is not in pipit.toml(5)")
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		".SH evil":  `\&.SH evil`,
		"'br":       `\(aqbr`,
		`a\nb`:      `a\enb`,
		"--json ~x": `\-\-json \(tix`,
	} {
		if diff := cmp.Diff(want, escape(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, test := range []struct{ git, deb, apk string }{
		{"v1.2.3", "1.2.3", "1.2.3"},
		{"v1.2.3-rc1", "1.2.3~rc1", "1.2.3_rc1"},
		{"v1.2.3-4-gabcdef123456", "1.2.3+4.gabcdef123456", "1.2.3_git4"},
		{"v1.2.3-dirty", "1.2.3+dirty", "1.2.3"},
		{"abcdef123456-dirty", "0.0.0~20260102.abcdef123456.dirty", "0.0.0_pre20260102"},
		{"", "0.0.0~20260102", "0.0.0_pre20260102"},
	} {
		if deb, apk := debVersion(test.git, "20260102"), apkVersion(test.git, "20260102"); deb != test.deb || apk != test.apk {
			t.Errorf("%q: %q and %q, want %q and %q", test.git, deb, apk, test.deb, test.apk)
		}
	}
}
