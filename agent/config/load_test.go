package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pipit/agent"
	"pipit/agent/alarm"
)

// loadText writes a config and a password file beside it, and loads it.
func loadText(t *testing.T, text string, b built) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "password"), "0600", "not a real one\n")
	path := filepath.Join(dir, "pipit.toml")
	write(t, path, "0600", text)
	return Load(path, fakeEnv(b))
}

func mustLoad(t *testing.T, text string, b built) *Config {
	t.Helper()
	c, err := loadText(t, text, b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	c := mustLoad(t, `
[device]
name = "greenhouse"
location = "behind the house"
state_dir = "state"
log_level = "debug"
summary = ["tank", "board.*"]
flush = "1m"
keep = "1d12h"
max_size = "2MB"
clock_wait = "0s"
[xmpp]
jid = "GreenHouse@Example.org/Roof"
password_file = "password"
server = "[::1]:5223"
direct_tls = true
pubsub = "PubSub.example.org"
access = "whitelist"
allow_plain = true
[people]
"Anna@Example.org" = "owner"
"ben@example.org" = "operator"
[sensor.tank]
kind = "file"
path = "/dev/null"
every = "1h30m"
timeout = "2s"
[sensor.board]
kind = "system"
[sensor.a]
kind = "sim"
`, built{})
	dir := filepath.Dir(c.Path)
	want := &Config{
		Path:   filepath.Join(dir, "pipit.toml"),
		Alarms: alarm.Plan{CriticalAfter: 5 * time.Minute, ReceiptAfter: time.Minute},
		Device: Device{Confirm: agent.ConfirmAsk,
			Name: "greenhouse", Location: "behind the house", StateDir: filepath.Join(dir, "state"),
			LogLevel: slog.LevelDebug, Summary: []string{"tank", "board.*"},
			Flush: time.Minute, Keep: 36 * time.Hour, MaxSize: 2e6,
		},
		XMPP: XMPP{
			JID: "greenhouse@example.org", Resource: "Roof", PasswordFile: filepath.Join(dir, "password"),
			Server: "[::1]:5223", DirectTLS: true, PubSub: "pubsub.example.org", Access: "whitelist", AllowPlain: true,
		},
		People: map[string]agent.Role{"anna@example.org": agent.Owner, "ben@example.org": agent.Operator},
		Sensors: []agent.Task{
			{Name: "tank", Kind: "file", Every: 90 * time.Minute, Timeout: 2 * time.Second, Bus: "sensor:tank", Sensor: fakeSensor{"file"}},
			{Name: "board", Kind: "system", Every: 15 * time.Second, Bus: "sysfs", Sensor: fakeSensor{"system"}},
			{Name: "a", Kind: "sim", Every: 30 * time.Second, Bus: "sysfs", Fields: []string{""}, Sensor: fakeSensor{"sim"}},
		},
	}
	if d := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Config{}), cmpopts.IgnoreTypes(Secret{}), cmp.AllowUnexported(fakeSensor{})); d != "" {
		t.Error(d)
	}
	if got := c.XMPP.Password.Reveal(); got != "not a real one" {
		t.Errorf("password is %q", got)
	}
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, "[xmpp]\njid = \"a@example.org\"\npassword_file = \"password\"\n", built{})
	host, _ := os.Hostname()
	if want := (Device{Name: host, Confirm: agent.ConfirmAsk, StateDir: "/var/lib/pipit", Flush: 10 * time.Second, Keep: 720 * time.Hour, MaxSize: 64e6, ClockWait: 5 * time.Minute}); host != "" && !cmp.Equal(c.Device, want) {
		t.Error(cmp.Diff(want, c.Device))
	}
	if x := c.XMPP; x.Resource != "pipit" || x.Access != "presence" || x.Server != "" || x.RootCAs != nil {
		t.Errorf("got %+v", x)
	}
}

