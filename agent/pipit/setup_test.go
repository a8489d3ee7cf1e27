package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/config"
	"pipit/agent/xmpp/stream"
	"pipit/sensors"
)

// A fakeServer is what a setup connects to: it knows one account.
type fakeServer struct {
	jid, password string
	dialled       []stream.Config
	made          []string // JID, password, token
	taken         bool     // it makes no account
	hellos        []string
	bounce        error
	closed        int
}

func (f *fakeServer) dial(_ context.Context, cfg stream.Config) (introducer, error) {
	f.dialled = append(f.dialled, cfg)
	if password, err := cfg.Password(); err != nil || cfg.JID != f.jid || password != f.password {
		return nil, &stream.Error{Kind: stream.KindAuth, On: cfg.JID}
	}
	return f, nil
}

func (f *fakeServer) register(_ context.Context, cfg stream.Config, token string) error {
	password, err := cfg.Password()
	if f.taken || err != nil {
		return errors.New("conflict: somebody has this account")
	}
	f.made = []string{cfg.JID, password, token}
	f.jid, f.password = cfg.JID, password
	return nil
}

func (f *fakeServer) introduce(_ context.Context, to, text string) error {
	f.hellos = append(f.hellos, to+": "+text)
	return f.bounce
}

func (f *fakeServer) close() { f.closed++ }

type noRecords struct{}

func (noRecords) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, nil
}

func findings(context.Context) []sensors.Finding {
	return []sensors.Finding{
		{Part: "thermal", Name: "cpu-thermal", Where: "/sys/class/thermal/thermal_zone0", Sure: true,
			Sensors: []sensors.Suggestion{{Kind: "thermal", Keys: []sensors.Key{{Name: "zone", Value: "cpu-thermal"}}}}},
		{Part: "i2c", Name: "bme280 or bmp280", Where: "bus 1, 0x76", Sensors: []sensors.Suggestion{
			{Kind: "bme280", Keys: []sensors.Key{{Name: "bus", Value: 1}, {Name: "address", Value: 0x76}}},
			{Kind: "bmp280", Keys: []sensors.Key{{Name: "bus", Value: 1}, {Name: "address", Value: 0x76}}}}},
		{Part: "gpio", Name: "gpiochip0"},
		{Part: "i2c", Name: "odd", Sure: true, Sensors: []sensors.Suggestion{{Kind: "no-such-kind"}}},
		{Part: "camera", Problem: "not allowed"},
	}
}

const goodPassword = "a-test-password"

// try runs setup with answers and options, and returns what it printed.
func (f *fakeServer) try(t *testing.T, path, answers string, change func(*setup)) (string, error) {
	t.Helper()
	var out bytes.Buffer
	s := &setup{dial: f.dial, register: f.register, detect: findings, resolver: noRecords{}, out: &out, raw: &out}
	s.config = path
	if change != nil {
		change(s)
	}
	s.ask = newAsker(strings.NewReader(answers), &out, s.yes)
	err := s.run(t.Context())
	if err == nil {
		if _, err := load(path); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(out.String(), goodPassword) || err != nil && strings.Contains(err.Error(), goodPassword) {
		t.Errorf("the password is shown:\n%s\n%v", &out, err)
	}
	return out.String(), err
}

func newFake() *fakeServer { return &fakeServer{jid: "pi@example.org", password: goodPassword} }

const (
	firstAnswers = "Pi@Example.org\nyes\n" + goodPassword + "\nAnna@example.org/phone\nall\n"
	firstConfig  = `# Written by pipit setup. Every key is explained by: pipit init

[device]
name = "NAME"
state_dir = "state"

[xmpp]
jid = "pi@example.org"
password_file = "password"

[people]
"anna@example.org" = "owner"

[sensor.board]
kind = "system"

[sensor.cpu-thermal]
kind = "thermal"
zone = "cpu-thermal"
`
)

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// state is all that is in a folder: names, modes and texts.
func state(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = info.Mode().String() + " " + mustRead(t, filepath.Join(dir, e.Name()))
	}
	return files
}

