package agent

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutputSafeOnExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heater, fan, lamp, bad := relay("heater"), relay("fan"), relay("lamp"), relay("bad")
		heater.SafeOnExit, heater.MinOn = true, time.Hour
		fan.SafeOnExit, fan.Safe = true, Bool(true)
		bad.SafeOnExit = true
		p := &Outputs{Tasks: []OutputTask{heater, fan, lamp, bad}}
		tp, stop := drives(t, p)
		says(t, p, "heater", "on", 0, "on")
		says(t, p, "lamp", "on", 0, "on")
		says(t, p, "bad", "on", 0, "on")
		fake(bad).with(func(f *fakeOutput) { f.setErr = errors.New("EIO") })
		start := time.Now()
		err := stop()
		if err == nil || err.Error() != "output bad is not safe: EIO" || time.Since(start) > exitTime+time.Second {
			t.Errorf("Run = %v after %v", err, time.Since(start))
		}
		for i, want := range []string{"false", "true", "true", "true"} {
			if got := fake(p.Tasks[i]).now(); got != want {
				t.Errorf("%s is %s, want %s", p.Tasks[i].Name, got, want)
			}
		}
		if r, _ := tp.get("heater"); r.Display() != "false" {
			t.Errorf("heater was published as %s", r.Display())
		}
	})
}

// It fails for a while at the end, and is tried again.
func TestOutputSafeOnExitIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heater := relay("heater")
		heater.SafeOnExit = true
		p := &Outputs{Tasks: []OutputTask{heater, relay("lamp")}}
		_, stop := drives(t, p)
		says(t, p, "heater", "on", 0, "on")
		f := fake(heater)
		f.with(func(f *fakeOutput) { f.setErr = errors.New("EIO") })
		time.AfterFunc(2*time.Second, func() { says(t, p, "lamp", "on", 0, "refused: the agent is stopping") })
		time.AfterFunc(3*time.Second, func() { f.with(func(f *fakeOutput) { f.setErr = nil }) })
		if err := stop(); err != nil || f.now() != "false" {
			t.Errorf("Run = %v, it is %s", err, f.now())
		}
	})
}

func TestOutputsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heater, fan, pump := relay("heater"), relay("fan"), relay("pump")
		fake(heater).value, fan.Safe = Bool(true), Bool(true)
		interlocked(&fan, &heater, 100*time.Millisecond)
		release := make(chan struct{})
		fake(pump).hang = release
		p := &Outputs{Tasks: []OutputTask{heater, fan, pump}}
		start := time.Now()
		errs := p.Safe(t.Context())
		if errs[0] != nil || errs[1] != nil || errs[2] == nil || errs[2].Error() != "output pump is not safe: no answer within 5s" {
			t.Errorf("got %v", errs)
		}
		if got := fake(heater).now() + fake(fan).now(); got != "falsetrue" || time.Since(start) > exitTime+stopGrace {
			t.Errorf("heater and fan are %s after %v", got, time.Since(start))
		}
		if st := p.States(); st[0].Text != "off" || st[1].Text != "on" || !fake(fan).closed {
			t.Errorf("%+v", st)
		}
		close(release)
	})
}

// A connection is what SafeOffline looks at.
type connection struct {
	mu    sync.Mutex
	since time.Time
}

func (c *connection) set(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = since
}

func (c *connection) offline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since
}

func TestOutputSafeOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump, fan := relay("pump"), relay("fan")
		pump.SafeOffline, pump.MinOn, fan.Safe = 10*time.Minute, time.Hour, Bool(true)
		fan.SafeOffline = 10 * time.Minute
		c := &connection{since: time.Now()}
		p := &Outputs{Tasks: []OutputTask{pump, fan}, Offline: c.offline}
		tp, stop := drives(t, p)
		says(t, p, "pump", "on", 0, "on")
		pass(10*time.Minute - 1)
		if got := fake(pump).now(); got != "true" {
			t.Errorf("it is %s", got)
		}
		tp.take()
		pass(2*time.Minute + 1) // offline from the start
		wantSorted(t, tp, "10m0s fan true", "10m0s pump false")
		says(t, p, "pump", "on", 0, "refused: offline for 12 min, pump is held safe (off)")
		says(t, p, "fan", "off", 0, "refused: offline for 12 min, fan is held safe (on)")
		says(t, p, "fan", "on", 0, "on")
		if st := p.States()[0]; st.Held != "offline for 12 min" {
			t.Errorf("%+v", st)
		}
		fake(pump).with(func(f *fakeOutput) { f.value = Bool(true) }) // somebody else
		pass(time.Minute + time.Second)
		if got := fake(pump).now(); got != "false" {
			t.Errorf("held safe, it is %s", got)
		}
		c.set(time.Time{})
		pass(time.Hour)
		if got, st := fake(pump).now(), p.States()[0]; got != "false" || st.Held != "" {
			t.Errorf("afterwards it is %s, %+v", got, st)
		}
		says(t, p, "pump", "on", 0, "on")
		c.set(time.Now())
		fake(pump).with(func(f *fakeOutput) { f.setErr = errors.New("EIO") })
		pass(15 * time.Minute)
		fake(pump).with(func(f *fakeOutput) { f.setErr = nil })
		pass(retryMost)
		if got := fake(pump).now(); got != "false" {
			t.Errorf("the safe value is not tried again: it is %s", got)
		}
		c.set(time.Time{})
		says(t, p, "pump", "on", 0, "on")
		c.set(time.Now())
		fake(pump).with(func(f *fakeOutput) { f.setErr = errors.New("EIO") })
		pass(15 * time.Minute)
		c.set(time.Time{})
		pass(time.Minute)
		fake(pump).with(func(f *fakeOutput) { f.setErr = nil })
		pass(retryMost)
		if got := fake(pump).now(); got != "false" {
			t.Errorf("it never became safe, the condition is over, and it is %s", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A request that comes before the board has noticed is refused as well.
func TestOutputSafeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump := relay("pump")
		pump.SafeOffline = 10 * time.Minute
		c := &connection{}
		p := &Outputs{Tasks: []OutputTask{pump}, Offline: c.offline}
		_, stop := drives(t, p)
		time.Sleep(time.Hour + 500*time.Millisecond)
		c.set(time.Now().Add(-10 * time.Minute))
		says(t, p, "pump", "on", 0, "refused: offline for 10 min, pump is held safe (off)")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestOutputSafeStale(t *testing.T) {
	for _, tt := range []struct {
		name     string
		readings []Reading
		want     string // the refusal, in the second minute
	}{
		{"boiler", nil, "there is no reading of boiler"},
		{"boiler", []Reading{{Name: "boiler", Value: Number(60)}}, ""},
		{"boiler", []Reading{{Name: "boiler", Value: Number(60), Quality: Uncertain, Reason: "no clock"}}, ""},
		{"boiler", []Reading{{Name: "boiler", Value: Number(60), Quality: Stale}}, "boiler is stale"},
		{"boiler", []Reading{Faulty("boiler", Fault, time.Time{}, "crc error")}, "boiler has a fault (crc error)"},
		{"boiler", []Reading{{Name: "boiler.temperature", Value: Number(60)}, {Name: "boilers", Quality: Missing}}, ""},
		{"boiler", []Reading{{Name: "boiler.temperature", Value: Number(60)}, Faulty("boiler.pressure", Missing, time.Time{}, "")}, "boiler.pressure is missing"},
		{"boiler.temperature", []Reading{{Name: "boiler.temperature", Value: Number(60)}, Faulty("boiler.pressure", Missing, time.Time{}, "")}, ""},
		{"boiler.temperature", []Reading{{Name: "boiler", Value: Number(60)}}, "there is no reading of boiler.temperature"},
	} {
		synctest.Test(t, func(t *testing.T) {
			pump := relay("pump")
			pump.SafeStale = []string{tt.name}
			board := &Board{}
			p := &Outputs{Tasks: []OutputTask{pump}, Board: board}
			_, stop := drives(t, p)
			says(t, p, "pump", "on", 0, "on") // there is time to read it first
			for _, r := range tt.readings {
				board.Put(r)
			}
			pass(staleGrace + time.Second)
			if got := fake(pump).now(); got != map[bool]string{true: "true", false: "false"}[tt.want == ""] {
				t.Errorf("%s, %v: it is %s", tt.name, tt.readings, got)
			}
			want := "on"
			if tt.want != "" {
				want = "refused: " + tt.want + ", pump is held safe (off)"
			}
			says(t, p, "pump", "on", 0, want)
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// An output that is safe when it is on switches an interlocked one off first.
func TestOutputSafeIsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fan, heater := relay("fan"), relay("heater")
		fan.Safe, fan.SafeOffline, heater.MinOn = Bool(true), time.Minute, time.Hour
		interlocked(&fan, &heater, time.Second)
		c := &connection{since: time.Now()}
		p := &Outputs{Tasks: []OutputTask{fan, heater}, Offline: c.offline}
		tp, stop := drives(t, p)
		time.Sleep(10 * time.Second)
		says(t, p, "heater", "on", 0, "on")
		tp.take()
		pass(52 * time.Second)
		wantLines(t, tp, "1m0s heater false", "1m1s fan true")
		says(t, p, "heater", "on", 0, "refused: offline for 62 s, fan is held safe (on)")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
