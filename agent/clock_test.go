package agent

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// base is a real time, with a monotonic part: those of a bubble have none. It
// is on a whole millisecond.
var base = func() time.Time { t := time.Now(); return t.Add(-time.Duration(t.Nanosecond()) % time.Millisecond) }()

// truth is the time in a test: the real one in which the bubble's time passes.
func truth() time.Time {
	return base.Add(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// A badClock is a Clock whose time of day is off the truth by some amount.
type badClock struct {
	*Clock
	mu     sync.Mutex
	off    time.Duration
	synced bool
	agent  *Agent
	record *journal
	logs   logs
}

// years is how far a clock without a battery is off.
const years = -30 * 365 * 24 * time.Hour

func newBadClock(off, wait time.Duration) *badClock {
	b := &badClock{off: off, record: &journal{}}
	b.Clock = &Clock{
		Wait: wait, Log: b.logs.logger(slog.LevelInfo),
		Synced: func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.synced },
		read: func() (wall, mono time.Time) {
			b.mu.Lock()
			defer b.mu.Unlock()
			mono = truth()
			return mono.Round(0).Add(b.off), mono
		},
	}
	b.agent = &Agent{Clock: b.Clock, Record: b.record}
	return b
}

// A journal is a record that a test can read while others write to it.
type journal struct {
	appended
	mu sync.Mutex
}

func (j *journal) Append(r Reading) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.appended.Append(r)
}

// recorded waits until the clock has done its work.
func (b *badClock) recorded() []Reading {
	synctest.Wait()
	b.record.mu.Lock()
	defer b.record.mu.Unlock()
	return slices.Clone(b.record.appended)
}

// set moves the time of day and tells whether the kernel vouches for it then.
func (b *badClock) set(off time.Duration, synced bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.off, b.synced = off, synced
}

// now is what the clock shows.
func (b *badClock) now() time.Time { wall, _ := b.read(); return wall }

// watch runs the clock until the test or stop ends it.
func (b *badClock) watch(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// put reads a field: Value is the true time, in milliseconds since begin.
func (b *badClock) put(name string, begin time.Time) {
	now := truth()
	b.agent.Put(Reading{Name: name, Value: Number(float64(now.Sub(begin).Milliseconds())), Time: now})
}

// check wants n recorded readings in order with true times and without a mark.
func (b *badClock) check(t *testing.T, begin time.Time, n int) {
	t.Helper()
	if len(b.recorded()) != n {
		t.Errorf("%d readings are recorded, want %d", len(b.recorded()), n)
	}
	last := map[string]time.Time{}
	for _, r := range b.recorded() {
		ms, _ := r.Value.Float()
		if want := begin.Add(time.Duration(ms) * time.Millisecond); Stamp(r.Time) != Stamp(want) || r.Quality != Good || r.Reason != "" {
			t.Errorf("%s of %s is recorded as %s (%s %s)", r.Name, Stamp(want), Stamp(r.Time), r.Quality, r.Reason)
		}
		if r.Time.Before(last[r.Name]) {
			t.Errorf("%s goes back to %s", r.Name, Stamp(r.Time))
		}
		last[r.Name] = r.Time
	}
}

// However the clock becomes sane, what was read before is recorded then, in
// order and with its own time, and the board shows it so.
func TestClockHoldsReadings(t *testing.T) {
	for name, set := range map[string]func(*badClock){
		"the kernel is synchronised": func(b *badClock) { b.set(0, true) },
		"somebody sets it":           func(b *badClock) { b.set(0, false) },
		"the server agrees":          func(b *badClock) { b.Compare(truth().Add(59 * time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				off := time.Duration(years)
				if strings.Contains(name, "server") {
					off = 0
				}
				b, begin := newBadClock(off, 5*time.Minute), truth()
				defer b.watch(t)()
				for range 20 {
					b.put("a", begin)
					b.put("b.c", begin)
					time.Sleep(7777 * time.Millisecond)
				}
				b.agent.Put(Faulty("d", Fault, truth(), "no answer"))
				b.agent.Put(Reading{Name: "e", Value: Number(1), Time: truth(), Quality: Stale}) // is not recorded
				if r, _ := b.agent.Board.Get("a"); r.Quality != Uncertain || r.Reason != ClockReason || len(b.recorded()) > 0 {
					t.Errorf("before: board %v %q, %d recorded", r.Quality, r.Reason, len(b.recorded()))
				}
				want := []string{"clock: not set, 41 readings wait: no time server has set it"}
				if d := cmp.Diff(want, b.Status()); d != "" || b.Sane() {
					t.Error(b.Sane(), d)
				}
				at := truth()
				set(b)
				time.Sleep(2 * time.Second)
				if len(b.recorded()) != 41 || !b.Sane() || b.Status() != nil {
					t.Fatalf("%d recorded, %v", len(b.recorded()), b.Status())
				}
				if r := b.recorded()[40]; r.Quality != Fault || r.Reason != "no answer" || Stamp(r.Time) != Stamp(at) {
					t.Errorf("a fault is recorded as %+v", r)
				}
				b.record.appended = b.recorded()[:40]
				for _, r := range b.agent.Board.All() {
					if age := truth().Sub(r.Time); age > 12*time.Second || age < 0 || strings.Contains(r.Reason, ClockReason) || (r.Quality == Good) == (r.Name >= "d") {
						t.Errorf("on the board: %+v", r)
					}
				}
				b.put("a", begin)
				b.check(t, begin, 41)
			})
		})
	}
}

func TestClockSaneFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(0, time.Minute), truth()
		b.set(0, true)
		now := truth().Add(123 * time.Microsecond)
		b.agent.Put(Reading{Name: "a", Value: Number(0), Time: now})
		if r, _ := b.agent.Board.Get("a"); r.Time != now || len(b.recorded()) != 1 || b.recorded()[0].Time != now {
			t.Error("a true time was changed")
		}
		defer b.watch(t)()
		time.Sleep(time.Hour)
		b.set(-30*time.Second, false) // no step, and the kernel may lose its server
		time.Sleep(time.Minute)
		if !b.Sane() || !b.Settled(t.Context()) {
			t.Error(b.Status())
		}
		b.set(0, false)
		time.Sleep(time.Minute)
		b.put("b", begin)
		if len(b.recorded()) != 2 {
			t.Error(b.Status())
		}
	})
}

// Readings that were taken before the clock moved and come afterwards.
func TestClockCorrectsLateReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBadClock(years, time.Minute)
		before := truth()
		b.agent.Put(Reading{Name: "a", Value: Number(1), Time: before})
		time.Sleep(time.Second)
		own := before.UTC().Add(-time.Hour) // a source with a clock of its own
		b.set(time.Hour, true)
		b.agent.Put(Reading{Name: "b", Value: Number(1), Time: before})
		b.agent.Put(Reading{Name: "b", Value: Number(1), Time: before, Quality: Stale, Reason: "bus is held"})
		b.agent.Put(Reading{Name: "c", Value: Number(1), Time: own})
		var got []string
		for _, r := range b.recorded() {
			got = append(got, r.Name+" "+Stamp(r.Time))
		}
		true1 := Stamp(before.Add(time.Hour))
		if d := cmp.Diff([]string{"a " + true1, "b " + true1, "c " + Stamp(own)}, got); d != "" {
			t.Error(d)
		}
		if r, _ := b.agent.Board.Get("b"); Stamp(r.Time) != true1 || r.Quality != Stale {
			t.Errorf("a stale reading shows %+v", r)
		}
	})
}

// A time without a monotonic part counts as taken when it was put.
func TestClockDatesStrippedTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBadClock(years, time.Minute)
		want := Stamp(truth())
		b.agent.Put(Reading{Name: "a", Value: Number(1), Time: b.now().UTC()})
		b.agent.Put(Reading{Name: "b", Value: Number(1)})
		time.Sleep(30 * time.Second)
		b.set(0, false)
		if !b.Sane() {
			t.Fatal(b.Status())
		}
		for _, r := range append(b.agent.Board.All(), b.recorded()...) {
			if Stamp(r.Time) != want || r.Quality != Good {
				t.Errorf("%+v, want the time %s", r, want)
			}
		}
	})
}

func TestClockBecomesUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(time.Hour, 5*time.Minute), truth()
		defer b.watch(t)()
		settled := make(chan bool, 1)
		go func() { settled <- b.Settled(t.Context()) }()
		b.put("a", begin)
		b.agent.Put(Faulty("b", Fault, truth(), ""))
		time.Sleep(5*time.Minute - time.Second)
		synctest.Wait()
		if len(settled) > 0 || len(b.recorded()) > 0 {
			t.Error("too early")
		}
		time.Sleep(2 * time.Second)
		if !<-settled {
			t.Error("did not settle")
		}
		time.Sleep(time.Minute)
		b.put("a", begin)
		var got []string
		for _, r := range b.recorded() {
			got = append(got, fmt.Sprintf("%s %s %s %s", r.Name, r.Time.Sub(begin), r.Quality, r.Reason))
		}
		want := []string{
			"a 1h0m0s uncertain the clock is not set",
			"b 1h0m0s fault fault; the clock is not set",
			"a 1h6m1s uncertain the clock is not set",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"clock: not set, readings are marked uncertain: no time server has set it"}, b.Status()); d != "" || b.Sane() {
			t.Error(b.Sane(), d)
		}
		b.set(0, true) // at last
		time.Sleep(2 * time.Second)
		if r, _ := b.agent.Board.Get("a"); r.Quality != Good || Stamp(r.Time) != Stamp(begin.Add(6*time.Minute+time.Second)) {
			t.Errorf("the board shows %+v", r)
		}
		if len(b.recorded()) != 3 || b.logs.count("let an NTP client set it") != 1 || b.logs.count("the clock is set", "kernel") != 1 {
			t.Errorf("%d recorded, log:\n%s", len(b.recorded()), b.logs.String())
		}
	})
}

// Without a wait everything is recorded at once, with the mark.
func TestClockThatDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(0, 0), truth()
		b.put("a", begin)
		if !b.Settled(t.Context()) || len(b.recorded()) != 1 || b.recorded()[0].Quality != Uncertain {
			t.Errorf("%+v", b.recorded())
		}
		b.set(years, false) // a step: somebody set it
		b.put("a", begin)
		if r, _ := b.agent.Board.Get("a"); r.Quality != Good || len(b.recorded()) != 2 || b.recorded()[1].Quality != Good {
			t.Errorf("%+v", b.recorded())
		}
	})
}

// Whoever sets the clock to a time before the record's newest is wrong.
func TestClockIsNeverBeforeTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(-2*time.Hour, time.Hour), truth()
		b.Newest = begin
		reason := "it is before the newest reading of the record, " + Stamp(begin)
		steps := []struct {
			do   func()
			sane bool
			why  string
		}{
			{func() {}, false, reason},
			{func() { b.set(-2*time.Hour, true) }, false, reason},
			{func() { b.set(-time.Hour, false) }, false, reason},
			{func() { b.Compare(b.now()) }, false, reason},
			{func() { b.Compare(truth()) }, false, reason},
			{func() { b.set(-3*time.Minute, false) }, false, reason},
			{func() { time.Sleep(3 * time.Minute) }, false, "no time server has set it"},
			{func() { b.set(time.Hour, false) }, true, ""},
			{func() { b.set(-time.Hour, true) }, false, reason},
			{func() { b.set(-time.Second, true) }, true, ""},
		}
		for i, s := range steps {
			s.do()
			if got := strings.Join(b.Status(), "\n"); b.Sane() != s.sane || !strings.HasSuffix(got, s.why) {
				t.Fatalf("step %d: sane %v, %q, want %q", i, b.Sane(), got, s.why)
			}
		}
	})
}

