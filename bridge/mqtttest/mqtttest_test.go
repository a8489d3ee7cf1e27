package mqtttest

import (
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
	time.Sleep(1500 * time.Millisecond) // autosave
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
