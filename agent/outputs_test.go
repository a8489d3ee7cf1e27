package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fakeOutput is a driver that writes down its calls.
type fakeOutput struct {
	mu     sync.Mutex
	value  Value
	setErr error
	getErr error
	stuck  bool
	panics bool
	hang   chan struct{} // Set waits for its end and ignores ctx
	sets   []string
	closed bool
	onSet  func(Value)
}

func (f *fakeOutput) Set(_ context.Context, v Value) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets = append(f.sets, v.String())
	if f.panics {
		panic("boom")
	}
	if hang := f.hang; hang != nil {
		f.mu.Unlock()
		<-hang
		f.mu.Lock()
	}
	if f.setErr != nil {
		return f.setErr
	}
	if !f.stuck {
		f.value = v
	}
	if f.onSet != nil {
		f.onSet(f.value)
	}
	return nil
}

func (f *fakeOutput) Get(context.Context) (Value, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.getErr != nil {
		return Value{}, f.getErr
	}
	return f.value, nil
}

func (f *fakeOutput) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// with changes the driver.
func (f *fakeOutput) with(change func(f *fakeOutput)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// took returns the values set since the last call.
func (f *fakeOutput) took() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.sets = nil }()
	return strings.Join(f.sets, " ")
}

func (f *fakeOutput) now() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value.String()
}

// relay returns the task of a switch that is safe and begins off.
func relay(name string) OutputTask {
	return OutputTask{Name: name, Output: &fakeOutput{value: Bool(false)}, Off: Bool(false), Safe: Bool(false), Initial: Bool(false), Pulse: time.Second}
}

// dimmer returns the task of a range from 0 to 100 %.
func dimmer(name string) OutputTask {
	return OutputTask{Name: name, Output: &fakeOutput{value: Number(0)}, Max: 100, Unit: "%", Off: Number(0), Safe: Number(0), Initial: Number(0), Pulse: time.Second}
}

func fake(t OutputTask) *fakeOutput { return t.Output.(*fakeOutput) }

// locked makes two tasks exclude each other.
func interlocked(a, b *OutputTask, dead time.Duration) {
	a.Interlock, b.Interlock = append(a.Interlock, b.Name), append(b.Interlock, a.Name)
	a.DeadTime = dead
}

// drives runs Outputs in a synctest bubble until stop.
func drives(t *testing.T, p *Outputs) (tp *tape, stop func() error) {
	t.Helper()
	tp = &tape{start: time.Now(), last: map[string]Reading{}}
	ctx, cancel := context.WithCancel(t.Context())
	p.Put, p.Log = tp.put, tp.logs.logger(slog.LevelInfo)
	end := make(chan error, 1)
	go func() { end <- p.Run(ctx) }()
	synctest.Wait()
	return tp, func() error {
		cancel()
		return <-end
	}
}

// bubble runs a test of Outputs with these tasks and checks that it ends well.
func bubble(t *testing.T, tasks []OutputTask, test func(t *testing.T, p *Outputs, tp *tape)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &Outputs{Tasks: tasks}
		tp, stop := drives(t, p)
		test(t, p, tp)
		if err := stop(); err != nil {
			t.Error(err)
		}
		for _, task := range tasks {
			if f := fake(task); !f.closed {
				t.Errorf("%s is not closed", task.Name)
			}
		}
	})
}

