package watch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

const anna, ben = "anna@example.org", "ben@example.org"

func TestMain(m *testing.M) {
	time.Local = time.UTC
	m.Run()
}

// kept is a state in memory that fails when it is told to.
type kept struct {
	sync.Mutex
	values map[string][]byte
	writes int
	err    error
}

func newKept() *kept { return &kept{values: make(map[string][]byte)} }

func (k *kept) Set(space, key string, value []byte) error {
	k.Lock()
	defer k.Unlock()
	if k.err == nil {
		k.values[space+" "+key] = value
		k.writes++
	}
	return k.err
}

func (k *kept) Get(space, key string) ([]byte, bool) {
	v, ok := k.values[space+" "+key]
	return v, ok
}

func (k *kept) Delete(space, key string) error {
	if k.err == nil {
		delete(k.values, space+" "+key)
	}
	return k.err
}

func (k *kept) List(space string) (keys []string) {
	for name := range k.values {
		if key, ok := strings.CutPrefix(name, space+" "); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// A bench is a device with one person who watches, inside a bubble of synctest.
type bench struct {
	*Watcher
	t     *testing.T
	a     *agent.Agent
	state *kept
	began time.Time
	away  time.Time

	mu    sync.Mutex
	heard []string
	stop  func()
}

func newBench(t *testing.T, state *kept) *bench {
	b := &bench{t: t, state: state, began: time.Now()}
	b.start(&agent.Agent{People: map[string]agent.Role{anna: agent.Viewer, ben: agent.Owner}})
	return b
}

// start runs a device with the state that is there.
func (b *bench) start(a *agent.Agent) {
	b.t.Helper()
	w, err := New(a, b.state, func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.away
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Watcher, b.a = w, a
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })
	wg.Go(func() {
		for {
			m, err := a.Messages.Next(ctx)
			if err != nil {
				return
			}
			b.mu.Lock()
			b.heard = append(b.heard, fmt.Sprintf("%s %s: %s", time.Since(b.began), strings.TrimSuffix(m.To, "@example.org"), m.Text))
			b.mu.Unlock()
			a.Messages.Sent(m.ID)
		}
	})
	b.stop = func() {
		synctest.Wait()
		cancel()
		wg.Wait()
	}
}

func (b *bench) restart() {
	b.stop()
	b.start(&agent.Agent{People: b.a.People})
}

// put lets the device have a reading, as Agent.Put does.
func (b *bench) put(r agent.Reading) {
	r.Time = time.Now()
	b.a.Put(r)
	b.See(r)
}

func celsius(name string, v float64) agent.Reading {
	return agent.Reading{Name: name, Value: agent.Number(v), Unit: "°C"}
}

func (b *bench) add(jid string, w Watch) {
	b.t.Helper()
	if err := b.Add(jid, w); err != nil {
		b.t.Fatal(err)
	}
}

// play does the words of a script: a time passes, a value of "out.t" comes
// ("12.5"), what it is ("fault", "missing", "stale", "unsure:12.5",
// "kelvin:285.6", "text:x", "on"), or something happens.
func (b *bench) play(script string) {
	b.t.Helper()
	const name = "out.t"
	for _, word := range strings.Fields(script) {
		kind, rest, _ := strings.Cut(word, ":")
		if d, err := time.ParseDuration(word); err == nil && word != "0" {
			time.Sleep(d)
			continue
		}
		if f, err := strconv.ParseFloat(word, 64); err == nil {
			b.put(celsius(name, f))
			continue
		}
		switch kind {
		case "fault":
			b.put(agent.Reading{Name: name, Quality: agent.Fault, Reason: "no answer " + rest})
		case "missing":
			b.put(agent.Reading{Name: name, Quality: agent.Missing})
		case "stale":
			r, _ := b.a.Board.Get(name)
			r.Quality = agent.Stale
			b.put(r)
		case "unsure":
			f, _ := strconv.ParseFloat(rest, 64)
			r := celsius(name, f)
			r.Quality = agent.Uncertain
			b.put(r)
		case "kelvin":
			f, _ := strconv.ParseFloat(rest, 64)
			b.put(agent.Reading{Name: name, Value: agent.Number(f), Unit: "K"})
		case "text":
			b.put(agent.Reading{Name: name, Value: agent.Text(rest)})
		case "on", "off":
			b.put(agent.Reading{Name: name, Value: agent.Bool(word == "on")})
		case "offline", "online":
			b.mu.Lock()
			if b.away = (time.Time{}); word == "offline" {
				b.away = time.Now()
			}
			b.mu.Unlock()
		case "restart":
			b.restart()
		default:
			b.t.Fatalf("script: %q", word)
		}
	}
	synctest.Wait()
}

func (b *bench) want(lines ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(lines, b.heard); diff != "" {
		b.t.Errorf("heard (-want +got):\n%s", diff)
	}
}

func TestTelling(t *testing.T) {
	tests := []struct {
		name   string
		watch  Watch
		script string // 12.0 is there before
		want   []string
	}{
		{"any change", Watch{}, "12.1 10s", []string{"1s anna: out.t is 12.1 °C (was 12.0 °C) at 00:00"}},
		{"no change of what is shown", Watch{}, "12.01 10s 12 10s", nil},
		{"less than by", Watch{By: 0.5}, "12.4 2m 12.1 2m 11.6 2m", nil},
		{"as much as by, up and down", Watch{By: 0.5}, "12.5 3m 12.1 3m 12 3m",
			[]string{"1s anna: out.t is 12.5 °C (was 12.0 °C) at 00:00", "6m1s anna: out.t is 12.0 °C (was 12.5 °C) at 00:06"}},
		{"it adds up to by", Watch{By: 0.5}, "12.2 2m 12.4 2m 12.6 2m", []string{"4m1s anna: out.t is 12.6 °C (was 12.0 °C) at 00:04"}},
		{"binary fractions", Watch{By: 0.1, Every: MinEvery}, "12.2 1m 12.1 1m", []string{
			"1s anna: out.t is 12.2 °C (was 12.0 °C) at 00:00", "1m1s anna: out.t is 12.1 °C (was 12.2 °C) at 00:01"}},
		{"another unit", Watch{By: 5}, "kelvin:12 2m", []string{"1s anna: out.t is 12.00 K (was 12.0 °C) at 00:00"}},
		{"at most every, then the newest", Watch{Every: 10 * time.Minute}, "13 1m 14 1m 15 1m 16 20m", []string{
			"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00", "10m1s anna: out.t is 16.0 °C (was 13.0 °C) at 00:03"}},
		{"there and back is nothing", Watch{Every: 10 * time.Minute}, "13 1m 14 1m 13 20m", []string{
			"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00"}},
		{"a minute by itself", Watch{}, "13 10s 14 2m", []string{
			"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00", "1m1s anna: out.t is 14.0 °C (was 13.0 °C) at 00:00"}},
		{"fault, once, and the return", Watch{By: 5, Every: MinEvery}, "fault:1 20s fault:2 20s 12.1 20s", []string{
			"1s anna: out.t has a fault: no answer 1 (was 12.0 °C) at 00:00", "41s anna: out.t is 12.1 °C (had a fault) at 00:00"}},
		{"missing", Watch{Every: MinEvery}, "missing 20s missing 20s 12 20s", []string{
			"1s anna: out.t is missing (was 12.0 °C) at 00:00", "41s anna: out.t is 12.0 °C (was missing) at 00:00"}},
		{"stale", Watch{Every: MinEvery}, "stale 20s stale 20s 12 20s", []string{
			"1s anna: out.t is stale, it was 12.0 °C at 00:00", "41s anna: out.t is 12.0 °C (was stale) at 00:00"}},
		{"a short fault between two messages", Watch{By: 0.5, Every: 10 * time.Minute}, "13 1m fault:1 1m 13.2 20m", []string{
			"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00"}},
		{"uncertain is no change", Watch{}, "unsure:12 2m 12 2m", nil},
		{"a text", Watch{By: 3}, "text:open 2m text:shut 2m text:shut 2m", []string{
			"1s anna: out.t is open (was 12.0 °C) at 00:00", "2m1s anna: out.t is shut (was open) at 00:02"}},
		{"a long text changes at its end", Watch{}, "text:" + strings.Repeat("x", 99) + "1 2m text:" + strings.Repeat("x", 99) + "2 2m", []string{
			"1s anna: out.t is " + strings.Repeat("x", 77) + "… (was 12.0 °C) at 00:00",
			"2m1s anna: out.t is " + strings.Repeat("x", 77) + "… (was " + strings.Repeat("x", 77) + "…) at 00:02"}},
		{"a truth", Watch{By: 3}, "on 2m off 2m", []string{
			"1s anna: out.t is true (was 12.0 °C) at 00:00", "2m1s anna: out.t is false (was true) at 00:02"}},
		{"by a glob", Watch{Name: "*.t"}, "13 2m", []string{"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00"}},
		{"by the sensor", Watch{Name: "out"}, "13 2m", []string{"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00"}},
		{"not this one", Watch{Name: "out.h"}, "13 2m", nil},
		{"offline, then the newest", Watch{}, "offline 13 10m 14 10m 15 10m online 10s", []string{
			"30m1s anna: out.t is 15.0 °C (was 12.0 °C) at 00:20"}},
		{"offline, there and back", Watch{}, "offline 13 10m 12 10m online 10m", nil},
		{"a restart repeats nothing", Watch{By: 0.5}, "13 2m restart 13.2 2m 13.4 2m 13.5 2m", []string{
			"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00", "6m1s anna: out.t is 13.5 °C (was 13.0 °C) at 00:06"}},
		{"a restart waits as long", Watch{Every: time.Hour}, "13 2m restart 14 2m 15 1h", []string{
			"1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00", "1h0m1s anna: out.t is 15.0 °C (was 13.0 °C) at 00:04"}},
		{"a restart in a fault", Watch{}, "fault:1 2m restart fault:2 2m 12 2m", []string{
			"1s anna: out.t has a fault: no answer 1 (was 12.0 °C) at 00:00", "4m1s anna: out.t is 12.0 °C (had a fault) at 00:04"}},
		{"another day", Watch{Every: 12 * time.Hour}, "24h 13 2m", []string{
			"24h0m1s anna: out.t is 13.0 °C (was 12.0 °C) at 00:00"}},
		{"yesterday's value", Watch{}, "offline 13 24h online 10s", []string{
			"24h0m1s anna: out.t is 13.0 °C (was 12.0 °C) at 2000-01-01 00:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, newKept())
				b.put(celsius("out.t", 12))
				if tt.watch.Name == "" {
					tt.watch.Name = "out.t"
				}
				b.add(anna, tt.watch)
				b.play(tt.script)
				b.stop()
				b.want(tt.want...)
			})
		})
	}
}

