package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// alone keeps the service manager of this machine out of what check says.
func alone(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", t.TempDir())
}

// A lab is a config with an account on a server of the test, a sensor and what
// is added to it.
type lab struct {
	addr, ca, password string
	xmpp               string // more lines of [xmpp]
	rest               string
}

func (l lab) write(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "password", l.password, 0o600)
	return write(t, dir, "config.toml", fmt.Sprintf(`[device]
state_dir = %q
[xmpp]
jid = "device@%s"
password_file = "password"
server = %q
ca_file = %q
%s
[people]
"owner@pipit.example" = "owner"
[sensor.a]
kind = "sim"
%s`, dir, xmpptest.Domain, l.addr, l.ca, l.xmpp, l.rest), 0o600)
}

func labOf(s *server.Server) lab {
	return lab{addr: s.Addr, ca: s.CAFile, password: xmpptest.Password(xmpptest.Device)}
}

// check runs the command and returns its exit code and what it found.
func (l lab) check(t *testing.T) (int, *result) {
	t.Helper()
	return checked(t, l.write(t), l.password)
}

func checked(t *testing.T, path, secret string) (int, *result) {
	t.Helper()
	alone(t)
	code, out, errs := call(t, "check", "--json", "--config", path)
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	if strings.Contains(out+errs, secret) {
		t.Errorf("the password is in the output: %s%s", out, errs)
	}
	return code, &r
}

// node returns a finding by its id.
func (r *result) node(id string) finding {
	for _, f := range r.Nodes {
		if f.ID == id {
			return f
		}
	}
	return finding{}
}

// expect compares states, "id=state" each; below server when the id is not known.
func (r *result) expect(t *testing.T, want string) {
	t.Helper()
	for pair := range strings.FieldsSeq(want) {
		id, state, _ := strings.Cut(pair, "=")
		f := r.node(id)
		if f.ID == "" {
			f = r.node("server/" + id)
		}
		if f.State != state {
			t.Errorf("%s is %+v, want %s", id, f, state)
		}
		if (f.State == stateFailed || f.State == stateWarning) && f.Hint == "" && !r.sums(f) {
			t.Errorf("%+v does not say what to do", f)
		}
	}
}

// sums tells whether a finding is the sum of those below it.
func (r *result) sums(f finding) bool {
	for _, c := range r.Nodes {
		if c.Parent == f.ID && c.State == f.State {
			return true
		}
	}
	return false
}

func TestCheckOnTheWire(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		l := labOf(s)
		l.rest = "[room.r]\njid = \"none@" + s.MUC + "\"\n[output.lamp]\nkind = \"sim\"\n"
		code, r := l.check(t)
		if code != exitOK {
			t.Errorf("exit %d: %+v", code, r)
		}
		r.expect(t, "file=ok secrets=ok dns=ok tcp=ok tls=ok certificate=ok login=ok management=ok pubsub=ok upload=ok rooms=warning rooms/r=warning "+
			"clock/server=ok sensors=ok sensors/a=ok outputs/lamp=ok disk=ok mqtt=skipped unit=skipped server/pubsub/pipit/a=skipped")
		for id, says := range map[string]string{
			"server/tls": "TLS 1.3, TLS_", "server/certificate": "for pipit.example, ", "server/login": "offered: ",
			"server/management": "resumes", "server/tcp": "answers in", "server/dns": "server in the config: 127.0.0.1:", "sensors/a": " ms, values: 1",
		} {
			if f := r.node(id); !strings.Contains(f.Text, says) {
				t.Errorf("%+v does not say %q", f, says)
			}
		}
		l.password = "wrong-password"
		l.rest = "[sensor.gone]\nkind = \"file\"\npath = \"" + filepath.Join(t.TempDir(), "gone") + "\"\n"
		code, r = l.check(t)
		if code != exitFailed {
			t.Errorf("wrong password: exit %d", code)
		}
		r.expect(t, "dns=ok tcp=ok tls=ok certificate=ok login=failed server=failed management=skipped pubsub=skipped upload=skipped rooms=skipped "+
			"clock/server=skipped sensors/a=ok sensors/gone=failed sensors=failed")
		if f := r.node("server/pubsub"); f.Text != "not tried: login failed" {
			t.Errorf("%+v", f)
		}
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		_, r = labOf(s).check(t)
		r.expect(t, "dns=ok tcp=failed tls=skipped certificate=skipped login=skipped pubsub=skipped sensors/a=ok")
		if f := r.node("server/tls"); f.Text != "not tried: tcp failed" {
			t.Errorf("%+v", f)
		}
	})
}

// A server without PEP and upload.
func TestCheckOfAServerThatLacksThings(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...func(*server.Options)) *server.Server{"prosody": xmpptest.Prosody, "ejabberd": xmpptest.Ejabberd} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *server.Options) {
				o.Without = []string{"pep", "http_file_share", "mod_pubsub", "mod_http_upload"}
			})
			code, r := labOf(s).check(t)
			if code != exitFailed {
				t.Errorf("exit %d", code)
			}
			r.expect(t, "login=ok pubsub=failed upload=warning server=failed")
		})
	}
}

func TestCheckOfBadCertificates(t *testing.T) {
	for name, cert := range xmpptest.BadCerts() {
		h := xmpptest.NewHostile(t, xmpptest.Behaviour{Cert: cert})
		code, r := lab{addr: h.Addr, ca: h.CAFile, password: "not-a-real-password"}.check(t)
		if code != exitFailed {
			t.Errorf("%s: exit %d", name, code)
		}
		r.expect(t, "tcp=ok tls=ok certificate=failed login=skipped")
		if f := r.node("server/login"); f.Text != "not tried: certificate failed" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// What the output has is documented in --help: its keys are these.
func TestCheckJSON(t *testing.T) {
	alone(t)
	path := write(t, t.TempDir(), "c.toml", "[sensor.a]\nkind = \"file\"\npath = \"/nowhere/a\"\n", 0o600)
	_, out, _ := call(t, "check", "--json", "--offline", "--config", path)
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, n := range got["nodes"].([]any) {
		node := n.(map[string]any)
		ids = append(ids, node["id"].(string))
		for key := range node {
			if !strings.Contains(" id parent state text hint ", " "+key+" ") {
				t.Errorf("the key %s is not documented", key)
			}
		}
	}
	delete(got, "nodes")
	want := map[string]any{"config": path, "version": version(), "result": "failed", "interrupted": false}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	all := "file secrets " + strings.TrimSuffix(serverNodes, " clock/server") + " sensors sensors/a outputs mqtt clock clock/server disk unit"
	if d := cmp.Diff(strings.Fields(all), ids); d != "" {
		t.Error(d)
	}
}
