package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// staged runs a Fields in a synctest bubble; what it publishes is on the tape.
func staged(t *testing.T, rules ...FieldRule) (*Fields, *tape) {
	p := &tape{start: time.Now(), last: map[string]Reading{}}
	f := &Fields{Rules: rules, Next: p.put}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return f, p
}

func (f *Fields) give(name string, x float64) {
	f.Put(Reading{Name: name, Value: Number(x), Time: time.Now()})
}

func TestFieldStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := staged(t, FieldRule{"*", Field{Stale: 2 * time.Minute}}, FieldRule{"fast*", Field{Stale: 30 * time.Second}})
		f.give("a", 1)
		f.give("fast", 0) // earlier than what Run waits for
		time.Sleep(100 * time.Second)
		measured := time.Now()
		f.give("a", 2)
		f.give("fast", 3)
		time.Sleep(29 * time.Second)
		f.give("fast2", 4)
		wantLines(t, p, "0s a 1", "0s fast 0", "30s fast 0 (stale)", "1m40s a 2", "1m40s fast 3", "2m9s fast2 4")
		time.Sleep(time.Hour)
		wantLines(t, p, "2m10s fast 3 (stale)", "2m39s fast2 4 (stale)", "3m40s a 2 (stale)")
		if r, _ := p.get("a"); r.Reason != "no value for 2m0s" || !r.Time.Equal(measured) {
			t.Errorf("got %+v", r)
		}
		f.give("a", 5)
		wantLines(t, p, "1h2m9s a 5")
		time.Sleep(time.Hour)
		wantLines(t, p, "1h4m9s a 5 (stale)")
	})
}

// What has failed, or is stale already, does not turn stale; what is
// implausible or held back by the dead-band counts for what it is.
func TestFieldStaleOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		field := with(valid(0, 9), dead(5), Field{Stale: time.Minute})
		f, p := staged(t, FieldRule{"*", field})
		f.give("failed", 1)
		f.Put(Faulty("failed", Fault, time.Now(), "no answer"))
		f.give("held", 1)
		f.Put(Reading{Name: "held", Value: Number(1), Quality: Stale, Reason: "bus held"})
		f.give("gone", 1)
		f.Remove("gone")
		f.give("odd", 1)
		f.give("steady", 1)
		f.Put(Reading{Name: "text", Value: Text("open")})
		f.Put(Reading{Name: "unsure", Value: Number(1), Quality: Uncertain, Reason: "x"})
		time.Sleep(30 * time.Second)
		p.take()
		f.give("odd", 10)
		f.give("steady", 2)
		time.Sleep(time.Hour)
		synctest.Wait()
		got := map[string]int{}
		for _, line := range p.take() {
			got[line]++
		}
		want := map[string]int{"1m0s odd 1 (stale)": 1, "1m30s steady 2 (stale)": 1, "1m0s text open (stale)": 1, "1m0s unsure 1 (stale)": 1}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// Samples that come in time cost Run one look in the time that they may be late.
func TestFieldStaleWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := staged(t, FieldRule{"*", Field{Stale: time.Minute}})
		for range 360 {
			for i := range 10 {
				f.give(fmt.Sprint("n", i), 1)
			}
			at, _ := f.alarm.next()
			if left := time.Until(at); left <= 0 || left > time.Minute {
				t.Fatalf("Run looks in %v", left)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		for _, line := range p.take() {
			if line[len(line)-1] != '1' {
				t.Error(line)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if at, _ := f.alarm.next(); !at.IsZero() {
			t.Error("Run waits for nothing")
		}
	})
}

// Stale and good readings of a name are published in the order in which they
// are decided: none is left behind as the wrong state.
func TestFieldsFromManyGoroutines(t *testing.T) {
	var mu sync.Mutex
	last := map[string]Reading{}
	f := &Fields{
		Rules:   []FieldRule{{"*", with(dead(1), smooth("median", 3, 0), Field{Stale: time.Microsecond})}},
		Next:    func(r Reading) { mu.Lock(); last[r.Name] = r; mu.Unlock() },
		Refresh: func(Reading) {},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				f.give(fmt.Sprint("n", w), float64(i%7))
				f.give("shared", float64(i%5))
				f.Counts("shared")
				f.Discards()
				if i%100 == 0 {
					f.Remove(fmt.Sprint("n", w))
				}
			}
		})
	}
	wg.Wait()
	f.sweep(time.Now().Add(time.Second))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for name, r := range last {
		if tr, _ := f.find(name); r != tr.published || r.Quality != Stale {
			t.Errorf("%s: the last published is %+v, the state %+v", name, r, tr.published)
		}
	}
}
