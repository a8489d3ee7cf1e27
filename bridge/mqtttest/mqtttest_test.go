package mqtttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = 30 * time.Second

// A broker that is killed comes back on its ports with what was retained, unless
// that is to be forgotten; its subscribers come back by themselves.
func TestBroker(t *testing.T) {
	t.Parallel()
	b := Start(t, func(o *Options) { o.Users["x"], o.ACL = "x-test-password", "user x\ntopic read a/#\n" })
	sub := Subscribe(t, b, "a/#")
	Publish(t, b, "a/b", "kept", true)
	if m := sub.Wait(patience, "a/b", "kept"); m.Retained {
		t.Error("what comes at once is not a retained message")
	}
	for deadline := time.Now().Add(patience); !b.kept("kept"); time.Sleep(50 * time.Millisecond) { // autosave
		if time.Now().After(deadline) {
			t.Fatal("nothing is saved")
		}
	}
	b.Kill()
	b.Restart()
	if m := Subscribe(t, b, "a/#").Wait(patience, "a/b", "kept"); !m.Retained {
		t.Error("what was retained is gone")
	}
	b.Stop()
	b.Forget()
	b.Restart()
	again := Subscribe(t, b, "a/#")
	Publish(t, b, "a/c", "new", false)
	again.Wait(patience, "a/c", "new")
	for _, m := range again.Messages() {
		if m.Topic == "a/b" {
			t.Error("the broker has not forgotten")
		}
	}
	if !strings.Contains(b.Log(), "mosquitto version") {
		t.Error("no log")
	}
}

// kept tells whether a text is in what the broker has saved.
func (b *Broker) kept(text string) bool {
	data, _ := os.ReadFile(filepath.Join(b.dir, "mosquitto.db"))
	return strings.Contains(string(data), text)
}

// A broker that is to forget keeps nothing over its end.
func TestForgetful(t *testing.T) {
	t.Parallel()
	b := Start(t, func(o *Options) { o.Forget = true })
	Publish(t, b, "a/b", "kept", true)
	b.Stop()
	b.Restart()
	sub := Subscribe(t, b, "a/#")
	Publish(t, b, "a/c", "new", false)
	sub.Wait(patience, "a/c", "new")
	if got := sub.Messages(); len(got) > 0 {
		t.Errorf("kept %v", got)
	}
}