func TestSetupMakesAConfig(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "config.toml")
	f := newFake()
	out, err := f.try(t, path, firstAnswers, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"config.toml": "-rw-r----- " + strings.Replace(firstConfig, "NAME", host, 1),
		"password":    "-rw------- " + goodPassword + "\n",
	}
	if diff := cmp.Diff(want, state(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(f.dialled) != 1 || f.closed != 1 || f.dialled[0].Resource != "" {
		t.Errorf("%d logins, %d closed", len(f.dialled), f.closed)
	}
	if len(f.hellos) != 1 || !strings.HasPrefix(f.hellos[0], "anna@example.org: I am "+host+", ") {
		t.Errorf("said %q", f.hellos)
	}
	for _, want := range []string{"Logging in as pi@example.org\n", "  TLS     encrypted", "  login   accepted", "xmpp:pi@example.org?roster", "bme280", "(a guess", "pipit run --config " + path} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "no-such-kind") || strings.Contains(out, "▀") || strings.Contains(out, "##") {
		t.Errorf("a sensor that this program does not have, or a QR code:\n%s", out)
	}
}

func TestSetupByOptionsAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	out, err := newFake().try(t, path, "", func(s *setup) {
		s.jid, s.owner, s.sensors, s.qr = "pi@example.org", "anna@example.org", "bmp280, 1", true
		s.passwordFile = write(t, t.TempDir(), "pw", goodPassword, 0o600)
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := mustRead(t, path)
	if !strings.Contains(text, "[sensor.bmp280]\nkind = \"bmp280\"\nbus = 1\naddress = 0x76\n") || !strings.Contains(text, "[sensor.board]") || strings.Contains(text, "thermal") {
		t.Errorf("wrong sensors:\n%s", text)
	}
	if !strings.Contains(out, "##") && !strings.Contains(out, "█") {
		t.Errorf("no QR code:\n%s", out)
	}
}

func TestSetupAgainChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	f := newFake()
	if _, err := f.try(t, path, firstAnswers, nil); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "password", goodPassword, 0o600) // as somebody wrote it by hand
	before, info := state(t, dir), stat(t, path)
	for name, change := range map[string]func(*setup){
		"yes":       func(s *setup) { s.yes = true },
		"the usual": nil,
		"options": func(s *setup) {
			s.jid, s.owner, s.yes, s.passwordFile = "pi@example.org", "anna@example.org", true, filepath.Join(dir, "password")
		},
	} {
		answers := "\n\n\n"
		f.hellos = nil
		out, err := f.try(t, path, answers, change)
		if err != nil || !strings.Contains(out, "Nothing has changed") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if strings.Contains(out, "password") || len(f.hellos) > 0 {
			t.Errorf("%s: it asks for the password or says hello again: %q\n%s", name, f.hellos, out)
		}
	}
	if diff := cmp.Diff(before, state(t, dir)); diff != "" || !os.SameFile(info, stat(t, path)) {
		t.Errorf("files were written (-want +got):\n%s", diff)
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

const grown = `# mine
[device]
name = "barn" # the old one
state_dir = "/var/lib/pipit"

[people] # all of us
"Anna@Example.org" = "viewer"   # my sister
"ben@example.org" = "owner"

[xmpp]
jid = "pi@example.org/barn"     # a resource of its own
password_file = "secret"
ca_file = "ca.pem"

[sensor.heat] # the chip
kind = "thermal"
zone = "cpu-thermal"
every = "1m"
[sensor.bme280]
kind = "sim"

[rule.hot]
when = "heat > 80 °C"
`

func TestSetupKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "config.toml", grown, 0o604)
	write(t, dir, "secret", goodPassword, 0o600)
	write(t, dir, "ca.pem", testCA(t), 0o644)
	f := newFake()
	out, err := f.try(t, path, "\nanna@example.org\nbme280_2\n", func(s *setup) { s.server, s.direct = "xmpp.example.org:5223", true })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := strings.NewReplacer(`"viewer" `, `"owner" `,
		"ca_file = \"ca.pem\"\n", "ca_file = \"ca.pem\"\nserver = \"xmpp.example.org:5223\"\ndirect_tls = true\n").Replace(grown) +
		"\n[sensor.bme280_2]\nkind = \"bme280\"\nbus = 1\naddress = 0x76\n"
	if diff := cmp.Diff(want, mustRead(t, path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if mode := stat(t, path).Mode(); mode != 0o604 {
		t.Errorf("its mode became %v", mode)
	}
	if got := mustRead(t, filepath.Join(dir, "secret")); got != goodPassword {
		t.Errorf("the password file became %q", got)
	}
	if !slices.Equal(f.hellos, []string{`anna@example.org: I am barn, and you are my owner. Write "help" to see what you can ask me for.`}) {
		t.Errorf("said %q", f.hellos)
	}
	if c := f.dialled[0]; c.Server != "xmpp.example.org:5223" || !c.DirectTLS || c.RootCAs == nil {
		t.Errorf("dialled %+v", c)
	}
}

func TestSetupMendsThePassword(t *testing.T) {
	for name, broken := range map[string]func(dir string){
		"no file":     func(string) {},
		"others read": func(dir string) { write(t, dir, "password", "x", 0o644) },
		"empty":       func(dir string) { write(t, dir, "password", "", 0o600) },
	} {
		dir := t.TempDir()
		path := write(t, dir, "config.toml", "[xmpp]\njid = 'pi@example.org'\npassword_file = 'password'\n[people]\n'anna@example.org' = 'owner'\n", 0o640)
		broken(dir)
		out, err := newFake().try(t, path, "\nyes\n"+goodPassword+"\n\nnone\n", nil)
		if err != nil || mustRead(t, filepath.Join(dir, "password")) != goodPassword+"\n" || stat(t, filepath.Join(dir, "password")).Mode() != 0o600 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestSetupWithThePasswordInTheConfig(t *testing.T) {
	path := write(t, t.TempDir(), "config.toml", "[xmpp]\njid = 'old@example.org'\npassword = 'old' # no file\n[people]\n'anna@example.org' = 'owner'\n", 0o600)
	out, err := newFake().try(t, path, "pi@example.org\nyes\n"+goodPassword+"\n\nnone\n", nil)
	want := "[xmpp]\njid = \"pi@example.org\"\npassword = \"" + goodPassword + "\" # no file\n[people]\n'anna@example.org' = 'owner'\n"
	if got := mustRead(t, path); err != nil || got != want || stat(t, path).Mode() != 0o600 {
		t.Errorf("%v\n%s\n%s", err, got, out)
	}
}

func TestSetupReplacesTheExample(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "config.toml", config.Example(), 0o644)
	if out, err := newFake().try(t, path, firstAnswers, nil); err != nil || strings.Contains(mustRead(t, path), "ben@example.org") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the packages install is a config that says nothing yet.
func TestSetupFillsAnEmptyConfig(t *testing.T) {
	path := write(t, t.TempDir(), "config.toml", "# nothing yet\n", 0o640)
	out, err := newFake().try(t, path, firstAnswers, func(s *setup) { s.owns.user = ownerOf(path) })
	_, want, _ := strings.Cut(firstConfig, "[xmpp]")
	if text := mustRead(t, path); err != nil || !strings.HasPrefix(text, "# nothing yet\n\n[device]\nname = ") || !strings.HasSuffix(text, want) {
		t.Errorf("%v\n%s\n%s", err, text, out)
	}
	if !strings.Contains(out, "systemctl enable --now pipit") {
		t.Error(out)
	}
}

func TestSetupFollowsALink(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	real := write(t, other, "real.toml", "[sensor.a]\nkind = 'sim'\n", 0o640)
	path := filepath.Join(dir, "config.toml")
	if err := os.Symlink(real, path); err != nil {
		t.Fatal(err)
	}
	if out, err := newFake().try(t, path, firstAnswers, nil); err != nil || !strings.Contains(mustRead(t, real), "pi@example.org") {
		t.Errorf("%v\n%s", err, out)
	}
	if to, err := os.Readlink(path); err != nil || to != real {
		t.Errorf("the link became %q, %v", to, err)
	}
}

func TestSetupDoesNotOverwriteAnotherPassword(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "password", "of something else", 0o600)
	path := filepath.Join(dir, "config.toml")
	if out, err := newFake().try(t, path, firstAnswers, nil); err != nil || mustRead(t, filepath.Join(dir, "password")) != "of something else" || mustRead(t, filepath.Join(dir, "xmpp-password")) != goodPassword+"\n" {
		t.Errorf("%v\n%s", err, out)
	}
	write(t, dir, "xmpp-password", "too", 0o600)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	before := state(t, dir)
	if _, err := newFake().try(t, path, firstAnswers, nil); err == nil || !strings.Contains(err.Error(), "move it away") || !cmp.Equal(before, state(t, dir)) {
		t.Error(err)
	}
}

// What goes wrong leaves all files as they were.
func TestSetupWritesNothing(t *testing.T) {
	lines := strings.SplitAfter(firstAnswers, "\n")
	inline := "people = { 'ben@example.org' = 'owner' }\n[xmpp]\njid = 'pi@example.org'\npassword_file = 'password'\n"
	for _, c := range []struct {
		name, config, answers string
		change                func(*setup)
		code                  int
		says                  string
	}{
		{"no answers", "", "", nil, 1, "name@domain, or an invitation: the answers ended here"},
		{"answers end", "", lines[0] + lines[1], nil, 1, "password: the answers ended"},
		{"answers end late", "", lines[0] + lines[1] + lines[2] + lines[3], nil, 1, "sensors"},
		{"no JID", "", "example.org\n", nil, 1, "write name@domain"},
		{"empty JID", "", "\n", nil, 1, "an answer is needed"},
		{"long line", "", strings.Repeat("x", 5000) + "\n", nil, 1, "more than 4096 bytes"},
		{"owner is the device", "", lines[0] + lines[1] + lines[2] + lines[0], nil, 1, "the device's own account"},
		{"no such sensor", "", lines[0] + lines[1] + lines[2] + lines[3] + "bme281\n", nil, 1, `there is no "bme281"`},
		{"wrong password", "", lines[0] + "yes\nwrong\n" + lines[3] + "all\n", nil, 1, "login as pi@example.org; check the JID and the password; nothing was written"},
		{"control character", "", lines[0] + "yes\na\x01b\n", nil, 1, "one line of text"},
		{"bad option", "", firstAnswers, func(s *setup) { s.jid = "x" }, 2, "--jid: "},
		{"bad owner option", "", firstAnswers, func(s *setup) { s.owner = "x" }, 2, "--owner: "},
		{"bad server option", "", firstAnswers, func(s *setup) { s.server = "x" }, 2, "is not a server"},
		{"no password file", "", firstAnswers, func(s *setup) { s.passwordFile = "absent" }, 2, "--password-file: cannot read absent"},
		{"no CA", "", firstAnswers, func(s *setup) { s.ca = "absent.pem" }, 1, "absent.pem"},
		{"direct TLS alone", "", firstAnswers, func(s *setup) { s.direct = true }, 2, "--server"},
		{"invitation to another server", "", "xmpp:example.org?register;preauth=T\nfree@other.example\n", nil, 1, "the invitation is to example.org"},
		{"invitation and a JID elsewhere", "", firstAnswers, func(s *setup) { s.invitation, s.jid = "xmpp:other.example?register;preauth=T", "pi@example.org" }, 2, "the invitation is to other.example"},
		{"offline registration", "", firstAnswers, func(s *setup) { s.newAccount, s.offline = true, true }, 2, "--offline"},
		{"no TOML", "[xmpp", firstAnswers, nil, 2, "config.toml:1:"},
		{"problems", "[sensor.a]\nkind = 'smi'\n", firstAnswers, nil, 2, "mend these first:\n"},
		{"inline table", inline, firstAnswers, nil, 2, "line 1: this table is written inline or by dotted keys, which is not changed by a program: change it by hand so that it says\n[people]\n\"anna@example.org\" = \"owner\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "config.toml")
			if c.config != "" {
				write(t, dir, "config.toml", c.config, 0o640)
			}
			before := state(t, dir)
			f := newFake()
			out, err := f.try(t, path, c.answers, c.change)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want %q\n%s", err, c.says, out)
			}
			code := exitFailed
			if e, ok := errors.AsType[*exitError](err); ok {
				code = e.code
			}
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if diff := cmp.Diff(before, state(t, dir)); diff != "" || len(f.hellos) > 0 {
				t.Errorf("said %q, files (-want +got):\n%s", f.hellos, diff)
			}
		})
	}
}

