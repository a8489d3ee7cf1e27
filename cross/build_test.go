package cross

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const buildScript = "../cross/build"

// TestBuildScript runs the build script with a compiler that writes as many
// zero bytes as it is told.
func TestBuildScript(t *testing.T) {
	tests := []struct {
		name   string
		size   int
		target string
		code   int
		out    string
		sums   bool
	}{
		{"armv6 at the bound", 12_000_000, "armv6", 0, "pipit-linux-armv6 12000000 bytes", true},
		{"armv6 over the bound", 12_000_001, "armv6", 1, "pipit-linux-armv6 is over 12000000 bytes", false},
		{"amd64 has no bound", 12_000_001, "amd64", 0, "pipit-linux-amd64 12000001 bytes", true},
		{"no such target", 1, "mips", 2, "no target mips\nusage: cross/build [-o DIR] [TARGET ...]\ntargets: armv6 ", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bin, dist := t.TempDir(), t.TempDir()
			stub(t, bin, "go", `while [ "$1" != -o ]; do shift; done; head -c "$SIZE" /dev/zero >"$2"`)
			env := []string{fmt.Sprintf("PATH=%s:%s", bin, os.Getenv("PATH")), fmt.Sprintf("SIZE=%d", test.size)}
			code, out := script(t, env, buildScript, "-o", dist, test.target)
			if code != test.code || !strings.Contains(out, test.out) {
				t.Errorf("exit %d, want %d; printed:\n%s\nwant:\n%s", code, test.code, out, test.out)
			}
			if _, err := os.Stat(filepath.Join(dist, "SHA256SUMS")); (err == nil) != test.sums {
				t.Errorf("SHA256SUMS: %v, want it there: %v", err, test.sums)
			}
		})
	}
}
