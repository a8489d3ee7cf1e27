package agent

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A probe notes when it is read and closed.
type probe struct {
	start  time.Time
	reads  []time.Duration
	closed bool
}

func (p *probe) Read(context.Context) ([]Reading, error) {
	p.reads = append(p.reads, time.Since(p.start))
	return []Reading{{Name: "", Value: Number(1)}}, nil
}

func (p *probe) Close() error { p.closed = true; return nil }

func TestPollerNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays, goes, comes := &probe{start: time.Now()}, &probe{start: time.Now()}, &probe{start: time.Now()}
		task := func(name string, p *probe) Task {
			return Task{Name: name, Every: 10 * time.Second, Bus: "x", Sensor: p}
		}
		run := func(p *Poller, d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := p.Run(ctx); err != nil {
				t.Error(err)
			}
		}
		puts := 0
		first := &Poller{Tasks: []Task{task("stays", stays), task("goes", goes)}, Put: func(Reading) { puts++ }}
		next := first.Next([]Task{task("stays", stays), task("comes", comes)}, func(name string) bool { return name != "goes" })
		run(first, 25*time.Second)
		if stays.closed || !goes.closed {
			t.Errorf("closed: the one that stays %t, the one that goes %t", stays.closed, goes.closed)
		}
		run(next, 25*time.Second)
		if !stays.closed || !comes.closed {
			t.Error("a sensor is not closed at the end")
		}
		if len(comes.reads) != 3 || comes.reads[0] != 25*time.Second {
			t.Errorf("the new one is read at %v", comes.reads)
		}
		phase := stays.reads[1]
		want := []time.Duration{0, phase, phase + 10*time.Second, phase + 20*time.Second, phase + 30*time.Second}
		if phase < 10*time.Second || phase > 11*time.Second {
			t.Fatalf("read at %v", stays.reads)
		}
		if !slices.Equal(stays.reads[:5], want) {
			t.Errorf("the schedule is %v, want %v", stays.reads, want)
		}
	})
}

func TestFieldsSetRules(t *testing.T) {
	band := func(glob string, by float64) FieldRule {
		return FieldRule{Glob: glob, Field: Field{Change: &Change{By: by}}}
	}
	var put []string
	f := &Fields{Rules: []FieldRule{band("a", 10), band("b", 10), band("c", 10)}, Next: func(r Reading) { put = append(put, r.Name) }}
	all := func(v float64) []string {
		put = nil
		for _, name := range []string{"a", "b", "c", "d"} {
			f.Put(Reading{Name: name, Value: Number(v), Time: time.Now()})
		}
		return put
	}
	for _, step := range []struct {
		rules []FieldRule
		value float64
		want  []string
	}{
		{nil, 1, []string{"a", "b", "c", "d"}},
		{nil, 2, []string{"d"}},
		{[]FieldRule{band("a", 10), band("b", 0.5), band("d", 10)}, 3, []string{"b", "c", "d"}}, // a keeps what it published
		{nil, 4, []string{"b", "c"}},
		{[]FieldRule{}, 5, []string{"a", "b", "c", "d"}},
	} {
		if step.rules != nil {
			f.SetRules(step.rules)
		}
		if got := all(step.value); !slices.Equal(got, step.want) {
			t.Errorf("with %v: published %v, want %v", step.value, got, step.want)
		}
	}
}
