package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const watchConfig = `
[device]
state_dir = %[5]q
clock = "trust"

[xmpp]
jid = "device@%[1]s"
password_file = "password"
server = %[2]q
ca_file = %[3]q

[people]
"owner@%[1]s" = "owner"
"viewer@%[1]s" = "viewer"

[sensor.level]
kind = "file"
path = %[4]q
unit = "cm"
every = "200ms"
`

// A person is told of a reading, also after a restart, until they end that.
func TestWatchOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		dir := t.TempDir()
		b := &bench{srv: s, level: write(t, dir, "level", "10\n", 0o600)}
		write(t, dir, "password", xmpptest.Password("device"), 0o600)
		config := write(t, dir, "config.toml", fmt.Sprintf(watchConfig, s.Domain, s.Addr, s.CAFile, b.level, filepath.Join(dir, "state")), 0o600)
		end := runUntil(t, config)

		viewer := b.client(t, "viewer/phone")
		viewer.Chat(full, "watch level by 2 every 10s", "")
		viewer.Wait(xmpptest.Has("<body>Watching level by 2, at most every 10s. Now level: 10.0 cm.</body>"), patience)
		b.set(t, "11")
		time.Sleep(2 * time.Second)
		b.set(t, "13")
		told := viewer.Wait(xmpptest.Has("<body>level is "), patience)
		for _, want := range []string{"level is 13.0 cm (was 10.0 cm) at ", `type="chat"`, "origin-id", "urn:xmpp:hints", "auto-generated"} {
			if !strings.Contains(told, want) {
				t.Errorf("no %q in %s", want, told)
			}
		}
		viewer.Close()
		end()

		b.set(t, "14")
		runUntil(t, config)
		viewer = b.client(t, "viewer/desk")
		got := viewer.IQ(full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='watches'/>")
		if !strings.Contains(got, "You have 1 watch.") || !strings.Contains(got, "by 2, at most every 10s") {
			t.Errorf("after the restart: %s", got)
		}
		b.set(t, "15.5")
		if told := viewer.Wait(xmpptest.Has("<body>level is "), patience); !strings.Contains(told, "level is 15.5 cm (was 13.0 cm) at ") {
			t.Errorf("after the restart: %s", told)
		}
		unwatched(t, b, viewer)
	})
}

// runUntil runs the agent until end is called, which does what a SIGTERM does,
// or the test ends.
func runUntil(t *testing.T, config string) (end func()) {
	t.Helper()
	cfg, err := load(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, cfg, nil, slog.New(slog.NewTextHandler(testWriter{t}, nil))) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return end
}

// unwatched ends a watch: somebody else hears of the next change, and the
// viewer does not.
func unwatched(t *testing.T, b *bench, viewer *xmpptest.Client) {
	t.Helper()
	owner := b.client(t, "owner/phone")
	owner.Chat(full, "watch lev* every 10s", "")
	owner.Wait(xmpptest.Has("<body>Watching lev* for any change, at most every 10s. Now level: 15.5 cm.</body>"), patience)
	viewer.Chat(full, "unwatch level", "")
	viewer.Wait(xmpptest.Has("<body>Not watching level any more.</body>"), patience)
	b.set(t, "30")
	owner.Wait(xmpptest.Has("<body>level is 30.0 cm (was 15.5 cm) at "), patience)
	viewer.Chat(full, "watches", "")
	viewer.Wait(xmpptest.Has("<body>You watch nothing."), patience)
	for _, in := range viewer.Inbox() {
		if strings.Contains(in, "level is 30.0 cm") {
			t.Errorf("told after unwatch: %s", in)
		}
	}
}
