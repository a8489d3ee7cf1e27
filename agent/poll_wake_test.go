package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A bell is a sensor that says when there is something new.
type bell struct {
	wake   chan struct{}
	start  time.Time
	reads  []time.Duration // since start
	long   time.Duration   // that a read takes
	closed bool
}

func newBell() *bell { return &bell{wake: make(chan struct{}, 1), start: time.Now()} }

func (b *bell) Wake() <-chan struct{} { return b.wake }

func (b *bell) Read(context.Context) ([]Reading, error) {
	b.reads = append(b.reads, time.Since(b.start))
	time.Sleep(b.long)
	return []Reading{{Value: Bool(true)}}, nil
}

func (b *bell) Close() error {
	b.closed = true
	return nil
}

func (b *bell) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// ringing polls a bell every 10 s without a phase and rings it at these times.
func ringing(t *testing.T, long time.Duration, at ...time.Duration) (reads []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		b := newBell()
		b.long = long
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		p := Poller{Tasks: []Task{{Name: "door", Every: 10 * time.Second, Sensor: b}}, Put: func(Reading) {}}
		grid := phase("", "door", 10*time.Second)
		go func() {
			for _, d := range at {
				time.Sleep(time.Until(b.start.Add(d)))
				b.ring()
			}
		}()
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		if !b.closed {
			t.Error("the sensor is not closed")
		}
		for _, d := range b.reads {
			if d == 10*time.Second+grid {
				d = 10 * time.Second
			}
			reads = append(reads, d)
		}
	})
	return reads
}

func TestPollWakesASensor(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, tt := range []struct {
		name  string
		long  time.Duration
		rings []time.Duration
		want  []time.Duration
	}{
		{"never", 0, nil, []time.Duration{0, 10 * s}},
		{"at once, and the grid goes on", 0, []time.Duration{3 * s}, []time.Duration{0, 3 * s, 10 * s}},
		{"at most every 100 ms, the last one too", 0, []time.Duration{3 * s, 3*s + 10*ms, 3*s + 20*ms}, []time.Duration{0, 3 * s, 3*s + 100*ms, 10 * s}},
		{"during a read", 500 * ms, []time.Duration{3 * s, 3*s + 200*ms}, []time.Duration{0, 3 * s, 3*s + 500*ms, 10 * s}},
	} {
		if diff := cmp.Diff(tt.want, ringing(t, tt.long, tt.rings...)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestPollHeedsAChatteringSensorWithin100ms(t *testing.T) {
	var rings []time.Duration
	for d := time.Second; d < 3*time.Second; d += time.Millisecond {
		rings = append(rings, d)
	}
	if n := len(ringing(t, 0, rings...)); n < 20 || n > 24 {
		t.Errorf("%d reads in 2 s of chatter", n)
	}
}

// A sensor that has something new all the time is listened to every 100 ms.
func TestPollRestsFromAChatteringSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBell()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		rings, quiet := 0, make(chan struct{})
		go func() {
			defer close(quiet)
			for rings < 1000 && ctx.Err() == nil {
				select {
				case b.wake <- struct{}{}:
					rings++
				case <-ctx.Done():
				}
			}
		}()
		p := Poller{Tasks: []Task{{Name: "door", Every: time.Hour, Sensor: b}}, Put: func(Reading) {}}
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		if <-quiet; rings < 15 || rings > 25 || len(b.reads) < 15 {
			t.Errorf("%d rings were heard and %d reads came of them in 2 s", rings, len(b.reads))
		}
	})
}
