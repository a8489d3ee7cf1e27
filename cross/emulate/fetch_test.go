package emulate

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestTable holds what the table of packages must not get wrong by hand.
func TestTable(t *testing.T) {
	for _, p := range []Package{qemu, busybox, PiZero().linux, AST2600().linux} {
		_, version, epoch := strings.Cut(p.Version, ":")
		if !epoch {
			version = p.Version
		}
		if want := p.Name + "_" + version + "_" + p.Arch + ".deb"; p.file() != want || path.IsAbs(p.Path) {
			t.Errorf("%s: the path %s does not end in %s", p, p.Path, want)
		}
		if len(p.SHA256) != 2*sha256.Size || p.Size <= 0 {
			t.Errorf("%s: size %d, SHA-256 %s", p, p.Size, p.SHA256)
		}
	}
}

const content = "the bytes of a package"

func testPackage() Package {
	return Package{"tool", "1:2", "all", "pool/t/tool_2_all.deb", int64(len(content)), fmt.Sprintf("%x", sha256.Sum256([]byte(content)))}
}

// mirror serves a body, or only 404 when it is empty, and counts requests.
func mirror(t *testing.T, body string) (address string, asked *int) {
	t.Helper()
	asked = new(int)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		if r.URL.Path != "/debian/pool/t/tool_2_all.deb" || body == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/debian/", asked
}

func TestFetch(t *testing.T) {
	tests := []struct {
		name, cached, served, err string
		asked                     int
	}{
		{"cached", content, content, "", 0},
		{"not cached", "", content, "", 1},
		{"damaged in the cache", "THE bytes of a package", content, "", 1},
		{"cut in the cache", content[:5], content, "", 1},
		{"damaged on the mirror", "", "THE bytes of a package", "its SHA-256 sum is wrong", 1},
		{"too short", "", content[:5], "it has 5 bytes, not 22", 1},
		{"too long", "", content + strings.Repeat("x", 1<<20), "it has more than 22 bytes", 1},
		{"gone", "", "", "take a version that is served into the table in cross/emulate/packages.go", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			t.Setenv(CacheVar, dir)
			address, asked := mirror(t, test.served)
			t.Setenv(MirrorVar, address)
			p := testPackage()
			if test.cached != "" {
				write(t, filepath.Join(dir, p.file()), test.cached, 0o644)
			}
			got, err := Fetch(t.Context(), p)
			if test.err == "" {
				if err != nil || read(t, got) != content {
					t.Errorf("got %q, %v", got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "tool 1:2 (all) from http") {
				t.Errorf("got %v, want an error with %q", err, test.err)
			}
			if *asked != test.asked {
				t.Errorf("the mirror was asked %d times, want %d", *asked, test.asked)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".part-*")); len(left) > 0 {
				t.Errorf("left in the cache: %v", left)
			}
		})
	}
}

// TestMirrors asks an apt that knows two mirrors and one that is read otherwise.
func TestMirrors(t *testing.T) {
	without, asked := mirror(t, "")
	with, _ := mirror(t, content)
	bin := t.TempDir()
	write(t, filepath.Join(bin, "apt-get"), fmt.Sprintf("#!/bin/sh\n[ \"$1\" = indextargets ] && printf '%%s\\n' file:/cdrom %s %s %s\n", without, without, with), 0o755)
	t.Setenv("PATH", bin)
	t.Setenv(MirrorVar, "")
	t.Setenv(CacheVar, t.TempDir())
	if got, err := Fetch(t.Context(), testPackage()); err != nil || read(t, got) != content || *asked != 1 {
		t.Errorf("got %q, %v; the first mirror was asked %d times, want once", got, err, *asked)
	}
	write(t, filepath.Join(bin, "apt-get"), "#!/bin/sh\necho file:/cdrom\n", 0o755)
	t.Setenv(CacheVar, t.TempDir())
	if _, err := Fetch(t.Context(), testPackage()); err == nil || !strings.Contains(err.Error(), "set "+MirrorVar) {
		t.Errorf("apt without a mirror: %v", err)
	}
}

// write writes a file and the folders that it is in.
func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
