package agent

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var sameValue = cmp.Comparer(func(a, b Value) bool { return a == b })

func TestBoard(t *testing.T) {
	var b Board
	if _, ok := b.Get("a"); ok || len(b.All()) != 0 {
		t.Error("the zero board is not empty")
	}
	b.Remove("a")
	b.Put(Reading{Name: "b", Value: Number(1)})
	b.Put(Reading{Name: "a", Value: Number(2)})
	b.Put(Reading{Name: "b", Value: Number(3)})
	if r, ok := b.Get("b"); !ok || r.Value != Number(3) {
		t.Errorf("b = %+v, %v", r, ok)
	}
	want := []Reading{{Name: "a", Value: Number(2)}, {Name: "b", Value: Number(3)}}
	if diff := cmp.Diff(want, b.All(), sameValue); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	b.Remove("a")
	if _, ok := b.Get("a"); ok {
		t.Error("a is still there")
	}
}

func TestBoardBound(t *testing.T) {
	var b Board
	for i := range MaxReadings {
		if !b.Put(Reading{Name: fmt.Sprint("n", i)}) {
			t.Fatalf("reading %d is refused", i)
		}
	}
	if b.Put(Reading{Name: "new"}) || len(b.All()) != MaxReadings {
		t.Error("a full board takes a new name")
	}
	if !b.Put(Reading{Name: "n7", Value: Number(7)}) {
		t.Error("a full board refuses an old name")
	}
	b.Remove("n7")
	if !b.Put(Reading{Name: "new"}) {
		t.Error("a removed name leaves no room")
	}
}

func TestBoardWatch(t *testing.T) {
	var b Board
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.Put(Reading{Name: "b"})
	b.Put(Reading{Name: "a"})
	next, stop := iter.Pull(b.Watch(ctx))
	defer stop()
	expect := func(want ...string) {
		t.Helper()
		got, ok := next()
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("ok %v (-want +got):\n%s", ok, diff)
		}
	}
	expect("a", "b")
	for i := range 100 {
		b.Put(Reading{Name: "b", Value: Number(float64(i))})
	}
	b.Put(Reading{Name: "c"})
	b.Remove("a")
	expect("a", "b", "c")
	b.Put(Reading{Name: "a"})
	expect("a")
	cancel()
	if got, ok := next(); ok {
		t.Errorf("after the end of ctx: %v", got)
	}
	if len(b.changed) != 0 {
		t.Error("the watcher is still known")
	}
}

func TestBoardWatchLeaves(t *testing.T) {
	var b Board
	b.Put(Reading{Name: "a"})
	for range b.Watch(t.Context()) {
		break
	}
	if len(b.changed) != 0 {
		t.Error("the watcher is still known")
	}
}

func TestBoardConcurrent(t *testing.T) {
	var b Board
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			name := fmt.Sprint("w", w)
			for i := range 500 {
				b.Put(Reading{Name: name, Value: Number(float64(i))})
				b.Put(Reading{Name: "gone"})
				b.Remove("gone")
				b.Get(name)
				b.All()
			}
			b.Put(Reading{Name: name, Value: Text("end")})
		})
	}
	for range 3 {
		writers.Go(func() {
			ended := map[string]bool{}
			for names := range b.Watch(t.Context()) {
				for _, n := range names {
					if r, _ := b.Get(n); r.Value == Text("end") {
						ended[n] = true
					}
				}
				if len(ended) == 4 {
					return
				}
			}
		})
	}
	writers.Wait()
	if n := len(b.All()); n != 4 {
		t.Errorf("%d names at the end", n)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"outside.temperature", "outside.temperature", true},
		{"outside", "outside.temperature", true},
		{"outside", "outside2.temperature", false},
		{"temperature", "outside.temperature", false},
		{"out", "outside", false},
		{"out*", "outside.temperature", true},
		{"*.temperature", "outside.temperature", true},
		{"*temp*", "outside.temperature", true},
		{"o*e.t*e", "outside.temperature", true},
		{"o*x*e", "outside.temperature", false},
		{"*x", "outside.temperature", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*ab*b", "aabb", true},
		{"a*ab*b", "aab", false},
		{"**", "a.b", true},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"?", "a", false},
		{"Boiler", "boiler", false},
	} {
		if got := Match(c.glob, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.glob, c.name, got)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("out*", "outside.temperature")
	f.Add("a**b*", "ab")
	f.Add("", "")
	f.Add("[", "a.b")
	f.Fuzz(func(t *testing.T, glob, name string) {
		got := Match(glob, name)
		if !Match("*", name) || !Match("*"+name, name) || !Match(name+"*", name) {
			t.Errorf("%q is not matched by a glob made of it", name)
		}
		if got && !Match("*"+glob+"*", name) {
			t.Errorf("%q matches %q, but not with a * at both ends", glob, name)
		}
		if !strings.ContainsAny(glob, "*") && got && glob != name && !strings.HasPrefix(name, glob+".") {
			t.Errorf("%q matches %q", glob, name)
		}
	})
}