// Readings of one moment, and the watches of one person, make one message.
func TestOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.add(anna, Watch{Name: "out.*"})
		b.add(anna, Watch{Name: "*.t"})
		b.add(ben, Watch{Name: "in.t", Every: time.Hour})
		b.put(celsius("out.t", 1))
		b.put(agent.Reading{Name: "out.h", Value: agent.Number(40), Unit: "%"})
		b.put(celsius("in.t", 20))
		b.play("2m")
		b.stop()
		ben := slicesWith(b.heard, "ben")
		anna := slicesWith(b.heard, "anna")
		want := [][]string{
			{"1s anna: out.h is 40.0 % at 00:00\nout.t is 1.0 °C at 00:00\nin.t is 20.0 °C at 00:00"},
			{"1s ben: in.t is 20.0 °C at 00:00"},
		}
		if diff := cmp.Diff(want, [][]string{anna, ben}); diff != "" {
			t.Error(diff)
		}
	})
}

// One who waits long does not keep another waiting.
func TestEachWaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.put(celsius("out.t", 12))
		for i := range 9 {
			jid := strconv.Itoa(i)
			b.a.People[jid] = agent.Viewer
			b.add(jid, Watch{Name: "out.t", Every: time.Hour})
		}
		b.add(ben, Watch{Name: "out.t", Every: time.Minute})
		b.play("13 5s 14 10m")
		b.stop()
		want := []string{"1s ben: out.t is 13.0 °C (was 12.0 °C) at 00:00", "1m1s ben: out.t is 14.0 °C (was 13.0 °C) at 00:00"}
		if diff := cmp.Diff(want, slicesWith(b.heard, "ben")); diff != "" {
			t.Error(diff)
		}
	})
}

