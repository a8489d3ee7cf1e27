package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/config"
	"pipit/agent/xmpp/server"
)

// testCA is a PEM file with a certificate.
func testCA(t *testing.T) string {
	t.Helper()
	ca, err := server.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return string(ca.PEM())
}

// Root makes the files for the service.
func TestSetupByRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	path := filepath.Join(dir, "config.toml")
	type owned struct {
		name     string
		uid, gid int
	}
	var got []owned
	change := func(s *setup) {
		s.owns = ownership{user: &ids{1234, 5678}, chown: func(path string, uid, gid int) error {
			name := filepath.Base(path)
			if strings.HasPrefix(name, ".pipit-setup-") {
				name = "temp"
			}
			got = append(got, owned{name, uid, gid})
			return nil
		}}
	}
	out, err := newFake().try(t, path, firstAnswers, change)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []owned{{"etc", 0, 5678}, {"temp", 1234, 5678}, {"temp", 0, 5678}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(owned{})); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if mode := stat(t, dir).Mode().Perm(); mode != 0o750 {
		t.Errorf("the folder has mode %v", mode)
	}
	if !strings.Contains(out, "systemctl enable --now pipit") {
		t.Errorf("it does not say how to start the service:\n%s", out)
	}
}

// A write that fails leaves no file behind and none changed.
func TestSetupWriteFails(t *testing.T) {
	dir := t.TempDir()
	good := &draft{path: filepath.Join(dir, "a"), Draft: config.Draft{Text: []byte("a"), Mode: 0o600}}
	bad := &draft{path: filepath.Join(dir, "none", "b"), Draft: config.Draft{Text: []byte("b"), Mode: 0o600}}
	if err := (ownership{}).write([]*draft{good, bad}); err == nil || len(state(t, dir)) != 0 {
		t.Errorf("%v, %v", err, state(t, dir))
	}
	if err := os.Mkdir(bad.path[:len(bad.path)-2], 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(bad.path, 0o700); err != nil { // a rename onto it fails
		t.Fatal(err)
	}
	if err := (ownership{}).write([]*draft{bad}); err == nil || len(state2(t, filepath.Dir(bad.path))) != 1 {
		t.Errorf("%v", err)
	}
}

func state2(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
