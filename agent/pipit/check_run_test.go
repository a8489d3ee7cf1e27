package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/agent/xmpp/xmpptest"
	"pipit/bridge/mqtttest"
)

// stuck is a sensor that does not answer.
type stuck struct{}

func (stuck) Read(ctx context.Context) ([]agent.Reading, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// deaf is an inspection of a device whose server takes connections and is
// silent, with a sensor that hangs; dialled is called for each connection.
func deaf(t *testing.T, dialled func()) *inspection {
	cfg := &config.Config{
		Path: "c.toml", XMPP: config.XMPP{JID: "pi@example.org"}, Device: config.Device{StateDir: t.TempDir()},
		Sensors: []agent.Task{{Name: "s", Kind: "x", Every: time.Hour, Timeout: time.Minute, Bus: "b", Sensor: stuck{}}},
	}
	i := newInspection(cfg)
	i.systemctl, i.proc = nil, t.TempDir()
	i.resolver = names{hosts: map[string][]string{"example.org": {"192.0.2.1"}}}
	i.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialled()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return i
}

func TestCheckIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := deaf(t, func() {}).run(t.Context())
		if d := time.Since(began); d > time.Minute {
			t.Errorf("it took %v", d)
		}
		r.expect(t, "file=ok dns=ok tcp=failed tls=skipped sensors=failed sensors/s=failed outputs=skipped disk=ok")
		if r.Interrupted || r.verdict() == nil {
			t.Errorf("%+v", r)
		}
	})
}

// A part that hangs where nobody can end it is left behind.
func TestAPartThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		i := newInspection(&config.Config{})
		began := time.Now()
		list := i.finish(t.Context(), part{nodes: "disk", bound: boardTime, look: func(context.Context, branch) { <-release }})
		if d := time.Since(began); d != boardTime+lagTime {
			t.Errorf("it took %v", d)
		}
		if len(list) != 1 || list[0].State != stateFailed || list[0].Text != tooLong || list[0].Hint == "" {
			t.Errorf("%+v", list)
		}
		close(release)
	})
}

// Ctrl-C prints what is known, soon.
func TestCheckInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		r := deaf(t, func() { time.AfterFunc(time.Second, cancel) }).run(ctx)
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
		r.expect(t, "file=ok dns=ok outputs=skipped disk=ok")
		if f := r.node("server/login"); f.State != stateSkipped || f.Text != "not tried: interrupted" {
			t.Errorf("%+v", f)
		}
		err := r.verdict()
		var e *exitError
		if !r.Interrupted || !errors.As(err, &e) || e.code != exitFailed || errors.Is(err, context.Canceled) {
			t.Errorf("%v %+v", err, r)
		}
		var out bytes.Buffer
		if err := r.write(&out, page{}, &config.Config{}); err != nil || !strings.Contains(out.String(), "dns: ok") || !strings.Contains(out.String(), "interrupted") {
			t.Errorf("%v %s", err, out.String())
		}
	})
}

// What a server says in the words of its error may hold the password.
func TestNoSecretInWhatAServerSays(t *testing.T) {
	const secret = "not-a-real-password"
	h := xmpptest.NewHostile(t, xmpptest.Behaviour{Instead: map[xmpptest.Stage]string{
		xmpptest.AtAuth: "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>who is " + secret + "?</text></failure>",
	}})
	code, r := lab{addr: h.Addr, ca: h.CAFile, password: secret}.check(t)
	if f := r.node("server/login"); code != exitFailed || f.State != stateFailed || !strings.Contains(f.Text, "who is [hidden]?") {
		t.Errorf("exit %d, %+v", code, f)
	}
}

func TestCheckOfABrokerThatIsNotThere(t *testing.T) {
	alone(t)
	path := write(t, t.TempDir(), "c.toml", "[mqtt]\nbroker = \"mqtt://127.0.0.1:1\"\nplain = true\nuser = \"a\"\npassword = \"swordfish\"\n", 0o600)
	code, r := checked(t, path, "swordfish")
	r.expect(t, "mqtt=failed secrets=warning server=skipped")
	if code != exitFailed {
		t.Errorf("exit %d", code)
	}
}

func TestCheckOfABroker(t *testing.T) {
	m := mqtttest.Start(t)
	dir := t.TempDir()
	write(t, dir, "pw", mqtttest.TesterPassword, 0o600)
	path := write(t, dir, "c.toml", fmt.Sprintf("[device]\nstate_dir = %q\n[mqtt]\nbroker = \"mqtt://%s\"\nuser = %q\npassword_file = \"pw\"\n", dir, m.Addr, mqtttest.Tester), 0o600)
	code, r := checked(t, path, mqtttest.TesterPassword)
	r.expect(t, "mqtt=ok secrets=ok server=skipped sensors=skipped")
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
}

// In 40 columns and ASCII every line fits, and nothing of a hint is lost.
func TestCheckOnASmallScreen(t *testing.T) {
	alone(t)
	t.Setenv("COLUMNS", "40")
	t.Setenv("LC_ALL", "C")
	dir := t.TempDir()
	path := write(t, dir, "c.toml", "[device]\nstate_dir = \""+dir+"\"\n[sensor.gone]\nkind = \"file\"\npath = \"/nowhere/°\"\n", 0o600)
	code, out, _ := call(t, "check", "--offline", "--config", path)
	for line := range strings.Lines(out) {
		if len(line) > 41 {
			t.Errorf("%d columns: %q", len(line)-1, line)
		}
	}
	if i := strings.IndexFunc(out, func(r rune) bool { return r > '~' || r == 0x1b }); i >= 0 || code != exitFailed {
		t.Errorf("exit %d, %q", code, out)
	}
	words := strings.FieldsFunc(out, func(r rune) bool { return r == ' ' || r == '\n' || r == '|' })
	hint := strings.Fields("do: check its wiring, the rights of this user, and its keys in [sensor.gone]")
	at := slices.Index(words, "do:")
	for at >= 0 && !slices.Equal(words[at:min(at+len(hint), len(words))], hint) {
		next := slices.Index(words[at+1:], "do:")
		if next < 0 {
			t.Errorf("the hint is not whole:\n%s", out)
			break
		}
		at += next + 1
	}
}
