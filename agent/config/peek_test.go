package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPeek(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	if _, err := Peek(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	text := "[xmpp]\njid = 7\nnone = true\n[people]\nz = 'owner'\n\"a@b\" = 'viewer'\n"
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	o, err := Peek(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(o.Text) != text || o.Mode != 0o640 {
		t.Errorf("%q, mode %v", o.Text, o.Mode)
	}
	if got := o.Keys("people"); !slices.Equal(got, []string{"z", "a@b"}) {
		t.Errorf("keys %q", got)
	}
	if o.Value("xmpp", "jid") != int64(7) || o.Value("people", "a@b") != "viewer" || o.Value("xmpp", "jid", "x") != nil || o.Value("y", "z") != nil || o.Keys("xmpp", "jid") != nil {
		t.Error("wrong values")
	}
	var none *Outline
	if none.Value("xmpp", "jid") != nil || none.Keys("people") != nil {
		t.Error("nil has values")
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Peek(path); err == nil || !strings.HasPrefix(err.Error(), path+":1:") {
		t.Errorf("no TOML: %v", err)
	}
}

func TestLoadDrafts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.toml")
	drafts := map[string]Draft{
		path:                     {[]byte("[xmpp]\njid = 'pi@example.org'\npassword_file = 'pw'\n[people]\n'a@example.org' = 'owner'\n"), 0o640},
		filepath.Join(dir, "pw"): {[]byte("draft-secret\n"), 0o600},
	}
	cfg, err := LoadDrafts(path, fakeEnv(built{}), drafts)
	if err != nil || cfg.XMPP.Password.Reveal() != "draft-secret" {
		t.Fatalf("%v, %v", cfg, err)
	}
	drafts[filepath.Join(dir, "pw")] = Draft{[]byte("draft-secret\n"), 0o640}
	if _, err := LoadDrafts(path, fakeEnv(built{}), drafts); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a password that others read: %v", err)
	}
	if _, err := LoadDrafts(path, fakeEnv(built{}), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without drafts: %v", err)
	}
}