// says sets an output and compares what the answer would be: the state, or the error.
func says(t *testing.T, p *Outputs, name, word string, length time.Duration, want string) {
	t.Helper()
	o, err := p.find(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := o.Parse(word)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Set(t.Context(), name, v, length)
	compare(t, st, err, want)
}

func compare(t *testing.T, st OutputState, err error, want string) {
	t.Helper()
	got := st.Text
	if err != nil {
		got = err.Error()
	} else if !st.Until.IsZero() {
		got += fmt.Sprintf(" for %v", time.Until(st.Until))
	}
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestOutputSet(t *testing.T) {
	bubble(t, []OutputTask{relay("pump"), dimmer("lamp")}, func(t *testing.T, p *Outputs, tp *tape) {
		wantSorted(t, tp, "0s lamp 0.0 %", "0s pump false")
		says(t, p, "pump", "on", 0, "on")
		says(t, p, "lamp", "12.5", 0, "12.5 %")
		says(t, p, "pump", "on", 0, "on")
		wantLines(t, tp, "0s pump true", "0s lamp 12.5 %") // the same is not put again
		says(t, p, "pump", "off", 0, "off")
		says(t, p, "lamp", "on", 0, "100 %")
		wantLines(t, tp, "0s pump false", "0s lamp 100.0 %")
		if got := fake(p.Tasks[0]).took(); got != "false true true false" {
			t.Errorf("the driver was set to %s", got)
		}
		for _, tt := range []struct {
			name   string
			value  Value
			length time.Duration
			want   string
		}{
			{"pump", Number(1), 0, `value: it is a switch: "1" is neither on nor off`},
			{"lamp", Bool(true), 0, `value: "true" is not a number`},
			{"lamp", Number(101), 0, "value: 101 is not between 0 and 100"},
			{"lamp", Value{}, 0, `value: "" is not a number`},
			{"pump", Bool(true), -1, "for: it must be longer than 0s"},
			{"pump", Bool(false), time.Second, "for: only what is switched on goes off again"},
			{"pond", Bool(true), 0, `there is no output "pond"`},
		} {
			st, err := p.Set(t.Context(), tt.name, tt.value, tt.length)
			compare(t, st, err, tt.want)
		}
		if got := fake(p.Tasks[0]).took() + fake(p.Tasks[1]).took(); got != "0 12.5 100" {
			t.Errorf("the drivers were set to %s", got)
		}
	})
}

// wantSorted is wantLines where the order is that of goroutines.
func wantSorted(t *testing.T, p *tape, want ...string) {
	t.Helper()
	synctest.Wait()
	got := p.take()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at %v (-want +got):\n%s", time.Since(p.start), diff)
	}
}

func TestOutputBeginsInOneStep(t *testing.T) {
	on, level, last := relay("on"), dimmer("level"), relay("last")
	on.Initial, level.Initial, last.Last = Bool(true), Number(30), true
	none, wrong := relay("none"), dimmer("wrong")
	none.Last, wrong.Last, wrong.Initial = true, true, Number(5)
	a, b := relay("a"), relay("b")
	a.Last, b.Last = true, true
	interlocked(&a, &b, 0)
	tasks := []OutputTask{on, level, last, none, wrong, a, b}
	synctest.Test(t, func(t *testing.T) {
		st := newFakeState("last", "true", "wrong", "nan", "a", "true", "b", "true")
		p := &Outputs{Tasks: tasks, State: st}
		_, stop := drives(t, p)
		for i, want := range []string{"true", "30", "true", "false", "5", "false", "false"} {
			if got := fake(tasks[i]).took(); got != want {
				t.Errorf("%s was first set to %s, want %s", tasks[i].Name, got, want)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

type fakeState struct {
	mu   sync.Mutex
	m    map[string]string
	err  error
	hang chan struct{}
}

func newFakeState(pairs ...string) *fakeState {
	s := &fakeState{m: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.m[pairs[i]] = pairs[i+1]
	}
	return s
}

func (s *fakeState) Set(space, key string, value []byte) error {
	if s.hang != nil {
		<-s.hang
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && space == "outputs" {
		s.m[key] = string(value)
	}
	return s.err
}

func (s *fakeState) Get(space, key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[key]
	return []byte(v), ok && space == "outputs"
}

// What people set is kept; what the board did by itself to be safe is not.
func TestOutputLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump, lamp := relay("pump"), dimmer("lamp")
		pump.Last, pump.SafeOnExit, pump.MaxOn = true, true, time.Hour
		st := newFakeState()
		p := &Outputs{Tasks: []OutputTask{pump, lamp}, State: st}
		_, stop := drives(t, p)
		want := func(pump string) {
			t.Helper()
			synctest.Wait()
			if v, _ := st.Get("outputs", "pump"); string(v) != pump {
				t.Errorf("kept %q, want %q", v, pump)
			}
		}
		want("")
		says(t, p, "pump", "on", 0, "on for 1h0m0s")
		want("true")
		says(t, p, "pump", "on", time.Minute, "on for 1m0s")
		want("false")
		says(t, p, "pump", "on", 0, "on for 1h0m0s")
		pass(2 * time.Hour)
		want("false") // max_on
		says(t, p, "lamp", "50", 0, "50 %")
		says(t, p, "pump", "on", 0, "on for 1h0m0s")
		if err := stop(); err != nil || fake(pump).now() != "false" {
			t.Error(err, fake(pump).now())
		}
		want("true")
		if _, ok := st.Get("outputs", "lamp"); ok {
			t.Error("the value of an output without last is kept")
		}
	})
}

// A disk that hangs stops nothing.
func TestOutputLastOnADeadDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump := relay("pump")
		pump.Last, pump.SafeOnExit = true, true
		st := newFakeState()
		st.hang = make(chan struct{})
		p := &Outputs{Tasks: []OutputTask{pump}, State: st}
		_, stop := drives(t, p)
		says(t, p, "pump", "on", time.Minute, "on for 1m0s")
		pass(time.Minute)
		if got := fake(pump).now(); got != "false" {
			t.Errorf("it is %s", got)
		}
		says(t, p, "pump", "on", 0, "on")
		if err := stop(); err == nil || fake(pump).now() != "false" {
			t.Errorf("Run = %v, it is %s", err, fake(pump).now())
		}
		close(st.hang)
	})
}

func TestOutputRefusesOutsideOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Outputs{Tasks: []OutputTask{relay("pump")}}
		says(t, p, "pump", "on", 0, "refused: the outputs are not running")
		if got := p.States()[0]; got.Text != "not known yet" || got.Name != "pump" {
			t.Errorf("%+v", got)
		}
		_, stop := drives(t, p)
		if err := stop(); err != nil {
			t.Error(err)
		}
		says(t, p, "pump", "on", 0, "refused: the outputs are not running")
		if got := fake(p.Tasks[0]).took(); got != "false" {
			t.Errorf("set to %s", got)
		}
	})
}

