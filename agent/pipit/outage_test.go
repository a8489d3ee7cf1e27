package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// asProgram makes the test binary behave as pipit itself.
const asProgram = "PIPIT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		os.Exit(execute(ctx, os.Args[1:]))
	}
	if dir := os.Getenv(asCrasher); dir != "" {
		crash(dir)
	}
	os.Exit(m.Run())
}

// program starts pipit as a process of its own. Its end is waited for.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = testWriter{t}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	})
	return cmd
}

// valuesOn returns what stands on the node of the level, with the item ids, in
// the order in which the server keeps it.
func valuesOn(t *testing.T, c *xmpptest.Client) (ids, values []string) {
	t.Helper()
	reply := c.IQ(xmpptest.JID("device"), "get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pipit/level'/></pubsub>")
	var v struct {
		Items []struct {
			ID    string `xml:"id,attr"`
			Value struct {
				V string `xml:"v,attr"`
			} `xml:"resp>ts>q"`
		} `xml:"pubsub>items>item"`
	}
	if err := xml.Unmarshal([]byte(reply), &v); err != nil {
		t.Fatal(err)
	}
	for _, i := range v.Items {
		ids, values = append(ids, i.ID), append(values, i.Value.V)
	}
	return ids, values
}

// A power cut inside an outage of the server loses no reading that is older
// than the flush interval: all come later, once, with their own times.
func TestPowerCutInAnOutage(t *testing.T) {
	t.Parallel()
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		dir := t.TempDir()
		level := write(t, dir, "level", "0\n", 0o600)
		write(t, dir, "password", xmpptest.Password("device"), 0o600)
		// The clock is trusted: what waits for it is not on disk yet.
		path := write(t, dir, "config.toml", fmt.Sprintf(`
[device]
state_dir = "state"
flush = "1s"
clock = "trust"

[xmpp]
jid = "device@%s"
password_file = "password"
server = %q
ca_file = %q

[people]
"owner@%[1]s" = "owner"

[sensor.level]
kind = "file"
path = %[4]q
every = "200ms"
`, s.Domain, s.Addr, s.CAFile, level), 0o600)
		set := func(v int) {
			tmp := level + ".new"
			if err := os.WriteFile(tmp, []byte(fmt.Sprintf("%d\n", v)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(tmp, level); err != nil {
				t.Fatal(err)
			}
		}
		device := program(t, "run", "--config", path)
		owner := xmpptest.Slixmpp(t, s, "owner/phone")
		owner.Subscribe(xmpptest.JID("device"))
		owner.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "http://jabber.org/protocol/caps"), patience)
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		for v := 101; v <= 110; v++ { // the readings of the outage
			set(v)
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(2500 * time.Millisecond) // more than the flush interval
		if err := device.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = device.Wait()
		set(200)
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		program(t, "run", "--config", path)
		owner = xmpptest.Slixmpp(t, s, "owner/desk")
		// ejabberd may have lost the last seconds before it was killed, one side of
		// the subscription among them: then it shows no presence, but lets us read.
		owner.Subscribe(xmpptest.JID("device"))
		var ids, values []string
		for deadline := time.Now().Add(2 * patience); !slices.Contains(values, "200"); {
			if time.Now().After(deadline) {
				t.Fatalf("the readings after the power cut do not arrive: %v", values)
			}
			time.Sleep(200 * time.Millisecond)
			ids, values = valuesOn(t, owner)
		}
		slices.Sort(ids)
		if len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Errorf("an item came twice: %v", ids)
		}
		for v := 101; v <= 110; v++ {
			if !slices.Contains(values, fmt.Sprint(v)) {
				t.Errorf("the reading %d of the outage is lost: %v", v, values)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "state", "*damaged*")); len(left) > 0 {
			t.Errorf("the power cut damaged the store: %s", strings.Join(left, ", "))
		}
	})
}
