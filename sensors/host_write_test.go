package sensors

import (
	"errors"
	"os"
	"testing"
)

func TestHostWrites(t *testing.T) {
	h := tree(t, map[string]string{"/attribute": "old and longer\n", "/dir/x": ""})
	if err := h.write("/attribute", "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(h.path("/attribute")); string(got) != "new\nand longer\n" {
		t.Errorf("the file holds %q", got)
	}
	if err := h.write("/none", "x"); !isMissing(err) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(h.path("/none")); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was made")
	}
	if err := h.write("/dir", "x"); err == nil || err.Error() != "write /dir: is a directory" {
		t.Errorf("a directory: %v", err)
	}
}
