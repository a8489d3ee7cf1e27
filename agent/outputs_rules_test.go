package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutputTimes(t *testing.T) {
	pump := relay("pump")
	pump.MaxOn, pump.MinOn, pump.MinOff = time.Hour, time.Minute, 2*time.Minute
	bubble(t, []OutputTask{pump}, func(t *testing.T, p *Outputs, tp *tape) {
		is := func(want string) {
			t.Helper()
			if got := fake(pump).now(); got != want {
				t.Errorf("after %v it is %s, want %s", time.Since(tp.start), got, want)
			}
		}
		says(t, p, "pump", "on", 0, "refused: pump was switched off 0 s ago and stays off for 120 s more (min_off)")
		time.Sleep(20 * time.Second)
		says(t, p, "pump", "on", 0, "refused: pump was switched off 20 s ago and stays off for 100 s more (min_off)")
		says(t, p, "pump", "off", 0, "off")
		time.Sleep(100 * time.Second)
		says(t, p, "pump", "on", 59*time.Second, "for: pump stays on for at least 1m0s (min_on)")
		says(t, p, "pump", "on", 10*time.Minute, "on for 10m0s")
		time.Sleep(59 * time.Second)
		says(t, p, "pump", "off", 0, "refused: pump was switched on 59 s ago and stays on for 1 s more (min_on)")
		says(t, p, "pump", "on", 20*time.Minute, "on for 20m0s") // a newer set replaces the timer
		pass(20*time.Minute - 1)
		is("true")
		pass(1)
		is("false")
		pass(2 * time.Minute)
		says(t, p, "pump", "on", 2*time.Hour, "on for 1h0m0s")
		if st := p.States()[0]; !st.MaxOn || !st.On || !st.Locked.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("%+v", st)
		}
		pass(30 * time.Minute)
		says(t, p, "pump", "on", 0, "on for 30m0s") // max_on does not begin again
		pass(30 * time.Minute)
		is("false")
		pass(2 * time.Minute)
		says(t, p, "pump", "on", time.Minute, "on for 1m0s")
		says(t, p, "pump", "on", 0, "on for 1h0m0s") // and so does one without a timer
		pass(30 * time.Minute)
		is("true")
	})
}

func TestOutputRange(t *testing.T) {
	lamp := dimmer("lamp")
	lamp.MaxOn, lamp.MinOff = time.Minute, time.Second
	lamp.Safe, lamp.Off = Number(20), Number(10)
	lamp.Initial, fake(lamp).value = Number(10), Number(10)
	lamp.Min = 10
	bubble(t, []OutputTask{lamp}, func(t *testing.T, p *Outputs, tp *tape) {
		time.Sleep(time.Second)
		says(t, p, "lamp", "50", 0, "50 % for 1m0s")
		time.Sleep(20 * time.Second)
		says(t, p, "lamp", "60", 0, "60 % for 40s")
		pass(40 * time.Second)
		if got := fake(lamp).now(); got != "10" {
			t.Errorf("it is %s", got)
		}
		time.Sleep(time.Minute)
		st, err := p.Toggle(t.Context(), "lamp")
		compare(t, st, err, "100 % for 1m0s")
		st, err = p.Toggle(t.Context(), "lamp")
		compare(t, st, err, "10 %")
		fake(lamp).with(func(f *fakeOutput) { f.onSet = func(v Value) { f.value = Number(v.num + 0.4) } })
		time.Sleep(time.Second)
		says(t, p, "lamp", "42", 0, "42.4 % for 1m0s") // the step of the hardware; what it has is told
		fake(lamp).with(func(f *fakeOutput) { f.onSet = func(v Value) { f.value = Number(v.num + 1) } })
		says(t, p, "lamp", "42", 0, "set to 42 %, but it reads back 43 %")
		fake(lamp).with(func(f *fakeOutput) { f.onSet = nil })
	})
}

// An output without off goes back to safe.
func TestOutputWithoutOff(t *testing.T) {
	arm := dimmer("arm")
	arm.Off, arm.Safe, arm.Initial = Value{}, Number(90), Number(90)
	bubble(t, []OutputTask{arm}, func(t *testing.T, p *Outputs, tp *tape) {
		if _, err := arm.Parse("off"); err == nil || err.Error() != "it has no off: write a number from 0 to 100" {
			t.Error(err)
		}
		says(t, p, "arm", "0", time.Minute, "0 % for 1m0s")
		pass(time.Minute)
		if got := fake(arm).now(); got != "90" {
			t.Errorf("it is %s", got)
		}
	})
}