// Nobody is faster than the first value.
func TestOutputRefusesBeforeItsFirstValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Outputs{Tasks: []OutputTask{relay("pump")}}
		p.all()
		p.open(t.Context(), t.Context())
		says(t, p, "pump", "on", 0, "refused: the outputs are not running")
	})
}

func TestOutputFaults(t *testing.T) {
	bubble(t, []OutputTask{relay("pump")}, func(t *testing.T, p *Outputs, tp *tape) {
		f := fake(p.Tasks[0])
		f.took()
		tp.take()
		f.with(func(f *fakeOutput) { f.stuck = true })
		says(t, p, "pump", "on", 0, "set to on, but it reads back off")
		wantLines(t, tp, "100ms pump fault: set to on, but it reads back off")
		pass(5 * time.Minute)
		wantLines(t, tp) // it stays a fault, and is not repeated
		if got := f.took(); got != "true true true" {
			t.Errorf("set to %s: a failed on is not tried again later", got)
		}
		f.with(func(f *fakeOutput) { f.stuck = false })
		says(t, p, "pump", "on", 0, "on")
		f.with(func(f *fakeOutput) { f.setErr = errors.New("EIO") })
		says(t, p, "pump", "off", 0, "EIO")
		if st := p.States()[0]; st.Text != "fault: eIO" && st.Text != "fault: EIO" || !st.On {
			t.Errorf("%+v", st)
		}
		f.with(func(f *fakeOutput) { f.setErr = nil })
		pass(time.Second)
		if f.now() != "false" {
			t.Error("a failed off is not tried again")
		}
		f.with(func(f *fakeOutput) { f.getErr = &MissingError{"no such chip"} })
		says(t, p, "pump", "off", 0, "read back: no such chip")
		if r, _ := tp.get("pump"); r.Quality != Missing || r.Reason != "no such chip" {
			t.Errorf("%+v", r)
		}
		f.with(func(f *fakeOutput) { f.getErr = nil })
		pass(30 * time.Second)
		if r, _ := tp.get("pump"); r.Display() != "false" {
			t.Errorf("%+v", r)
		}
		f.with(func(f *fakeOutput) { f.value = Number(3) })
		pass(time.Minute)
		if r, _ := tp.get("pump"); r.Display() != `fault: read back: "3" is no value of it` {
			t.Errorf("%s", r.Display())
		}
		f.with(func(f *fakeOutput) { f.value = Bool(false) })
	})
}