func slicesWith(all []string, part string) (some []string) {
	for _, s := range all {
		if strings.Contains(s, part) {
			some = append(some, s)
		}
	}
	return some
}

// A person gets at most 12 messages within an hour, and is told so.
func TestAtMostTwelveAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.put(celsius("out.t", 0))
		b.add(anna, Watch{Name: "out.t", Every: MinEvery})
		var times []time.Time
		n := 0
		for i := range 6 * 60 * 4 { // four hours, a change every 10 s
			if i == 100 {
				b.restart() // the bound outlives it
			}
			b.put(celsius("out.t", float64(i+1)))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			for ; n < len(b.heard); n++ {
				times = append(times, time.Now())
			}
		}
		for i := range times {
			if i >= MaxHour && times[i].Sub(times[i-MaxHour]) < time.Hour {
				t.Errorf("message %d comes %s after the 12th before it", i, times[i].Sub(times[i-MaxHour]))
			}
		}
		if len(times) < 4*MaxHour/2 || len(times) > 4*MaxHour+MaxHour {
			t.Errorf("%d messages in four hours", len(times))
		}
		last := b.heard[MaxHour-1]
		if !strings.Contains(last, "\nThat was message 12 within an hour: I say no more until 01:00, then the newest values.") {
			t.Errorf("the last one: %q", last)
		}
		if _, silent := b.List(anna); silent.IsZero() {
			t.Error("List does not tell the silence")
		}
		if next := b.heard[MaxHour]; !strings.HasPrefix(next, "1h0m") || strings.Contains(next, "no more") {
			t.Errorf("after the silence: %q", next)
		}
		b.stop()
	})
}

func TestManyLinesFitIntoOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.add(anna, Watch{Name: "*"})
		for i := range MaxReadings + 5 {
			b.put(agent.Reading{Name: fmt.Sprintf("%s.%02d", strings.Repeat("x", 40), i), Value: agent.Text(strings.Repeat("<", 500))})
		}
		b.play("1m")
		b.stop()
		if len(b.heard) != 1 || len(b.heard[0]) > agent.MaxMessage || !strings.Contains(b.heard[0], " more have changed: ask with read") {
			t.Errorf("%d messages, %q", len(b.heard), b.heard)
		}
		if n := b.people[anna].readings(); n != MaxReadings {
			t.Errorf("knows %d readings", n)
		}
	})
}

func TestWhoLosesTheRoleWatchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.put(celsius("out.t", 12))
		b.add(anna, Watch{Name: "out.t"})
		b.add(ben, Watch{Name: "out.t"})
		b.stop()
		delete(b.a.People, anna)
		b.restart()
		b.put(celsius("out.t", 13))
		b.play("2m")
		b.stop()
		b.want("1s ben: out.t is 13.0 °C (was 12.0 °C) at 00:00")
		if list, _ := b.List(anna); list != nil || len(b.state.values) != 1 {
			t.Errorf("still there: %v, %d kept", list, len(b.state.values))
		}
	})
}

