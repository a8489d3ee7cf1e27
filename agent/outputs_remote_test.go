package agent

import (
	"errors"
	"testing"
	"time"
)

// A lamp of another device keeps what it has: it is driven by requests alone,
// its own switch is seen at once, and what failed is not tried again later.
func TestRemoteOutput(t *testing.T) {
	lamp := relay("lamp")
	lamp.Remote = true
	fake(lamp).value = Bool(true)
	bubble(t, []OutputTask{lamp}, func(t *testing.T, p *Outputs, tp *tape) {
		f := fake(p.Tasks[0])
		wantLines(t, tp, "0s lamp true")
		pass(time.Second)
		f.mu.Lock()
		f.value = Bool(false)
		f.mu.Unlock()
		p.Changed("lamp")
		p.Changed("nothing")
		pass(0)
		wantLines(t, tp, "1s lamp false")
		says(t, p, "lamp", "on", 0, "on")
		wantLines(t, tp, "1s lamp true")

		f.mu.Lock()
		f.setErr = errors.New("the broker is away")
		f.mu.Unlock()
		says(t, p, "lamp", "off", 0, "the broker is away")
		if got := f.took(); got != "true false false false" {
			t.Errorf("the driver was set to %s", got)
		}
		pass(10 * time.Minute)
		if got := f.took(); got != "" {
			t.Errorf("tried again by itself: %s", got)
		}
	})
}