// A line that another program holds can be neither set nor read back: the
// reason is told once.
func TestOutputThatIsHeld(t *testing.T) {
	pump := relay("pump")
	fake(pump).setErr, fake(pump).getErr = errors.New("held by x"), &MissingError{"not set yet"}
	bubble(t, []OutputTask{pump}, func(t *testing.T, p *Outputs, tp *tape) {
		pass(9 * time.Minute)
		wantLines(t, tp, "100ms pump fault: held by x")
		if n := tp.logs.count("output failed"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		fake(pump).with(func(f *fakeOutput) { f.setErr, f.getErr = nil, nil })
		pass(time.Minute)
		if r, _ := tp.get("pump"); r.Display() != "false" {
			t.Errorf("%+v", r)
		}
		fake(pump).with(func(f *fakeOutput) { f.getErr = errors.New("EIO") })
		pass(time.Minute)
		if r, _ := tp.get("pump"); r.Display() != "fault: read back: EIO" {
			t.Errorf("%+v", r)
		}
		fake(pump).with(func(f *fakeOutput) { f.getErr = nil })
	})
}

// What may be on goes off again, also where that is not known.
func TestOutputMayBeOn(t *testing.T) {
	bubble(t, []OutputTask{relay("pump")}, func(t *testing.T, p *Outputs, tp *tape) {
		f := fake(p.Tasks[0])
		f.with(func(f *fakeOutput) { f.getErr = errors.New("EIO") })
		says(t, p, "pump", "on", time.Minute, "read back: EIO")
		if st := p.States()[0]; !st.On || st.Value.Kind() != None {
			t.Errorf("%+v", st)
		}
		pass(2 * time.Minute)
		if got := f.now(); got != "false" {
			t.Errorf("it is %s", got)
		}
		f.with(func(f *fakeOutput) { f.getErr = nil })
		pass(time.Minute)
		says(t, p, "pump", "on", 10*time.Minute, "on for 10m0s")
		says(t, p, "pump", "off", 0, "off")
		f.with(func(f *fakeOutput) { f.value = Bool(true) }) // somebody else, whom the old timer does not concern
		pass(time.Hour)
		if got := f.now(); got != "true" {
			t.Errorf("it is %s", got)
		}
	})
}

func TestOutputPanics(t *testing.T) {
	bubble(t, []OutputTask{relay("pump")}, func(t *testing.T, p *Outputs, tp *tape) {
		f := fake(p.Tasks[0])
		f.with(func(f *fakeOutput) { f.panics = true })
		says(t, p, "pump", "on", 0, "the driver panicked: boom")
		f.with(func(f *fakeOutput) { f.panics = false })
		says(t, p, "pump", "on", 0, "on")
	})
}

// A driver that hangs blocks only its own output, and that until it returns.
func TestOutputHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, free := relay("hung"), relay("free")
		hung.SafeOnExit, free.SafeOnExit = true, true
		p := &Outputs{Tasks: []OutputTask{hung, free}}
		tp, stop := drives(t, p)
		f := fake(hung)
		release := make(chan struct{})
		f.with(func(f *fakeOutput) { f.hang = release })
		start := time.Now()
		says(t, p, "hung", "on", 0, "no answer within 5s")
		if d := time.Since(start); d != driveTime+readGrace {
			t.Errorf("it took %v", d)
		}
		at := time.Now().Format("15:04:05")
		says(t, p, "hung", "off", 0, "the driver has not returned since "+at)
		says(t, p, "free", "on", 0, "on")
		pass(time.Hour)
		if got := f.took(); got != "false true" {
			t.Errorf("the driver was called again: %s", got)
		}
		if r, _ := tp.get("hung"); r.Display() != "fault: the driver has not returned since "+at {
			t.Errorf("%s", r.Display())
		}
		f.with(func(f *fakeOutput) { f.hang = nil })
		close(release)
		pass(time.Minute)
		if got := f.took(); got != "false" || f.now() != "false" { // the off that failed
			t.Errorf("set to %s, is %s", got, f.now())
		}
		says(t, p, "hung", "on", 0, "on")

		again := make(chan struct{})
		f.with(func(f *fakeOutput) { f.hang = again })
		start = time.Now()
		err := stop()
		if d := time.Since(start); d > exitTime+stopGrace {
			t.Errorf("the end took %v", d)
		}
		if err == nil || err.Error() != "output hung is not safe: no answer within 5s" || fake(free).now() != "false" {
			t.Errorf("Run = %v, free is %s", err, fake(free).now())
		}
		close(again)
	})
}

func TestOutputChangedBySomebodyElse(t *testing.T) {
	pump := relay("pump")
	pump.MaxOn = time.Hour
	bubble(t, []OutputTask{pump}, func(t *testing.T, p *Outputs, tp *tape) {
		f := fake(pump)
		tp.take()
		time.Sleep(30 * time.Second)
		f.with(func(f *fakeOutput) { f.value = Bool(true) })
		pass(time.Minute)
		wantLines(t, tp, "1m0s pump true")
		pass(time.Hour - 31*time.Second)
		if got := f.now(); got != "true" {
			t.Errorf("it is %s", got)
		}
		pass(time.Second)
		wantLines(t, tp, "11m0s pump true", "21m0s pump true", "31m0s pump true", "41m0s pump true", "51m0s pump true",
			"1h1m0s pump false") // every 10 min; max_on counts from when it was seen
	})
}