// A record that was once dated far ahead does not spoil the clock for ever.
func TestClockTwoWitnessesBeatTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBadClock(0, time.Hour)
		b.Newest = truth().Add(-years)
		b.set(0, true)
		if b.Sane() {
			t.Error("the kernel alone is believed")
		}
		if b.Compare(truth()); !b.Sane() {
			t.Error(b.Status())
		}
	})
}

// After a step that nothing confirms the clock is not believed, from the very
// next reading on.
func TestClockDoubtsAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(0, time.Hour), truth()
		b.set(0, true)
		defer b.watch(t)()
		b.put("a", begin)
		time.Sleep(90 * time.Minute) // more than Wait: that begins anew
		b.set(3*time.Hour, false)
		b.put("a", begin)
		want := []string{"clock: not set, 1 readings wait: it was moved by 3h0m0s, and nothing confirms that"}
		if d := cmp.Diff(want, b.Status()); d != "" || len(b.recorded()) != 1 {
			t.Errorf("%d recorded, %s", len(b.recorded()), d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b.Settled(ctx) {
			t.Error("settled")
		}
		time.Sleep(time.Minute)
		b.put("a", begin)
		b.set(0, true)
		time.Sleep(2 * time.Second)
		b.put("a", begin)
		b.check(t, begin, 4)

		b.set(-3*time.Hour, true) // the kernel vouches for a step: that was a correction
		b.put("b", begin)
		if !b.Sane() || len(b.recorded()) != 5 {
			t.Error(b.Status())
		}
	})
}

func TestClockDisagreesWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(-2*time.Hour, time.Hour), truth()
		b.put("a", begin)
		b.Compare(truth())
		want := []string{"clock: not set, 1 readings wait: the server's clock is 2h0m0s ahead of it"}
		if d := cmp.Diff(want, b.Status()); d != "" {
			t.Error(d)
		}
		b.set(time.Minute+time.Second, false) // it is sane by the step, and then not
		if !b.Sane() || len(b.recorded()) != 1 {
			t.Error(b.Status())
		}
		b.Compare(truth())
		want = []string{"clock: not set, 0 readings wait: the server's clock is 1m1s behind it"}
		if d := cmp.Diff(want, b.Status()); d != "" {
			t.Error(d)
		}
		b.set(0, true)
		b.Compare(truth().Add(2 * time.Hour)) // the kernel knows better than the server
		if !b.Sane() || b.logs.count("WARN", "differs", "ahead=2h0m0s") != 1 {
			t.Error(b.Status(), b.logs.String())
		}
	})
}

func TestClockHoldsABoundedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(years, time.Hour), truth()
		for range maxHeld + 904 {
			b.put("a", begin)
			time.Sleep(100 * time.Millisecond)
		}
		wait := "clock: not set, 4096 readings wait: no time server has set it"
		lost := "clock: 904 readings dropped, too many waited for it to be set"
		if d := cmp.Diff([]string{wait, lost}, b.Status()); d != "" {
			t.Error(d)
		}
		b.set(0, true)
		if d := cmp.Diff([]string{lost}, b.Status()); d != "" {
			t.Error(d)
		}
		b.check(t, begin, maxHeld)
		if first, _ := b.recorded()[0].Value.Float(); first != 90400 {
			t.Errorf("the first is of %v ms", first)
		}
	})
}

func TestClockWithoutARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(years, time.Hour), truth()
		b.agent.Record = nil
		b.put("a", begin)
		b.set(0, true)
		if !b.Sane() {
			t.Error(b.Status())
		}
		if r, _ := b.agent.Board.Get("a"); r.Quality != Good || !r.Time.Equal(begin) {
			t.Errorf("%+v", r)
		}
	})
}

// A planned stop does not lose what waits.
func TestClockStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(0, time.Hour), truth()
		stop := b.watch(t)
		b.put("a", begin)
		time.Sleep(time.Minute)
		stop()
		b.put("a", begin)
		if len(b.recorded()) != 2 || b.recorded()[0].Quality != Uncertain || b.recorded()[1].Reason != ClockReason {
			t.Errorf("%+v", b.recorded())
		}
	})
}