func TestBounds(t *testing.T) {
	people := map[string]agent.Role{}
	for i := range MaxAll/MaxWatches + 1 {
		people[strconv.Itoa(i)] = agent.Viewer
	}
	a := &agent.Agent{People: people}
	for i := range MaxReadings + 1 {
		a.Put(celsius(fmt.Sprintf("many.%d", i), 1))
	}
	for i := range MaxReadings - 5 {
		a.Put(celsius(fmt.Sprintf("few.%d", i), 1))
	}
	a.Put(celsius("one", 1))
	w, err := New(a, newKept(), nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(jid string, watch Watch, part string) {
		t.Helper()
		before, _ := w.List(jid)
		if err := w.Add(jid, watch); err == nil || errors.Is(err, ErrNotKept) || !strings.Contains(err.Error(), part) {
			t.Errorf("%v: got %v, want %q", watch, err, part)
		}
		if after, _ := w.List(jid); len(after) != len(before) {
			t.Errorf("%v: refused and there", watch)
		}
	}
	refused("0", Watch{Name: "A"}, "no name")
	refused("0", Watch{Name: strings.Repeat("x", 65)}, "no name")
	refused("0", Watch{Name: "one", By: -1}, "less than 0")
	refused("0", Watch{Name: "one", Every: 9 * time.Second}, "too often")
	refused("0", Watch{Name: "one", Every: MaxEvery + 1}, "at least once")
	refused("0", Watch{Name: "many"}, "33 readings")
	if n := w.watches.Load(); n != 0 {
		t.Errorf("%d watches after none", n)
	}
	for _, by := range []float64{1, 2} {
		if err := w.Add("0", Watch{Name: "few", By: by}); err != nil {
			t.Errorf("by %v: %v", by, err)
		}
	}
	refused("0", Watch{Name: "few.*"}, "27 readings, and you watch 27 others")
	if gone, err := w.Remove("0", everything); len(gone) != 1 || err != nil {
		t.Errorf("remove: %v, %v", gone, err)
	}
	for i := range MaxAll {
		if err := w.Add(strconv.Itoa(i/MaxWatches), Watch{Name: fmt.Sprintf("x%d", i%MaxWatches)}); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := w.Add("0", Watch{Name: "x0", By: 2}); err != nil {
		t.Errorf("a watch that takes the place of another: %v", err)
	}
	refused("0", Watch{Name: "one"}, "you have 16")
	refused("16", Watch{Name: "one"}, "all people together")
	if list, _ := w.List("0"); len(list) != MaxWatches || list[0] != (Watch{Name: "x0", By: 2, Every: DefaultEvery}) {
		t.Errorf("%v", list)
	}
	delete(people, "3")
	if err := w.Add("16", Watch{Name: "one"}); err != nil {
		t.Errorf("who has no role any more takes the room: %v", err)
	}
	if n := w.watches.Load(); n != MaxAll-MaxWatches+1 {
		t.Errorf("%d watches are counted", n)
	}
}

// What nobody watches costs nothing, and a flood of names cannot grow memory.
func TestSeeIsBounded(t *testing.T) {
	a := &agent.Agent{People: map[string]agent.Role{anna: agent.Viewer}}
	w, _ := New(a, nil, nil)
	w.See(celsius("out.t", 1))
	if len(w.seen) != 0 {
		t.Error("seen without a watch")
	}
	if err := w.Add(anna, Watch{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	for i := range agent.MaxReadings + 10 {
		w.See(celsius("x"+strconv.Itoa(i), 1))
	}
	if len(w.seen) != agent.MaxReadings {
		t.Errorf("%d names wait", len(w.seen))
	}
}

// Sensors that come and go do not use up what a person may watch.
func TestForgetsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newKept())
		b.add(anna, Watch{Name: "w1.*", Every: MinEvery})
		for i := range MaxReadings {
			b.put(celsius(fmt.Sprintf("w1.%d", i), 1))
		}
		b.play("5s")
		for i := range MaxReadings {
			b.a.Board.Remove(fmt.Sprintf("w1.%d", i))
		}
		b.put(celsius("w1.new", 2))
		b.play("2m")
		b.stop()
		if len(b.heard) != 2 || !strings.HasSuffix(b.heard[1], "w1.new is 2.0 °C at 00:00") {
			t.Errorf("%q", b.heard)
		}
	})
}