func TestSetupInterrupted(t *testing.T) {
	dir := t.TempDir()
	in, typed := net.Pipe()
	defer in.Close()
	defer typed.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = typed.Write([]byte("pi@example.org\n"))
		cancel()
	}()
	var out bytes.Buffer
	s := &setup{dial: newFake().dial, detect: findings, resolver: noRecords{}, out: &out, raw: &out, ask: newAsker(in, &out, false)}
	s.config = filepath.Join(dir, "config.toml")
	if err := s.run(ctx); !errors.Is(err, errInterrupted) || len(state(t, dir)) > 0 {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestSetupOffline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	f := newFake()
	out, err := f.try(t, path, strings.Replace(firstAnswers, "yes\n", "", 1), func(s *setup) { s.offline = true })
	if err != nil || len(f.dialled) > 0 || len(f.hellos) > 0 {
		t.Errorf("%v, %d logins, %q\n%s", err, len(f.dialled), f.hellos, out)
	}
}

func TestSetupTellsWhenTheOwnerIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	f := newFake()
	f.bounce = errors.New("item-not-found")
	_, err := f.try(t, path, firstAnswers, nil)
	if err == nil || !strings.Contains(err.Error(), "anna@example.org did not hear of it: item-not-found") {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestSetupMakesAnAccount(t *testing.T) {
	for _, c := range []struct {
		name, answers string
		change        func(*setup)
		jid, token    string
		password      string // "" is made up
	}{
		{"asked", "new@example.org\nno\n\nanna@example.org\nnone\n", nil, "new@example.org", "", ""},
		{"own password", "new@example.org\nno\n" + goodPassword + "\nanna@example.org\nnone\n", nil, "new@example.org", "", goodPassword},
		{"option", "new@example.org\n\nanna@example.org\nnone\n", func(s *setup) { s.newAccount = true }, "new@example.org", "", ""},
		{"yes", "new@example.org\nanna@example.org\n", func(s *setup) { s.newAccount, s.yes = true, true }, "new@example.org", "", ""},
		{"invitation for a name", "\nanna@example.org\nnone\n", func(s *setup) { s.invitation = "xmpp:new@example.org?register;preauth=T1" }, "new@example.org", "T1", ""},
		{"invitation in the place of a JID", "https://example.org/i/#xmpp:example.org?register;preauth=T2\nfree@example.org\n\nanna@example.org\nnone\n", nil, "free@example.org", "T2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			f := &fakeServer{}
			out, err := f.try(t, filepath.Join(dir, "config.toml"), c.answers, func(s *setup) {
				if c.change != nil {
					c.change(s)
				}
			})
			if err != nil || len(f.made) != 3 || f.made[0] != c.jid || f.made[2] != c.token {
				t.Fatalf("%v, made %q\n%s", err, f.made, out)
			}
			kept := strings.TrimSpace(mustRead(t, filepath.Join(dir, "password")))
			if kept != f.made[1] || c.password != "" && kept != c.password || c.password == "" && len(kept) < 24 {
				t.Errorf("made with %q, kept %q", f.made[1], kept)
			}
			if strings.Contains(out, kept) {
				t.Errorf("the password is shown:\n%s", out)
			}
		})
	}
}