func TestNoClockIsSane(t *testing.T) {
	var c *Clock
	c.Compare(time.Time{})
	if !c.Sane() || !c.Settled(t.Context()) || c.Status() != nil || c.Run(t.Context()) != nil {
		t.Error("a nil clock doubts")
	}
}

// No order of events makes the times of a field go back or differ from the
// true ones, whatever the sensors make of their times.
func TestClockKeepsOrder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		synctest.Test(t, func(t *testing.T) {
			b, begin := newBadClock(time.Duration(random.Int64N(int64(-2*years)))+years, time.Hour), truth()
			defer b.watch(t)()
			read := func(n int) {
				for range n {
					time.Sleep(time.Duration(random.Int64N(5e9)))
					r := Reading{Name: fmt.Sprint("f", random.IntN(3)), Time: truth()}
					r.Value = Number(float64(r.Time.Sub(begin).Milliseconds()))
					switch random.IntN(3) {
					case 0:
						r.Time = b.now()
					case 1:
						time.Sleep(time.Duration(random.Int64N(1e6)))
					}
					b.agent.Put(r)
				}
			}
			n := random.IntN(30)
			read(n)
			if random.IntN(2) == 0 {
				b.set(0, false)
			} else {
				b.set(0, true)
			}
			b.Compare(truth()) // for a clock that was right
			read(30 - n)
			b.check(t, begin, 30)
		})
	}
}

func TestClockConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(years, time.Hour), truth()
		defer b.watch(t)()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 100 {
					b.put(fmt.Sprint("f", i), begin)
					time.Sleep(time.Second)
				}
			})
		}
		wg.Go(func() { b.Settled(t.Context()); b.Compare(truth()) })
		wg.Go(func() { time.Sleep(50500 * time.Millisecond); b.Status(); b.set(0, true) })
		wg.Wait()
		b.check(t, begin, 800)
	})
}

func TestMark(t *testing.T) {
	for _, r := range []Reading{
		{Name: "a", Value: Number(1)},
		{Name: "a", Value: Number(1), Quality: Uncertain, Reason: "at the edge"},
		{Name: "a", Quality: Missing, Reason: "not there"},
	} {
		m := mark(r)
		if m.Quality == Good || !strings.HasSuffix(m.Reason, ClockReason) {
			t.Errorf("%+v is marked as %+v", r, m)
		}
		if got, ok := unmark(m); !ok || !cmp.Equal(got, r, sameValue) {
			t.Errorf("%+v comes back as %+v, %v", r, got, ok)
		}
		if got, ok := unmark(r); ok || !cmp.Equal(got, r, sameValue) {
			t.Errorf("%+v is not marked: %+v", r, got)
		}
	}
}

func TestKernelState(t *testing.T) {
	for _, c := range []struct {
		state  int
		status int32
		want   bool
	}{
		{0, 0x2001, true}, {0, 0, true}, {1, 0x11, true}, // TIME_INS: a leap second comes
		{5, 0x40, false}, {5, 0x2000, false}, {0, 0x41, false},
	} {
		if got := synchronised(c.state, c.status); got != c.want {
			t.Errorf("state %d, status %#x: %v", c.state, c.status, got)
		}
	}
	KernelSynced() // whatever it says here
	if c := (&Clock{Synced: nil}); c.synced() != KernelSynced() {
		t.Error("the kernel is not asked")
	}
}

// The system's clock is read as it is.
func TestClockReadsTheSystem(t *testing.T) {
	wall, mono := (&Clock{}).now()
	if monotonic(wall) || !monotonic(mono) || !wall.Equal(mono) {
		t.Error(wall, mono)
	}
	for _, at := range []time.Time{{}, time.Now().UTC(), time.Now().Round(0), time.Unix(1e9, 0)} {
		if monotonic(at) {
			t.Errorf("%v has a monotonic part", at)
		}
	}
}
