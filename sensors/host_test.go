package sensors

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostStaysBelowRoot(t *testing.T) {
	for name, want := range map[string]string{
		"/proc/stat":          "/fake/proc/stat",
		"proc/stat":           "/fake/proc/stat",
		"/../../etc/passwd":   "/fake/etc/passwd",
		"../etc/passwd":       "/fake/etc/passwd",
		"/sys/../../../x":     "/fake/x",
		"/":                   "/fake",
		"/sys/class/net/../a": "/fake/sys/class/a",
	} {
		if got := NewHost("/fake").path(name); got != want {
			t.Errorf("path(%q) = %q, want %q", name, got, want)
		}
	}
	if got := NewHost("/").path("/proc/stat"); got != "/proc/stat" {
		t.Errorf("below / the path is %q", got)
	}
}

func TestHostReads(t *testing.T) {
	h := tree(t, map[string]string{
		"/small":    "21500\n",
		"/dir/file": "",
		"/link":     "-> small",
		"/huge":     strings.Repeat("x", maxFile+1),
		"/exact":    strings.Repeat("x", maxFile),
	})
	if err := syscall.Mkfifo(h.path("/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		size int
		err  string
	}{
		{"/small", 6, ""},
		{"/link", 6, ""},
		{"/dir/file", 0, ""},
		{"/exact", maxFile, ""},
		{"/huge", 0, "read /huge: larger than 256 KiB"},
		{"/none", 0, "there is no /none"},
		{"/dir", 0, "read /dir: not a regular file"},
		{"/fifo", 0, "read /fifo: not a regular file"}, // and does not wait for a writer
	}
	for _, tt := range tests {
		b, err := h.bytes(tt.name, make([]byte, 0, 4))
		if len(b) != tt.size || err == nil != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("bytes(%q) = %d bytes, %v; want %d, %q", tt.name, len(b), err, tt.size, tt.err)
		}
	}
	failRead(h, "/small", syscall.EACCES)
	if _, err := h.bytes("/small", nil); err == nil || isMissing(err) ||
		err.Error() != "read /small: permission denied: give the user that runs pipit the right to read it" {
		t.Errorf("without permission: %v", err)
	}
	failRead(h, "/link", syscall.EIO)
	if _, err := h.bytes("/link", nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("the errno is lost: %v", err)
	}
}

func TestHostStores(t *testing.T) {
	h := tree(t, map[string]string{"/attribute": "12345", "/dir/file": "", "/link": "-> attribute"})
	if err := syscall.Mkfifo(h.path("/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, text, err string }{
		{"/link", "67", ""},
		{"/none", "1", "there is no /none"},
		{"/dir", "1", `write "1" to /dir: is a directory`},
		{"/fifo", "1", `write "1" to /fifo: no such device or address`}, // and does not wait for a reader
	}
	for _, tt := range tests {
		err := h.store(tt.name, tt.text, "ask")
		if err == nil != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("store(%q) = %v, want %q", tt.name, err, tt.err)
		}
		if isMissing(err) != (tt.name == "/none") {
			t.Errorf("store(%q) = %v", tt.name, err)
		}
	}
	if b, err := os.ReadFile(h.path("/attribute")); err != nil || string(b) != "67345" {
		t.Errorf("the file is %q, %v: want it neither cut nor made anew", b, err)
	}
	if h.exists("/none") {
		t.Error("a file was made")
	}
	h.write = func(string, string) error { return syscall.EACCES }
	err := h.store("/attribute", "1", "join the group")
	if err == nil || err.Error() != "write /attribute: join the group (permission denied)" || classify(err) != classConfiguration {
		t.Errorf("without the right: %v", err)
	}
	h.write = func(string, string) error { return syscall.EBUSY }
	if err := h.store("/attribute", "1", ""); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("the errno is lost: %v", err)
	}
}

func TestHostList(t *testing.T) {
	h := tree(t, map[string]string{"/d/hwmon10": "", "/d/hwmon2": "", "/d/hwmon1": "", "/d/b": ""})
	got, err := h.list("/d")
	if diff := cmp.Diff([]string{"b", "hwmon1", "hwmon2", "hwmon10"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := h.list("/none"); len(got) != 0 || err != nil {
		t.Errorf("a directory that is not there: %v, %v", got, err)
	}
	if _, err := h.list("/d/b"); err == nil || err.Error() != "list /d/b: not a directory" {
		t.Errorf("a file: %v", err)
	}
}

func TestStatfsOfThisMachine(t *testing.T) {
	space, err := NewHost("/").Statfs(t.TempDir())
	if err != nil || space.Total == 0 || space.Free > space.Total || space.Available > space.Free || space.ReadOnly {
		t.Errorf("Statfs = %+v, %v", space, err)
	}
	if _, err := NewHost("/").Statfs(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Statfs of nothing: %v", err)
	}
}