func TestOutputPulseAndToggle(t *testing.T) {
	door := relay("door")
	door.Pulse = 300 * time.Millisecond
	bubble(t, []OutputTask{door}, func(t *testing.T, p *Outputs, tp *tape) {
		tp.take()
		st, err := p.Pulse(t.Context(), "door", 0)
		compare(t, st, err, "on for 300ms")
		pass(time.Second)
		st, err = p.Pulse(t.Context(), "door", 2*time.Second)
		compare(t, st, err, "on for 2s")
		pass(time.Second)
		st, err = p.Toggle(t.Context(), "door")
		compare(t, st, err, "off")
		pass(time.Minute)
		wantLines(t, tp, "0s door true", "300ms door false", "1s door true", "2s door false")
		fake(door).with(func(f *fakeOutput) { f.getErr = fmt.Errorf("EIO") })
		pass(time.Minute)
		_, err = p.Toggle(t.Context(), "door")
		if err == nil || err.Error() != "it is not known what door has now: fault: read back: EIO" {
			t.Error(err)
		}
		if _, err := p.Pulse(t.Context(), "gate", 0); err == nil {
			t.Error("no error")
		}
	})
}

func TestOutputInterlock(t *testing.T) {
	up, down := relay("up"), relay("down")
	interlocked(&up, &down, 500*time.Millisecond)
	down.MinOn = 10 * time.Second
	bubble(t, []OutputTask{up, down}, func(t *testing.T, p *Outputs, tp *tape) {
		time.Sleep(time.Second)
		says(t, p, "up", "on", time.Minute, "on for 1m0s")
		tp.take()
		says(t, p, "down", "on", 0, "on")
		wantLines(t, tp, "1s up false", "1.5s down true")
		time.Sleep(4 * time.Second)
		says(t, p, "up", "on", 0, "refused: down was switched on 4 s ago and stays on for 6 s more (min_on) and is interlocked")
		time.Sleep(6 * time.Second)
		says(t, p, "up", "on", 0, "on")
		wantLines(t, tp, "11.5s down false", "12s up true")
		fake(up).with(func(f *fakeOutput) { f.stuck = true })
		says(t, p, "down", "on", 0, "refused: up is interlocked and does not go off: set to off, but it reads back on")
		fake(up).with(func(f *fakeOutput) { f.setErr = fmt.Errorf("EIO") })
		says(t, p, "down", "on", 0, "refused: up is interlocked and does not go off: EIO")
		if got := fake(down).now(); got != "false" {
			t.Errorf("down is %s", got)
		}
		fake(up).with(func(f *fakeOutput) { f.setErr, f.stuck = nil, false })
		pass(time.Minute)
		if got := fake(up).now(); got != "false" { // it was to go off, and that is tried again
			t.Errorf("up is %s", got)
		}
		fake(up).with(func(f *fakeOutput) { f.getErr = fmt.Errorf("EIO") })
		pass(2 * time.Minute)
		says(t, p, "down", "on", 0, "refused: up is interlocked and does not go off: read back: EIO")
		fake(up).with(func(f *fakeOutput) { f.getErr = nil })
	})
}

// At the start, too, the others are off first, and what does not work yet is
// done when it does.
func TestOutputInterlockAtTheStart(t *testing.T) {
	fan, heater := relay("fan"), relay("heater")
	fan.Initial = Bool(true)
	interlocked(&fan, &heater, time.Second)
	fake(heater).value, fake(heater).stuck = Bool(true), true
	bubble(t, []OutputTask{fan, heater}, func(t *testing.T, p *Outputs, tp *tape) {
		time.AfterFunc(10*time.Second, func() { fake(heater).with(func(f *fakeOutput) { f.stuck = false }) })
		pass(10*time.Second - 1)
		if got := fake(fan).took(); got != "" {
			t.Errorf("the fan was set to %s", got)
		}
		tp.take()
		pass(time.Minute)
		lines := tp.take()
		if len(lines) != 2 || !strings.HasSuffix(lines[0], " heater false") || !strings.HasSuffix(lines[1], " fan true") {
			t.Errorf("got %q", lines)
		}
	})
	fan, heater = relay("fan"), relay("heater")
	fan.Initial = Bool(true)
	interlocked(&fan, &heater, time.Second)
	bubble(t, []OutputTask{fan, heater}, func(t *testing.T, p *Outputs, tp *tape) {
		pass(time.Second)
		lines := tp.take()
		if len(lines) != 2 || lines[1] != "1s fan true" {
			t.Errorf("got %q", lines)
		}
	})
}

