package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hangs returns a sensor that gives 1 until the read number n, which ignores
// its ctx until release is closed and then gives 99.
func hangs(n int, release chan struct{}) readFunc {
	reads := 0
	return func(context.Context) ([]Reading, error) {
		if reads++; reads == n {
			<-release
			return []Reading{{Name: "f", Value: Number(99)}}, nil
		}
		return []Reading{{Name: "f", Value: Number(1)}}, nil
	}
}

// counted counts the reads that are under way, and the most there ever were.
func counted(s Sensor, now, most *atomic.Int32) Sensor {
	return readFunc(func(ctx context.Context) ([]Reading, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return s.Read(ctx)
	})
}

func TestPollHungBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var now, most atomic.Int32
		p, stop := poll(t,
			Task{Name: "outside", Every: time.Minute, Bus: "i2c:1", Sensor: counted(hangs(2, release), &now, &most)},
			Task{Name: "b", Every: 7 * time.Second, Bus: "i2c:1", Sensor: counted(always(Reading{Name: "v", Value: Number(2), Unit: "V"}), &now, &most)},
			Task{Name: "free", Every: 50 * time.Second, Bus: "sysfs", Sensor: always(Reading{Value: Number(3)})},
		)
		time.Sleep(ph("outside", time.Minute) + time.Minute - 1)
		synctest.Wait()
		p.take()
		before, _ := p.get("b.v")
		hang := time.Minute + ph("outside", time.Minute)
		time.Sleep(5*time.Second + readGrace + 1)
		held := hang + 5*time.Second + readGrace
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		got := p.take()
		free := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.Contains(s, " free 3") })
		if len(free) != 12 {
			t.Errorf("the other bus was read %d times:\n%s", len(free), strings.Join(got, "\n"))
		}
		got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, " free 3") })
		if diff := cmp.Diff([]string{
			fmt.Sprint(held, " outside.f fault: no answer within 5s"),
			fmt.Sprint(70*time.Second+ph("b", 7*time.Second), " b.v 2.000 V (stale)"),
		}, got); diff != "" {
			t.Errorf("the held bus (-want +got):\n%s", diff)
		}
		r, _ := p.get("b.v")
		if r.Reason != "not read: bus i2c:1 is held by outside" || !r.Time.Equal(before.Time) || before.Time.IsZero() || r.Value != Number(2) || r.Unit != "V" {
			t.Errorf("stale: %+v\nbefore: %+v", r, before)
		}
		close(release)
		at := time.Since(p.start)
		wantLines(t, p, fmt.Sprint(at, " b.v 2.000 V"))
		time.Sleep(time.Minute)
		synctest.Wait()
		outside, b := 0, 0
		for _, s := range p.take() {
			outside += strings.Count(s, " outside.f 1")
			b += strings.Count(s, " b.v 2.000 V")
			if strings.Contains(s, "99") || strings.Contains(s, "stale") {
				t.Errorf("after the hang: %s", s)
			}
		}
		if outside != 1 || b < 8 || b > 9 {
			t.Errorf("in the minute after the hang: outside %d, b %d reads", outside, b)
		}
		if p.logs.count("bus held", "bus=i2c:1", "sensor=outside") != 1 || p.logs.count("late result dropped", "sensor=outside") != 1 {
			t.Errorf("log:\n%s", p.logs.String())
		}
		if err := stop(); err != nil || most.Load() != 1 {
			t.Errorf("%v, %d reads at a time on one bus", err, most.Load())
		}
	})
}

func TestPollHungFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p, stop := poll(t,
			Task{Name: "a", Every: time.Hour, Timeout: time.Second, Bus: "i2c:1", Sensor: hangs(1, release)},
			Task{Name: "b", Every: time.Hour, Bus: "i2c:1", Sensor: always(Reading{Name: "v", Value: Number(2)})},
			Task{Name: "c", Every: time.Hour, Bus: "i2c:1", Fields: []string{"v"}, Sensor: always(Reading{Name: "v", Value: Number(2)})},
		)
		time.Sleep(20 * time.Second)
		wantLines(t, p, "1.1s a fault: no answer within 1s",
			"1.1s b fault: not read: bus i2c:1 is held by a", "1.1s c.v fault: not read: bus i2c:1 is held by a")
		close(release)
		wantLines(t, p, "20s b removed", "20s b.v 2", "20s c.v 2")
		time.Sleep(time.Hour + 6*time.Minute)
		synctest.Wait()
		if r, _ := p.get("a.f"); r.Value != Number(1) {
			t.Errorf("a.f = %+v", r)
		}
		if _, ok := p.get("a"); ok {
			t.Error("the stand-in of a is still there")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// While a bus is held, what has no value keeps its better reason.
func TestPollHeldAfterFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		mixed := readFunc(func(context.Context) ([]Reading, error) {
			return []Reading{{Name: "bad", Quality: Fault, Reason: "crc"}, {Name: "none", Quality: Missing, Reason: "not fitted"}}, nil
		})
		p, stop := poll(t,
			Task{Name: "m", Every: 70 * time.Second, Bus: "x", Sensor: mixed},
			Task{Name: "h", Every: time.Minute, Bus: "x", Sensor: hangs(2, release)},
		)
		time.Sleep(10 * time.Second)
		wantLines(t, p, "0s m.bad fault: crc", "0s m.none missing: not fitted", "0s h.f 1")
		time.Sleep(time.Hour)
		synctest.Wait()
		got := p.take()
		want := fmt.Sprint(70*time.Second+ph("m", 70*time.Second), " m.bad fault: not read: bus x is held by h")
		if len(got) != 2 || got[1] != want {
			t.Errorf("got %q, want %q last", got, want)
		}
		close(release)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestPollStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		heeds := readFunc(func(ctx context.Context) ([]Reading, error) {
			<-ctx.Done()
			return []Reading{{Value: Number(1)}}, ctx.Err()
		})
		p, stop := poll(t,
			Task{Name: "heeds", Every: time.Minute, Bus: "sysfs", Sensor: heeds},
			Task{Name: "outside", Every: time.Minute, Bus: "i2c:1", Sensor: hangs(1, release)},
		)
		time.Sleep(time.Second)
		err := stop()
		if want := "bus i2c:1: the read of outside does not end and is left behind"; err == nil || err.Error() != want {
			t.Errorf("Run returned %v, want %s", err, want)
		}
		if d := time.Since(p.start); d != time.Second+stopGrace {
			t.Errorf("Run returned after %v", d)
		}
		wantLines(t, p)
		close(release)
	})
}

func TestPollStopAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := readFunc(func(ctx context.Context) ([]Reading, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil, ctx.Err()
		})
		p, stop := poll(t, Task{Name: "late", Every: time.Minute, Sensor: late})
		time.Sleep(time.Second)
		if err := stop(); err != nil || time.Since(p.start) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(p.start), err)
		}
		wantLines(t, p)
	})
}

// A driver that spins without a system call holds its bus only; real time,
// because a bubble's clock stands still while something runs.
func TestPollEndlessLoop(t *testing.T) {
	var enough atomic.Bool
	var good atomic.Int32
	faulty := make(chan Reading, 1)
	spins := readFunc(func(context.Context) ([]Reading, error) {
		for !enough.Load() {
		}
		return nil, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	poller := &Poller{
		Tasks: []Task{
			{Name: "spin", Every: time.Hour, Timeout: time.Millisecond, Bus: "x", Sensor: spins},
			{Name: "good", Every: minEvery, Bus: "y", Sensor: always(Reading{Value: Number(1)})},
		},
		Put: func(r Reading) {
			if r.Name == "good" {
				if good.Add(1) == 5 {
					enough.Store(true)
					cancel()
				}
			} else if r.Quality == Fault {
				faulty <- r
			}
		},
	}
	if err := poller.Run(ctx); err != nil {
		t.Error(err)
	}
	if r := <-faulty; r.Name != "spin" || r.Reason != "no answer within 1ms" {
		t.Errorf("%+v", r)
	}
}

// A panic that comes after its time frees the bus as any other end does.
func TestPollLatePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := poll(t, Task{Name: "s", Every: time.Minute, Sensor: readFunc(func(context.Context) ([]Reading, error) {
			time.Sleep(10 * time.Second)
			panic("too late")
		})})
		time.Sleep(30 * time.Second)
		wantLines(t, p, "5.1s s fault: no answer within 5s")
		if p.logs.count("sensor panicked", "too late", "poll_hang_test.go") != 1 {
			t.Errorf("log:\n%s", p.logs.String())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A result that arrives together with the end of Run is of no use.
func TestPollFinishInShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := 0
		p := &Poller{Tasks: []Task{{Name: "s", Every: time.Minute}}, Put: func(Reading) { said++ }}
		b := p.buses(time.Now())[0]
		for _, use := range []bool{false, true} {
			b.reading = b.tasks[0]
			b.finish(outcome{at: time.Now(), quality: Fault, reason: "context canceled"}, use)
			if b.reading != nil || said == 1 != use {
				t.Errorf("use %v: %d readings, still reading %v", use, said, b.reading)
			}
		}
	})
}