func TestClock(t *testing.T) {
	for text, want := range map[string]Device{
		`clock = "trust"`:                       {TrustClock: true, ClockWait: 5 * time.Minute},
		`clock = "auto"`:                        {ClockWait: 5 * time.Minute},
		"clock = \"auto\"\nclock_wait = \"1h\"": {ClockWait: time.Hour},
	} {
		c := mustLoad(t, "[device]\n"+text, built{})
		if d := c.Device; d.TrustClock != want.TrustClock || d.ClockWait != want.ClockWait {
			t.Errorf("%s: got %+v", text, d)
		}
	}
}

func TestResource(t *testing.T) {
	for jid, want := range map[string]string{
		`"a@example.org"`:                            "pipit",
		`"a@example.org/roof"`:                       "roof",
		"\"a@example.org/roof\"\nresource = \"B/c\"": "B/c",
	} {
		c := mustLoad(t, "[xmpp]\npassword_file = \"password\"\njid = "+jid, built{})
		if c.XMPP.JID != "a@example.org" || c.XMPP.Resource != want {
			t.Errorf("%s: got %s and %s", jid, c.XMPP.JID, c.XMPP.Resource)
		}
	}
}

func TestDecode(t *testing.T) {
	b := built{}
	mustLoad(t, `
sensor.list = { kind = "system", mounts = [], interfaces = ["a", 'b'] }
[sensor.sim]
kind = "sim"
min = -3
period = "1m30s"
seed = -9223372036854775808
[sensor.rack]
kind = "nested"
count = 65535
place = "outdoors"
labels = { a = "1", "b c" = "2" }
calibrate.offset = 2
point.low = { at = "1s", value = 1 }
[sensor.rack.point.high]
value = 1e2
`, b)
	low := -3.0
	want := built{
		"list": &systemKeys{Mounts: []string{}, Interfaces: []string{"a", "b"}},
		"sim":  &simKeys{Shape: "sine", Min: &low, Max: 1, Period: 90 * time.Second, Seed: -1 << 63},
		"rack": &nestedKeys{
			Level: 7, Count: 65535, Place: "outdoors", Calibrate: fileKeys{Offset: 2},
			Labels:  map[string]string{"a": "1", "b c": "2"},
			Point:   map[string]pointKeys{"low": {time.Second, 1}, "high": {Value: 100}},
			private: "kept",
		},
	}
	if d := cmp.Diff(want, b, cmp.AllowUnexported(nestedKeys{})); d != "" {
		t.Error(d)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", `1: xmpp: there is no [xmpp]: readings stay on this device
1: sensor: there is no [sensor.NAME]: nothing is measured
1: people: nobody is an owner: nobody may change this device`},
		{`
[people]
"anna@example.org" = "viewer"
[sensor.a]
kind = "sim"
[xmpp]
password = "not a real one"
jid = "a@example.org"
access = "open"
direct_tls = true
[device]
clock_wait = "1m"
clock = "trust"
`, `2: people: nobody is an owner: nobody may change this device
7: xmpp.password: the password stands in the config: password_file keeps it apart
9: xmpp.access: everybody may read what this device publishes
10: xmpp.direct_tls: it changes nothing without server: SRV records say which port speaks TLS at once
12: device.clock_wait: it changes nothing with clock = "trust": no reading waits`},
	} {
		c := mustLoad(t, tt.text, built{})
		got := strings.ReplaceAll(strings.Join(c.Warnings, "\n"), c.Path+":", "")
		if d := cmp.Diff(strings.Split(tt.want, "\n"), strings.Split(got, "\n"), cmpopts.SortSlices(strings.Compare)); d != "" {
			t.Error(d)
		}
	}
}

func TestUnreadableConfig(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	write(t, big, "0600", strings.Repeat("#", maxFile+1))
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file or directory",
		dir:                        "it is not a regular file",
		big:                        "it is larger than 256 KiB",
	} {
		_, err := Load(path, fakeEnv(built{}))
		want = "cannot read the config " + path + ": " + want + " (pipit init prints a commented one)"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestBounds(t *testing.T) {
	sensors, people := "", "[people]\n"
	for i := range maxSensors + 1 {
		n := strings.Repeat("x", i%16) + string(rune('a'+i/16))
		sensors += "[sensor." + n + "]\nkind = \"sim\"\n"
		people += `"` + n + `@example.org" = "owner"` + "\n"
	}
	for name, tt := range map[string]struct{ text, want string }{
		"sensors": {sensors, "1: sensor: there are 257 sensors, at most 256 are possible"},
		"people":  {people, "1: people: there are 257 people, at most 256 are possible"},
		"keys":    {strings.Repeat("a.b.c=1\n", 4096), "2731: more than 8192 keys"},
		"key":     {"\n[" + strings.Repeat("k", 1100) + "]", "2: a key of more than 1024 bytes"},
		"parts":   {"a" + strings.Repeat(".a", 16) + " = 1", "1: nested more than 16 deep"},
		"lists":   {"a = [" + strings.Repeat("\n[", 100000), "18: nested more than 16 deep"},
		"tables":  {strings.Repeat("a = {", 30000), "1: nested more than 16 deep"},
		"binary":  {"[device]\nname = \"\xff\"\n", "2: this is not UTF-8 text"},
		"utf-16":  {"\xff\xfe[\x00d\x00", "1: this is not UTF-8 text"},
		"zero":    {"[device]\n\x00", "2: TOML files cannot contain control characters: '0x00'"},
		"long":    {"[device]\nlog_level = \"" + strings.Repeat("ü", 4000) + "\"", `2: device.log_level: unknown word "` + strings.Repeat("ü", 293) + " ..."},
	} {
		c, err := loadText(t, tt.text, built{})
		ps, ok := errors.AsType[Problems](err)
		if !ok || c != nil {
			t.Errorf("%s: got %v, %v", name, c, err)
		} else if got := strings.TrimPrefix(ps.Error(), ps[0].File+":"); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", name, got, tt.want)
		}
	}
}

func TestCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	const text = "[xmpp]\njid = \"a@example.org\"\n"
	wantError := func(text, want string) {
		t.Helper()
		_, err := loadText(t, text, built{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	wantError(text, "pipit.toml:1: xmpp: there is no password")

	credential := filepath.Join(dir, "xmpp_password")
	write(t, credential, "0440", "from systemd\n") // systemd shows an ACL as group bits
	c := mustLoad(t, text, built{})
	if c.XMPP.Password.Reveal() != "from systemd" || c.XMPP.PasswordFile != credential {
		t.Errorf("got %q of %s", c.XMPP.Password.Reveal(), c.XMPP.PasswordFile)
	}
	c = mustLoad(t, text+`password_file = "`+credential+`"`, built{})
	if c.XMPP.Password.Reveal() != "from systemd" {
		t.Error("a credential named by password_file was not read")
	}
	c = mustLoad(t, text+`password_file = "password"`, built{})
	if c.XMPP.Password.Reveal() != "not a real one" {
		t.Error("password_file does not come before the credential")
	}
	write(t, credential, "0440", "")
	wantError(text, "xmpp.password_file: "+credential+" is empty")

	beside := dir + "x" // not below the folder, though its name starts the same
	if err := os.Mkdir(beside, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(beside) })
	write(t, filepath.Join(beside, "p"), "0440", "text")
	wantError(text+`password_file = "`+beside+`/p"`, "others may read")
}

func TestReadPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p")
	for text, want := range map[string]string{"a b\r\n": "a b", " ü ": " ü ", "a\n": "a"} {
		write(t, path, "0400", text)
		if s, err := ReadPassword(path); err != nil || s.Reveal() != want {
			t.Errorf("%q: got %q, %v", text, s.Reveal(), err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"", "\n", "a\n\n", "a\x00", "\xff"} {
		write(t, path, "0600", text)
		if _, err := ReadPassword(path); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestCAFile(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := "a comment\n" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, ca, "0644", text+text)
	c := mustLoad(t, "[xmpp]\njid = \"a@example.org\"\npassword_file = \"password\"\nca_file = \""+ca+"\"", built{})
	if c.XMPP.CAFile != ca || c.XMPP.RootCAs == nil {
		t.Errorf("got %+v", c.XMPP)
	}
	if _, err := ReadCA(ca); err != nil {
		t.Error(err)
	}
	if _, err := ReadCA(ca + "x"); err == nil || strings.Count(err.Error(), ca) != 1 {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	c := mustLoad(t, Example(), built{})
	got := strings.ReplaceAll(c.Describe(), filepath.Dir(c.Path)+"/", "")
	want := `device   greenhouse (behind the house), state in /var/lib/pipit, log level info
account  greenhouse@example.org/pipit, password from password
server   SRV records of example.org
publish  the account's own PubSub (PEP), access presence
person   anna@example.org, owner
person   ben@example.org, operator
person   carla@example.org, viewer
sensor   board, system, every 10s, bus sysfs
sensor   chips, hwmon, every 30s, bus sysfs
sensor   soc, thermal, every 30s, bus sysfs
sensor   pipit, self, every 1m, bus sysfs
sensor   boiler, file, every 1m, bus sensor:boiler
sensor   simulated, sim, every 5s, bus sysfs
output   lamp, sim, begins off, safe off when exit
output   fan, sim, begins 0 %, safe 0 % when exit, max_on 2h
field    board.load*, precision 2, change 0.1
field    simulated, unit °C, reject 85, valid -40 to 60, offset -0.5, max_step 5, smooth median of 3, stale after 2m
field    boiler, 2 points, change 1%, heartbeat 30m
rule     hot, critical, when boiler > 80 °C
command  disk, for viewers, runs /bin/df, at most 10s`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	c.XMPP = XMPP{JID: "a@example.org", Resource: "r", Server: "xmpp.example.org:5223", DirectTLS: true,
		CAFile: "ca.pem", AllowPlain: true, PubSub: "pubsub.example.org", Access: "open"}
	for _, want := range []string{
		"\naccount  a@example.org/r, password from the config\n",
		"\nserver   xmpp.example.org:5223, direct TLS, certificates of ca.pem, SASL PLAIN allowed inside TLS\n",
		"\npublish  PubSub service pubsub.example.org, access open\n",
	} {
		if !strings.Contains(c.Describe(), want) {
			t.Errorf("no %q in\n%s", want, c.Describe())
		}
	}
	c = mustLoad(t, "[device]\nname = \"a\"\n", built{})
	if got := c.Describe(); got != "device  a, state in /var/lib/pipit, log level info" {
		t.Errorf("got %q", got)
	}
}

func TestExample(t *testing.T) {
	data, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Example(), string(data)); d != "" {
		t.Error("config.toml.example is not what pipit init prints", d)
	}
	c := mustLoad(t, Example(), built{})
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}

	// The keys that are commented out must be right as well.
	var all strings.Builder
	for line := range strings.Lines(Example()) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && (strings.Contains(rest, " = ") && rest[0] != ' ' || rest[0] == '[') {
			line = rest
		}
		all.WriteString(line)
	}
	_, err = loadText(t, all.String(), built{})
	ps, _ := errors.AsType[Problems](err)
	var keys []string
	for _, p := range ps {
		keys = append(keys, p.Key)
	}
	if want := []string{"device.avatar", "device.totp_file", "xmpp.password_file", "xmpp.ca_file", "room.house.password_file", "mqtt.password_file", "mqtt.ca_file", "mqtt.cert_file"}; !cmp.Equal(keys, want) { // no avatar, no totp, two passwords, no ca.pem, no file
		t.Error(err)
	}
}

// A file that shrinks, grows or fails while it is read is an error, not a wait.
func TestReadFileFails(t *testing.T) {
	failing := func(string) (fs.File, error) { return badFile{}, nil }
	if _, _, err := readFile(failing, "x", 10); err == nil || err.Error() != "input/output error" {
		t.Error(err)
	}
}

type badFile struct{ fs.File }

func (badFile) Stat() (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "stat", Path: "x", Err: errors.New("input/output error")}
}
func (badFile) Close() error { return nil }