func TestSetupTellsAPasswordThatWouldBeLost(t *testing.T) {
	dir := t.TempDir()
	f := &fakeServer{}
	change := func(s *setup) {
		s.newAccount = true
		s.dial = func(context.Context, stream.Config) (introducer, error) { return nil, errors.New("the server is gone") }
	}
	out, err := f.try(t, filepath.Join(dir, "config.toml"), "new@example.org\n\nanna@example.org\nnone\n", change)
	if err == nil || !strings.Contains(out, "The account new@example.org was made all the same. Its password: "+f.made[1]) || len(state(t, dir)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	f.taken = true
	out, err = f.try(t, filepath.Join(dir, "config.toml"), "new@example.org\n\nanna@example.org\nnone\n", change)
	if err == nil || !strings.Contains(err.Error(), "conflict") || strings.Contains(out, "Its password: ") && strings.Contains(out, "was made") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestChoose(t *testing.T) {
	list := candidates(findings(t.Context()), nil, sensorKinds())
	names := func(list []candidate) (names []string) {
		for _, c := range list {
			names = append(names, c.name)
		}
		return names
	}
	if got := names(list); !slices.Equal(got, []string{"board", "cpu-thermal", "bme280", "bmp280"}) {
		t.Fatalf("candidates %q", got)
	}
	have, err := config.Peek(write(t, t.TempDir(), "c", "[sensor.cpu-thermal]\nkind = 'thermal'\nzone = 'gpu'\n[sensor.x]\nkind = 'bme280'\nbus = 1\naddress = 0x76\n[output.bmp280]\nkind = 'sim'\n", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(candidates(findings(t.Context()), have, sensorKinds())); !slices.Equal(got, []string{"board", "cpu-thermal_2", "bmp280_2"}) {
		t.Errorf("beside others: candidates %q", got)
	}
	for answer, want := range map[string][]string{
		"all": {"board", "cpu-thermal"}, "none": nil, "": nil, "4,bme280": {"bme280", "bmp280"}, "1 1, board": {"board"},
	} {
		got, err := choose(list, answer)
		if err != nil || !slices.Equal(names(got), want) {
			t.Errorf("%q: %q, %v", answer, names(got), err)
		}
	}
	for _, answer := range []string{"0", "5", "-1", "all none", "bmp"} {
		if got, err := choose(list, answer); err == nil {
			t.Errorf("%q: %q", answer, names(got))
		}
	}
}
