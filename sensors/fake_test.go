package sensors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipit/agent"
)

// tree writes a fake root: path to content, or "-> target" for a symbolic link.
func tree(t *testing.T, files map[string]string) *Host {
	t.Helper()
	h := NewHost(t.TempDir())
	for name, content := range files {
		put(t, h, name, content)
	}
	return h
}

func put(t *testing.T, h *Host, name, content string) {
	t.Helper()
	path := h.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if to, ok := strings.CutPrefix(content, "-> "); ok {
		err = os.Symlink(to, path)
	} else {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// failRead makes reads of one file end in an error, as a chip that does not answer.
func failRead(h *Host, name string, err error) {
	inner, path := h.read, h.path(name)
	h.read = func(p string, buf []byte, limit int) ([]byte, error) {
		if p == path {
			return nil, err
		}
		return inner(p, buf, limit)
	}
}

// table returns a decode over lines of simple TOML: key = value, where the
// value is also JSON, a duration, a number such as 0x48 or a table of strings
// { a = "b" }, and comments.
func table(text string) func(any) error {
	return func(into any) error {
		v := reflect.ValueOf(into).Elem()
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, " #")
			key, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
			if !ok || key == "kind" || key == "every" || key == "timeout" {
				continue
			}
			if err := setField(v, key, strings.TrimSpace(value)); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	}
}

func setField(v reflect.Value, key, value string) error {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("toml") != key {
			continue
		}
		if to, ok := v.Field(i).Addr().Interface().(*time.Duration); ok {
			d, err := time.ParseDuration(strings.Trim(value, `"`))
			*to = d
			return err
		}
		if n, err := strconv.ParseInt(value, 0, 64); err == nil && v.Field(i).CanInt() {
			v.Field(i).SetInt(n)
			return nil
		}
		if v.Field(i).Kind() == reflect.Map {
			v.Field(i).SetZero() // a table replaces the default
			value = regexp.MustCompile(`([\w.-]+) = `).ReplaceAllString(value, `"$1": `)
		}
		return json.Unmarshal([]byte(value), v.Field(i).Addr().Interface())
	}
	return errors.New("unknown key")
}

// build makes a sensor of a kind from the text of its table.
func build(t *testing.T, kind Kind, h *Host, text string) Built {
	t.Helper()
	b, err := kind.New(h, table(text))
	if err != nil {
		t.Fatalf("%s: New: %v", kind.Name, err)
	}
	return b
}

// read reads a sensor once and returns its readings as lines: "name: value",
// and the error as "error: ..." or "missing: ...".
func read(t *testing.T, s agent.Sensor) []string {
	t.Helper()
	readings, err := s.Read(t.Context())
	return lines(readings, err)
}

func lines(readings []agent.Reading, err error) []string {
	if err != nil {
		if isMissing(err) {
			return []string{"missing: " + err.Error()}
		}
		return []string{"error: " + err.Error()}
	}
	var out []string
	for _, r := range readings {
		s := r.Name + ": "
		switch {
		case r.Quality >= agent.Fault:
			s += r.Quality.String() + ": " + r.Reason
		default:
			s += strings.TrimSpace(r.Value.String() + " " + r.Unit)
			if r.Quality != agent.Good {
				s += " (" + r.Quality.String() + ": " + r.Reason + ")"
			}
		}
		out = append(out, s)
	}
	return out
}

// cancelled returns a context that has ended.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
