package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"time"
)

// An Outline is what a config file says, whether that makes sense or not.
type Outline struct {
	Text []byte
	Mode fs.FileMode // permission bits

	top section
}

// Peek reads a config file without judging it. The error is Problems when it is
// no TOML, and else has fs.ErrNotExist in its chain when there is no file.
func Peek(path string) (*Outline, error) {
	text, mode, err := readFile(openFile, path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the config %s: %w", path, err)
	}
	table, root, problem := parse(path, string(text))
	if problem != nil {
		return nil, Problems{*problem}
	}
	return &Outline{text, mode.Perm(), section{r: &report{file: path, index: root}, table: table}}, nil
}

// Value returns what stands at a path as the toml module gives it: string,
// int64, bool, ...; nil when there is nothing, also for a nil Outline.
func (o *Outline) Value(path ...string) any {
	if o == nil {
		return nil
	}
	v, _ := lookup(o.top.table, path)
	return v
}

// Keys returns the keys of a table in the order of the file.
func (o *Outline) Keys(path ...string) []string {
	table, ok := o.Value(path...).(map[string]any)
	if !ok {
		return nil
	}
	return section{o.top.r, path, table}.keys()
}

// A Draft is a file that is yet to be written.
type Draft struct {
	Text []byte
	Mode fs.FileMode
}

// LoadDrafts is Load of a config as it would be with drafts in the place of the
// files at their paths.
func LoadDrafts(path string, env Env, drafts map[string]Draft) (*Config, error) {
	return (&loader{env: env, open: func(path string) (fs.File, error) {
		if d, ok := drafts[path]; ok {
			return draftFile{bytes.NewReader(d.Text), d.Mode}, nil
		}
		return openFile(path)
	}}).load(path)
}

// A draftFile is a Draft that was opened, and what Stat tells of it.
type draftFile struct {
	*bytes.Reader
	mode fs.FileMode
}

func (f draftFile) Stat() (fs.FileInfo, error) { return f, nil }
func (draftFile) Close() error                 { return nil }
func (draftFile) Name() string                 { return "draft" }
func (f draftFile) Mode() fs.FileMode          { return f.mode }
func (draftFile) ModTime() time.Time           { return time.Time{} }
func (draftFile) IsDir() bool                  { return false }
func (draftFile) Sys() any                     { return nil }
