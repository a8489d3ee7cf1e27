package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"pipit/agent"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

// An owner who has never heard of the device gets its request and its message,
// the config that was written runs, and a wrong password writes nothing.
func TestSetupOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		dir := t.TempDir()
		path := filepath.Join(dir, "config.toml")
		owner := xmpptest.Slixmpp(t, s, "owner/phone")
		args := []string{"setup", "--config", path, "--server", s.Addr, "--ca", s.CAFile}
		device, person := xmpptest.JID(xmpptest.Device), xmpptest.JID(xmpptest.Owner)

		code, out, errs := piped(t, args, device, "yes", "wrong", person, "none")
		if code != exitFailed || !strings.Contains(errs, "login as "+device) || !strings.Contains(out, "TLS") || len(state(t, dir)) > 0 {
			t.Fatalf("wrong password: exit %d, %s\n%s", code, errs, out)
		}
		code, out, errs = piped(t, args, device, "yes", xmpptest.Password(xmpptest.Device), person, "board")
		if code != exitOK || errs != "" {
			t.Fatalf("exit %d, %s\n%s", code, errs, out)
		}
		owner.Wait(xmpptest.Has("<presence", `type="subscribe"`, `from="`+device+`"`), patience)
		owner.Wait(xmpptest.Has("<message", `type="chat"`, `from="`+device+`/`, "you are my owner"), patience)

		before := state(t, dir)
		code, out, errs = piped(t, args, "", "", "")
		if code != exitOK || !strings.Contains(out, "Nothing has changed") {
			t.Errorf("the second time: exit %d, %s\n%s", code, errs, out)
		}
		if after := state(t, dir); len(after) != 2 || before["config.toml"] != after["config.toml"] || before["password"] != after["password"] {
			t.Errorf("%v became %v", before, after)
		}
		if code, out, errs := call(t, "check", "--config", path); code != exitOK {
			t.Errorf("check: exit %d, %s\n%s", code, errs, out)
		}
		cfg, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			done <- run(ctx, cfg, &agent.Limits{}, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
		}()
		defer func() {
			if cancel(); <-done != nil {
				t.Error("the agent failed")
			}
		}()
		owner.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "http://jabber.org/protocol/caps"), patience)
		owner.Chat(full, "read board.load1", "")
		owner.Wait(xmpptest.Has("<body>board.load1: "), patience)
	})
}

// A device makes its own account: where the server lets everybody, and with an
// invitation where it does not.
func TestSetupMakesAnAccountOnTheWire(t *testing.T) {
	t.Parallel()
	made := func(t *testing.T, s *server.Server, options ...string) {
		path := filepath.Join(t.TempDir(), "config.toml")
		owner := xmpptest.Slixmpp(t, s, "owner/phone")
		args := append([]string{"setup", "--config", path, "--server", s.Addr, "--ca", s.CAFile, "--owner", xmpptest.JID(xmpptest.Owner), "--yes"}, options...)
		if code, out, errs := piped(t, args, "greenhouse@"+s.Domain); code != exitOK || errs != "" {
			t.Fatalf("exit %d, %s\n%s", code, errs, out)
		}
		owner.Wait(xmpptest.Has("<message", `type="chat"`, `from="greenhouse@`+s.Domain, "you are my owner"), patience)
		if code, out, errs := call(t, "check", "--config", path); code != exitOK {
			t.Errorf("check: exit %d, %s\n%s", code, errs, out)
		}
	}
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) { made(t, s, "--register") }, func(o *server.Options) { o.Register = true })
	s := xmpptest.Prosody(t, func(o *server.Options) { o.Invite = true })
	link, err := s.Invite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made(t, s, "--invite", link)
}

// An account that is nobody's sends the first message back.
func TestSetupBounceOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		g, err := dialIntroducer(t.Context(), stream.Config{JID: xmpptest.JID(xmpptest.Device), Server: s.Addr, RootCAs: s.Pool(),
			Password: func() (string, error) { return xmpptest.Password(xmpptest.Device), nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer g.close()
		if err := g.introduce(t.Context(), "nobody@"+s.Domain, "hello"); err == nil || !strings.Contains(err.Error(), "came back: ") {
			t.Error(err)
		}
	})
}

// piped runs the program with lines on standard input.
func piped(t *testing.T, args []string, lines ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(strings.Join(lines, "\n") + "\n"))
	root.SetOut(&out)
	root.SetErr(&errs)
	err := root.ExecuteContext(t.Context())
	if err == nil {
		return exitOK, out.String(), errs.String()
	}
	code = exitFailed
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
	}
	return code, out.String(), errs.String() + err.Error()
}
