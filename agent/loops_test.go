package agent

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Loops
		want := func(names ...string) {
			t.Helper()
			if diff := cmp.Diff(names, l.Stuck()); diff != "" {
				t.Errorf("stuck (-want +got):\n%s", diff)
			}
		}
		want()
		l.Moved("b", time.Second)
		l.Moved("a", time.Second)
		time.Sleep(time.Second)
		want()
		time.Sleep(time.Nanosecond)
		want("a", "b")
		l.Moved("b", time.Minute)
		want("a")
		l.Ended("a")
		want()
		var none *Loops
		none.Moved("a", 0)
		none.Ended("a")
		if none.Stuck() != nil {
			t.Error("nil knows something")
		}
	})
}

// A driver that hangs holds its bus, and its worker lives: it says so with
// faults. A worker that cannot put its readings is stuck.
func TestPollLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loops Loops
		driver, put := make(chan struct{}), make(chan struct{})
		var blocked atomic.Bool
		poller := &Poller{
			Tasks: []Task{
				{Name: "hung", Every: time.Minute, Bus: "i2c:1", Sensor: hangs(2, driver)},
				{Name: "rare", Every: 24 * time.Hour, Bus: "spi:0", Sensor: always(Reading{Value: Number(1)})},
				{Name: "fine", Every: time.Minute, Bus: "sysfs", Sensor: always(Reading{Value: Number(1)})},
			},
			Put: func(r Reading) {
				if r.Name == "fine" && blocked.Load() {
					<-put
				}
			},
			Loops: &loops,
		}
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- poller.Run(ctx) }()
		for range 60 {
			time.Sleep(10 * time.Minute)
			if stuck := loops.Stuck(); stuck != nil {
				t.Fatalf("stuck: %q", stuck)
			}
		}
		synctest.Wait()
		blocked.Store(true)
		time.Sleep(2*time.Minute + busGrace + defaultTimeout)
		if diff := cmp.Diff([]string{"bus sysfs"}, loops.Stuck()); diff != "" {
			t.Errorf("stuck (-want +got):\n%s", diff)
		}
		blocked.Store(false)
		close(put)
		time.Sleep(2 * time.Minute)
		if stuck := loops.Stuck(); stuck != nil {
			t.Errorf("it goes on, but is stuck: %q", stuck)
		}
		close(driver)
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if stuck := loops.Stuck(); stuck != nil {
			t.Errorf("after the end: %q", stuck)
		}
	})
}

// What a late end of a hung read says is bounded too.
func TestPollLoopsAfterHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loops Loops
		driver, put := make(chan struct{}), make(chan struct{})
		var blocked atomic.Bool
		poller := &Poller{
			Tasks: []Task{
				{Name: "hung", Every: time.Minute, Bus: "x", Sensor: hangs(1, driver)},
				{Name: "next", Every: time.Minute, Bus: "x", Sensor: always(Reading{Value: Number(1)})},
			},
			Put: func(Reading) {
				if blocked.Load() {
					<-put
				}
			},
			Loops: &loops,
		}
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- poller.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		blocked.Store(true)
		close(driver)
		time.Sleep(time.Minute)
		if stuck := loops.Stuck(); len(stuck) != 1 {
			t.Errorf("stuck: %q", stuck)
		}
		close(put)
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
}