// What somebody else has switched on is off before an interlocked one goes on.
func TestOutputInterlockReadsBack(t *testing.T) {
	up, down := relay("up"), relay("down")
	interlocked(&up, &down, time.Second)
	bubble(t, []OutputTask{up, down}, func(t *testing.T, p *Outputs, tp *tape) {
		time.Sleep(10 * time.Second)
		fake(up).with(func(f *fakeOutput) { f.value = Bool(true) })
		tp.take()
		says(t, p, "down", "on", 0, "on")
		wantLines(t, tp, "10s up true", "10s up false", "11s down true")
	})
}

// Of two requests that exclude each other the newer one holds, also while the
// older one waits for the dead time.
func TestOutputInterlockNewest(t *testing.T) {
	up, down := relay("up"), relay("down")
	interlocked(&up, &down, time.Second)
	bubble(t, []OutputTask{up, down}, func(t *testing.T, p *Outputs, tp *tape) {
		time.Sleep(2 * time.Second)
		says(t, p, "up", "on", 0, "on")
		older := make(chan error, 3)
		set := func(name, word string) {
			v, _ := p.all()[0].Parse(word)
			_, err := p.Set(t.Context(), name, v, 0)
			older <- err
		}
		go set("down", "on")
		pass(500 * time.Millisecond)
		if st := p.States(); st[0].On || st[1].On {
			t.Errorf("%+v", st)
		}
		says(t, p, "up", "on", 0, "on") // down was not on, there is no dead time
		if err := <-older; err != errReplaced {
			t.Errorf("got %v", err)
		}
		go set("down", "on")
		pass(500 * time.Millisecond)
		says(t, p, "down", "off", 0, "off")
		if err := <-older; err != errReplaced {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		says(t, p, "up", "on", 0, "on")
		if _, err := p.Set(ctx, "down", Bool(true), 0); err != context.DeadlineExceeded || p.States()[1].On {
			t.Errorf("got %v, %+v", err, p.States()[1])
		}
	})
}

// However requests, timers, faults and other people come together, no two
// interlocked outputs are on at once.
func TestOutputInterlockProperty(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) { interlockRun(t, seed, 400) })
	}
}

// The same without the bubble's clock, for the race detector.
func TestOutputInterlockRace(t *testing.T) {
	interlockRun(t, 7, 60)
}

func interlockRun(t *testing.T, seed uint64, steps int) {
	a, b, c := relay("a"), relay("b"), dimmer("c")
	interlocked(&a, &b, 2*time.Millisecond)
	interlocked(&b, &c, 0)
	a.MinOn, b.MaxOn, c.MinOff = 3*time.Millisecond, 5*time.Millisecond, 2*time.Millisecond
	tasks := []OutputTask{a, b, c}
	var on [3]atomic.Bool
	var both atomic.Int32
	for i, task := range tasks {
		fake(task).onSet = func(v Value) {
			on[i].Store(v != task.Off)
			if on[1].Load() && (on[0].Load() || on[2].Load()) {
				both.Add(1)
			}
		}
	}
	p := &Outputs{Tasks: tasks}
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- p.Run(ctx) }()
	var wg sync.WaitGroup
	var worked atomic.Int32
	for person := range uint64(6) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, person))
			for range steps {
				interlockStep(ctx, p, tasks, r, &worked)
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-end; err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	if both.Load() > 0 || worked.Load() == 0 {
		t.Errorf("seed %d: both were on %d times, %d requests worked", seed, both.Load(), worked.Load())
	}
}

func interlockStep(ctx context.Context, p *Outputs, tasks []OutputTask, r *rand.Rand, worked *atomic.Int32) {
	task := tasks[r.IntN(len(tasks))]
	var err error
	switch r.IntN(5) {
	case 0:
		_, err = p.Set(ctx, task.Name, task.Off, 0)
	case 1:
		_, err = p.Toggle(ctx, task.Name)
	case 2:
		_, err = p.Pulse(ctx, task.Name, 4*time.Millisecond)
	default:
		_, err = p.Set(ctx, task.Name, task.onValue(), 0)
	}
	if err == nil {
		worked.Add(1)
	}
	fake(task).with(func(f *fakeOutput) { f.setErr = nil })
	if r.IntN(20) == 0 {
		fake(task).with(func(f *fakeOutput) { f.setErr = fmt.Errorf("EIO") })
	}
	time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
}
