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
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
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

// A File is one text of an archive. Its name is a short one of ASCII.
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
	w := tar.NewWriter(z)
	left := maxArchive - 2*block*(len(files)+1) // headers, padding, and the end
	if left < 0 {
		return fmt.Errorf("%d files are too many for an archive of %d MB", len(files), maxArchive>>20)
	}
	for _, f := range files {
		text := Head(f.Text, min(MaxFile, left))
		left -= len(text)
		h := &tar.Header{Name: f.Name, Mode: 0o600, Size: int64(len(text)), ModTime: at.Truncate(time.Second), Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), z.Close())
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
