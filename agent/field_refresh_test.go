package agent

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A refresh is read, and nobody is told.
func TestRefresh(t *testing.T) {
	var j appended
	a := &Agent{Record: &j}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.Refresh(Reading{Name: "new", Value: Number(1)})
	if _, ok := a.Board.Get("new"); ok {
		t.Error("a name that the board does not have")
	}
	a.Put(Reading{Name: "a", Value: Number(1)})
	a.Put(Faulty("b", Fault, base, "x"))
	next, stop := iter.Pull(a.Board.Watch(ctx))
	defer stop()
	next()
	a.Refresh(Reading{Name: "a", Value: Number(2), Time: base})
	a.Refresh(Reading{Name: "b", Value: Number(2), Time: base})
	if r, _ := a.Board.Get("a"); r.Value != Number(2) || !r.Time.Equal(base) {
		t.Errorf("a is %+v", r)
	}
	if r, _ := a.Board.Get("b"); r.Quality != Fault {
		t.Errorf("another quality goes unsaid: %+v", r)
	}
	a.Put(Reading{Name: "c", Value: Number(1)})
	if names, _ := next(); !cmp.Equal(names, []string{"c"}) {
		t.Errorf("told of %v", names)
	}
	if len(j) != 3 {
		t.Errorf("%d readings are recorded", len(j))
	}
}

// A refresh is marked and dated as what is put, and does not tell anybody that
// the clock is doubted.
func TestRefreshWithBadClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBadClock(years, 5*time.Minute), truth()
		defer b.watch(t)()
		refresh := func(x float64) Reading {
			b.agent.Refresh(Reading{Name: "a", Value: Number(x), Time: truth()})
			r, _ := b.agent.Board.Get("a")
			return r
		}
		b.put("a", begin)
		time.Sleep(10 * time.Second)
		if r := refresh(1); r.Value != Number(1) || r.Quality != Uncertain || r.Reason != ClockReason {
			t.Errorf("unknown: %+v", r)
		}
		time.Sleep(10 * time.Minute)
		if r := refresh(2); r.Value != Number(2) || r.Quality != Uncertain || r.Reason != ClockReason {
			t.Errorf("uncertain: %+v", r)
		}
		now := truth()
		b.set(0, true)
		time.Sleep(time.Minute)
		if r, _ := b.agent.Board.Get("a"); r.Quality != Good || r.Reason != "" || Stamp(r.Time) != Stamp(now) {
			t.Errorf("sane, by what it was dated: %+v, want %s", r, Stamp(now))
		}
		if r := refresh(3); r.Value != Number(3) || r.Quality != Good {
			t.Errorf("sane: %+v", r)
		}
		b.set(3*time.Hour, true)
		if r := refresh(3); Stamp(r.Time) != Stamp(truth().Add(3*time.Hour)) {
			t.Errorf("after the clock was moved: %s", Stamp(r.Time))
		}
		b.set(2*time.Hour, false)
		if r := refresh(4); r.Value != Number(3) || r.Quality != Good {
			t.Errorf("doubted: %+v", r)
		}
		if n := len(b.recorded()); n != 1 {
			t.Errorf("%d readings are recorded", n)
		}
	})
}
