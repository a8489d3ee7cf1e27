package watch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func everything(_ Watch) bool { return true }

// When the disk fails people hear of it, and are told what they watch.
func TestDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.put(celsius("out.t", 12))
		b.state.err = errors.New("read-only file system")
		err := b.Add(anna, Watch{Name: "out.t"})
		if !errors.Is(err, ErrNotKept) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "out.t") {
			t.Errorf("add: %v", err)
		}
		b.play("13 2m")
		b.want("1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00")

		b.state.err = nil
		b.play("14 2m") // kept with this one
		b.state.err = errors.New("read-only file system")
		gone, err := b.Remove(anna, everything)
		if len(gone) != 1 || !errors.Is(err, ErrNotKept) {
			t.Errorf("remove: %v, %v", gone, err)
		}
		b.play("15 2m")
		if len(b.heard) != 2 {
			t.Errorf("removed, and tells: %q", b.heard)
		}
		b.state.err = nil
		if gone, err := b.Remove(anna, everything); gone != nil || err != nil || len(b.state.values) != 0 {
			t.Errorf("removed again: %v, %v, %d kept", gone, err, len(b.state.values))
		}
		b.stop()
	})
}

func TestRemove(t *testing.T) {
	state := newKept()
	a := &agent.Agent{People: map[string]agent.Role{anna: agent.Viewer}}
	w, _ := New(a, state, nil)
	for _, name := range []string{"a", "b", "c"} {
		if err := w.Add(anna, Watch{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	one := func(x Watch) bool { return x.Name == "b" }
	for i, want := range []int{1, 0} {
		if gone, err := w.Remove(anna, one); len(gone) != want || err != nil {
			t.Errorf("round %d: %v, %v", i, gone, err)
		}
	}
	if gone, err := w.Remove(ben, everything); gone != nil || err != nil {
		t.Errorf("somebody who watches nothing: %v, %v", gone, err)
	}
	again, err := New(a, state, nil)
	if list, _ := again.List(anna); err != nil || len(list) != 2 || list[1].Name != "c" {
		t.Errorf("after a restart: %v, %v", list, err)
	}
	if gone, err := again.Remove(anna, everything); len(gone) != 2 || err != nil || len(state.values) != 0 || again.watches.Load() != 0 || len(again.people) != 0 {
		t.Errorf("all: %v, %v, %d kept", gone, err, len(state.values))
	}
}

func TestLoad(t *testing.T) {
	a := &agent.Agent{}
	state := newKept()
	state.values = map[string][]byte{
		"watch good@x":  []byte(`{"version":7,"new":1,"watches":[{"name":"a","every":"10s","new":{},"told":[{"name":"a","state":"uncertain"},{"name":"b","state":"good"}]},{"name":"A","every":"10s"},{"name":"b","every":"1s"},{"name":"c","every":"x"},{"name":"a","every":"1m"},{"name":"d.*","by":0.5,"every":"1h","told":[{"name":"d.1","state":"stale"},{"name":"d.1.2","state":"good"},{"name":"d.2","state":"odd"}]}]}`),
		"watch torn@x":  []byte(`{"version":1,"watches":[{"na`),
		"watch empty@x": nil,
		"watch none@x":  []byte(`{}`),
		"watch big@x":   bytes.Repeat([]byte(" "), maxState+1),
		"people anna@x": []byte(`{}`),
	}
	w, err := New(a, state, nil)
	for _, who := range []string{"torn@x", "empty@x", "big@x"} {
		if err == nil || !strings.Contains(err.Error(), "watches of "+who+" left out") {
			t.Errorf("no word of %s in %v", who, err)
		}
	}
	list, _ := w.List("good@x")
	want := []Watch{{Name: "a", Every: MinEvery}, {Name: "d.*", By: 0.5, Every: time.Hour}}
	if diff := cmp.Diff(want, list); diff != "" || w.watches.Load() != 2 || len(w.people) != 1 {
		t.Errorf("%d watches of %d people\n%s", w.watches.Load(), len(w.people), diff)
	}
	if n := w.people["good@x"].readings(); n != 1 {
		t.Errorf("%d readings", n)
	}
	for i := range 2 * MaxAll / MaxWatches {
		var many []string
		for j := range 2 * MaxWatches {
			many = append(many, fmt.Sprintf(`{"name":"x%d","every":"1m"}`, j))
		}
		state.values[fmt.Sprintf("watch %d@x", i)] = []byte(`{"watches":[` + strings.Join(many, ",") + `]}`)
	}
	if w, err = New(a, state, nil); err == nil || w.watches.Load() != MaxAll {
		t.Errorf("%d watches, %v", w.watches.Load(), err)
	}
}

// The longest that a person can have fits into the state.
func TestStateFits(t *testing.T) {
	for _, char := range []string{`"`, "<", "\u2028", "°", "x", "\x00"} {
		stateFits(t, char)
	}
}

func stateFits(t *testing.T, char string) {
	p := &person{jid: anna, silent: time.Now()}
	long := func(i int) string { return fmt.Sprintf("%s.%02d", strings.Repeat("x", agent.MaxName-3), i) }
	for i := range MaxWatches {
		p.entries = append(p.entries, newEntry(Watch{Name: long(i), By: -math.MaxFloat64, Every: MaxEvery - 1, Told: time.Now()}))
	}
	for i := range MaxReadings {
		r := agent.Reading{Value: agent.Text(strings.Repeat(char, agent.MaxText/len(char))), Unit: strings.Repeat(char, agent.MaxText), Quality: agent.Stale}
		known := tell(r)
		f := -math.MaxFloat64
		known.Number, known.Sum = &f, math.MaxUint32
		p.entries[i%MaxWatches].told[long(i)] = known
	}
	for range MaxHour {
		p.sent = append(p.sent, time.Now())
	}
	value, err := encode(p)
	if err != nil || len(value) > maxState {
		t.Errorf("%q: %d bytes, %v", char, len(value), err)
	}
}

// A clock that was wrong when something was told does not keep people waiting.
func TestFalseTimes(t *testing.T) {
	now := time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC)
	later := now.AddDate(56, 0, 0)
	p := &person{silent: later, sent: []time.Time{later, later}}
	e := newEntry(Watch{Name: "a", Every: time.Hour, Told: later})
	e.pending["a"] = struct{}{}
	p.entries = []*entry{e}
	if rest, some := p.rest(now); rest != 0 || !some {
		t.Errorf("waits %s", rest)
	}
	if p.message([]string{"x"}, now); len(p.sent) != 1 {
		t.Errorf("%d messages counted", len(p.sent))
	}
}

func FuzzDecode(f *testing.F) {
	p := &person{jid: anna, silent: time.Unix(1e9, 0), sent: []time.Time{time.Unix(1e9, 0)}}
	e := newEntry(Watch{Name: "out.*", By: 0.5, Every: time.Minute, Told: time.Unix(1e9, 0)})
	e.told["out.t"] = tell(celsius("out.t", 12))
	e.told["out.h"] = told{State: agent.Fault}
	p.entries = []*entry{e}
	value, err := encode(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"watches":[{"name":"a","every":"10s","told":[{"name":"b","state":"good"},{"name":"a","state":"odd"}]}]}`))
	f.Add([]byte(`{"sent":["0001-01-01T00:00:00Z"],"watches":null}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := decode(anna, value)
		if err != nil {
			return
		}
		if len(p.entries) > MaxWatches || len(p.sent) > MaxHour || p.readings() > MaxReadings {
			t.Fatalf("%d watches, %d messages, %d readings", len(p.entries), len(p.sent), p.readings())
		}
		names := map[string]bool{}
		for _, e := range p.entries {
			if _, err := e.check(); err != nil || names[e.Name] {
				t.Fatalf("%v: %v", e.Watch, err)
			}
			names[e.Name] = true
		}
		again, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(anna, again)
		if err != nil && len(again) <= maxState {
			t.Fatal(err)
		}
		if err == nil && (len(back.entries) != len(p.entries) || back.readings() != p.readings() || !slices.EqualFunc(back.sent, p.sent, time.Time.Equal)) {
			t.Fatalf("it changed:\n%s\n%s", value, again)
		}
	})
}
