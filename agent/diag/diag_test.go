package diag

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var commitTime = time.Date(2026, 11, 23, 14, 30, 4, 0, time.UTC)

// unpack reads an archive with the standard library's tar.
func unpack(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 || h.Uid != 0 || h.Gid != 0 || h.Uname != "root" || !h.ModTime.Equal(commitTime) || h.Typeflag != tar.TypeReg {
			t.Errorf("header %+v", h)
		}
		files[h.Name] = string(text)
	}
}

func TestWrite(t *testing.T) {
	list := []File{{"b.txt", "two\n"}, {"a.txt", ""}, {"c.txt", strings.Repeat("x", block)}}
	var first, second bytes.Buffer
	if err := Write(&first, commitTime, list); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a.txt": "", "b.txt": "two\n", "c.txt": strings.Repeat("x", block)}
	if diff := cmp.Diff(want, unpack(t, first.Bytes())); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	list[0], list[1] = list[1], list[0]
	if err := Write(&second, commitTime, list); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("the order of the files counts: %v", err)
	}
	if err := Write(io.Discard, commitTime, []File{{strings.Repeat("n", 300), ""}}); err == nil {
		t.Error("a name of 300 bytes is taken")
	}
}

func TestWriteIsBounded(t *testing.T) {
	var list []File
	for i := range 12 {
		list = append(list, File{fmt.Sprintf("%02d", i), strings.Repeat("line of 16 bytes\n", MaxFile/8)})
	}
	var b bytes.Buffer
	if err := Write(&b, commitTime, list); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for name, text := range unpack(t, b.Bytes()) {
		if sum += len(text); len(text) > MaxFile {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		if text != "" && !strings.HasSuffix(text, "bytes\n"+cut) {
			t.Errorf("%s ends in %q", name, text[len(text)-40:])
		}
	}
	if sum > maxArchive {
		t.Errorf("%d bytes in all", sum)
	}
}

func TestHeadAndTail(t *testing.T) {
	const text = "first line of text\nsecond line of text\nthird line of text\n"
	if got := Head(text, 45); got != "first line of text\n"+cut {
		t.Errorf("head %q", got)
	}
	if got := Tail(text, 48); got != "... what was before was cut\nthird line of text\n" {
		t.Errorf("tail %q", got)
	}
	for _, most := range []int{0, 5, 20, len(text), 1000} {
		if h, l := Head(text, most), Tail(text, most); len(h) > most || len(l) > most || most >= len(text) && (h != text || l != text) {
			t.Errorf("%d: %q, %q", most, h, l)
		}
	}
}
