// Package diag makes an archive that may be posted in public: files without
// secrets, with stable pseudonyms in the place of what tells who and where
// somebody is, as a tar.gz that has the same bytes for the same content.
//
//	secrets, names ──> Redactor ──Learn every file──> Text of each ──> Write
//
// A secret is taken out as it is and as URLs, JSON, TOML, XML, base64 and hex
// write it. What is not known to be one, but looks like it, goes too.
package diag

import (
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Bounds of an archive, in bytes.
const (
	MaxFile    = 1 << 20
	maxArchive = 8 << 20 // of all files, before they are compressed
	block      = 512
)

// A File is one text of an archive. Its name has at most 99 bytes of ASCII.
type File struct {
	Name string
	Text string
}

// Write writes files as a gzipped tar (POSIX ustar) by their names, all with the
// same time and owner. A file above MaxFile is cut, and so is what comes when
// 8 MB are full; the cut is at the end of a line, and the last line says so.
func Write(out io.Writer, at time.Time, files []File) error {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	left := maxArchive - 2*block*(len(files)+1) // headers, padding, and the end
	if left < 0 {
		return fmt.Errorf("%d files are too many for an archive of %d MB", len(files), maxArchive>>20)
	}
	for _, f := range files {
		text := Head(f.Text, min(MaxFile, left))
		left -= len(text)
		if err := writeFile(z, at, f.Name, text); err != nil {
			return err
		}
	}
	if _, err := z.Write(make([]byte, 2*block)); err != nil {
		return err
	}
	return z.Close()
}

func writeFile(out io.Writer, at time.Time, name, text string) error {
	if name == "" || len(name) > 99 {
		return fmt.Errorf("%q is no name for a file of an archive", name)
	}
	head := header(at, name, len(text))
	if _, err := out.Write(head); err != nil {
		return err
	}
	_, err := io.WriteString(out, text+strings.Repeat("\x00", -len(text)&(block-1)))
	return err
}

// header is the ustar header of a regular file of root with mode 0600.
func header(at time.Time, name string, size int) []byte {
	h := make([]byte, block)
	copy(h, name)
	copy(h[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00        0", 0o600, 0, 0, size, at.Unix()))
	copy(h[257:], "ustar\x0000root")
	copy(h[297:], "root")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

const cut = "... the rest was cut\n"

// Head returns the first lines of a text in at most most bytes. Where it cuts,
// it says so.
func Head(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if most < len(cut) {
		return ""
	}
	text = text[:most-len(cut)]
	return text[:strings.LastIndexByte(text, '\n')+1] + cut
}

// Tail returns the last lines of a text in at most most bytes. Where it cuts, it
// says so. A line that is cut is left out, since half a secret is not found.
func Tail(text string, most int) string {
	const cut = "... what was before was cut\n"
	if len(text) <= most {
		return text
	}
	if most < len(cut) {
		return ""
	}
	text = text[len(text)-most+len(cut):]
	i := strings.IndexByte(text, '\n')
	if i < 0 {
		return cut
	}
	return cut + text[i+1:]
}
