package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/store"
	"pipit/sensors"
)

// canaries stand in each place of a config that a secret may stand in.
var canaries = map[string]string{
	"password": "canary-of-the-account", "mqtt": "canary-of-the-broker", "totp": "JBSWY3DPEHPK3PXP", "room": "canary-of-the-room",
	"token": "canary-of-the-web", "query": "canary-in-a-query",
}

const diagConfig = `
[device]
name = "Annas Garden"
location = "behind the old barn"
state_dir = "state"
clock = "trust"
totp_file = "totp"
[xmpp]
jid = "device@home.example.org"
password_file = "password"
server = "127.0.0.1:1"
[people]
"anna@home.example.org" = "owner"
[mqtt]
broker = "mqtt://127.0.0.1:1"
user = "annas-bridge"
password_file = "mqtt"
[room.shed]
jid = "shed@rooms.example.org"
password_file = "room"
[sensor.web]
kind = "http"
url = "https://api.example.org/now?key=canary-in-a-query"
token_file = "DIR/token"
[sensor.pipit]
kind = "self"
`

// diagHome makes the files of a device that has crashed, with a log of the
// kernel that tells too much.
func diagHome(t *testing.T) (root, config string) {
	dir := t.TempDir()
	for name, secret := range canaries {
		write(t, dir, name, secret+"\n", 0o600)
	}
	state := filepath.Join(dir, "state")
	st, err := store.Open(state, store.Options{Flush: time.Second, Keep: time.Hour, MaxSize: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipit.reconnects", "outside"} {
		st.Append(agent.Reading{Name: name, Time: time.Now(), Value: agent.Number(7)})
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, state, crashFile, "panic: login with "+canaries["password"]+"\n"+base64.StdEncoding.EncodeToString([]byte("\x00device\x00"+canaries["password"]))+
		"\ngoroutine 1 [running]:\n", 0o600)
	root = filepath.Join(dir, "root")
	for name, text := range map[string]string{
		"proc/cmdline": "root=PARTUUID=5e3da3da-02 psk=canary-of-the-kernel host=192.0.2.7\n", "proc/sys/kernel/hostname": "annas-pi\n",
		"etc/os-release": "ID=debian\n", "proc/device-tree/model": "Raspberry Pi Zero W Rev 1.1\x00", "proc/device-tree/serial-number": "00000000abcdef01\x00",
		"proc/version": "Linux version 6.12 (annas-pi)\n",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, root, name, text, 0o600)
	}
	return root, write(t, dir, "config.toml", strings.ReplaceAll(diagConfig, "DIR", dir), 0o600)
}

// unpackDiag returns the files of an archive.
func unpackDiag(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		text, err2 := io.ReadAll(r)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		files[h.Name] = string(text)
	}
}

// tells fails where a file has a text, also in base64.
func tells(t *testing.T, files map[string]string, secrets ...string) {
	t.Helper()
	for name, text := range files {
		for _, word := range strings.Fields(text) {
			if b, err := base64.StdEncoding.DecodeString(word); err == nil {
				text += string(b)
			}
		}
		for _, s := range secrets {
			if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
				t.Errorf("%s has %q", name, s)
			}
		}
	}
}

func secretsOf(t *testing.T) (list []string) {
	t.Helper()
	for _, s := range canaries {
		list = append(list, s)
	}
	return append(list, "canary")
}

var privateNames = []string{"anna", "barn", "home.example.org", "rooms.example.org", "api.example.org", "192.0.2.7", "5e3da3da", "abcdef01"}

// The archive of a device has all that helps and nothing that must stay private.
func TestDiag(t *testing.T) {
	root, path := diagHome(t)
	g := gatherer{root: root, host: sensors.NewHost("/"), path: path}
	files := g.gather(t.Context())
	out := filepath.Join(t.TempDir(), "diag.tar.gz")
	var said strings.Builder
	if err := writeDiag(&said, io.Discard, out, time.Now(), redact(g.redactor(files, false), files, time.Now())); err != nil {
		t.Fatal(err)
	}
	if info := stat(t, out); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	got := unpackDiag(t, out)
	tells(t, got, append(secretsOf(t), privateNames...)...)
	tells(t, map[string]string{"standard output": said.String()}, append(secretsOf(t), privateNames...)...)
	for name, want := range map[string]string{
		"README.txt":   "Look at it before you post it.",
		"versions.txt": "pipit " + version(),
		"config.toml":  `jid = "jid-1@domain-1"`,
		"check.txt":    "connection refused",
		"check.json":   `"id":`,
		"counters.txt": "pipit.reconnects",
		"store.txt":    "readings: 2",
		"crash.txt":    "panic: login with [hidden]",
		"kernel.txt":   "psk=[hidden] host=ip-",
		"board.txt":    "Raspberry Pi Zero W Rev 1.1",
		"detect.json":  `"part":`,
		"log.txt":      "$ journalctl -u pipit",
		"unit.txt":     "$ systemctl status",
	} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s has no %q:\n%s", name, want, got[name])
		}
		if name != "README.txt" && !strings.Contains(got["README.txt"], name) {
			t.Errorf("README.txt does not name %s", name)
		}
	}
}

// With names, secrets are out all the same.
func TestDiagRawNames(t *testing.T) {
	root, path := diagHome(t)
	g := gatherer{root: root, host: sensors.NewHost("/"), path: path, offline: true}
	files := g.gather(t.Context())
	clean := make(map[string]string)
	for _, f := range redact(g.redactor(files, true), files, time.Now()) {
		clean[f.Name] = f.Text
	}
	tells(t, clean, secretsOf(t)...)
	if !strings.Contains(clean["config.toml"], "anna@home.example.org") || !strings.Contains(clean["check.txt"], "not tried: --offline") {
		t.Errorf("%s\n%s", clean["config.toml"], clean["check.txt"])
	}
}

// A config that is no TOML, or not there, costs its own pieces alone.
func TestDiagOfABadConfig(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, dir, "config.toml", "[xmpp\npassword = \"canary-of-the-account\" # mine\njid = \"anna@example.org\"\n", 0o600)
	for path, want := range map[string]string{bad: "password = \"[hidden]", filepath.Join(dir, "absent.toml"): "no such file"} {
		out := filepath.Join(dir, "out.tar.gz")
		code, said, errs := call(t, "diag", "--config", path, "--output", out)
		if code != exitOK || errs != "" || !strings.Contains(said, "not complete: ") {
			t.Fatalf("exit %d, %s\n%s", code, errs, said)
		}
		got := unpackDiag(t, out)
		tells(t, got, "canary", "anna")
		if !strings.Contains(got["config.toml"], want) || got["board.txt"] == "" {
			t.Errorf("config.toml: %s", got["config.toml"])
		}
	}
}

// What cannot be written is an error, and leaves nothing behind.
func TestDiagWritesWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	if code, _, errs := call(t, "diag", "--config", "absent", "-o", filepath.Join(dir, "no", "such", "folder")); code != exitFailed || !strings.Contains(errs, "with -o") {
		t.Errorf("exit %d, %s", code, errs)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := call(t, "diag", "--config", "absent", "-o", filepath.Join(dir, "taken")); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
