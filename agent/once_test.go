package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOnceReadsEachSensorOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		good := readFunc(func(context.Context) ([]Reading, error) {
			calls++
			time.Sleep(30 * time.Millisecond)
			return []Reading{{Value: Number(float64(calls))}}, nil
		})
		hung := readFunc(func(context.Context) ([]Reading, error) { <-release; return nil, nil })
		var board Board
		p := Poller{Put: func(r Reading) { board.Put(r) }, Tasks: []Task{
			{Name: "hung", Bus: "i2c:1", Timeout: time.Second, Sensor: hung},
			{Name: "behind", Bus: "i2c:1", Sensor: good},
			{Name: "gone", Bus: "sysfs", Sensor: readFunc(func(context.Context) ([]Reading, error) { return nil, &MissingError{"no chip"} })},
			{Name: "good", Bus: "sysfs", Sensor: good},
		}}
		took := p.Once(t.Context())
		close(release)
		wantTook := map[string]time.Duration{"hung": time.Second + readGrace, "gone": 0, "good": 30 * time.Millisecond}
		if d := cmp.Diff(wantTook, took); d != "" {
			t.Error(d)
		}
		got := map[string]string{}
		for _, r := range board.All() {
			got[r.Name] = r.Display()
		}
		want := map[string]string{
			"hung":   "fault: no answer within 1s",
			"behind": "fault: not read: bus i2c:1 is held by hung",
			"gone":   "missing: no chip",
			"good":   "1",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}
