package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPollOutcomes(t *testing.T) {
	type step struct {
		readings []Reading
		err      error
		want     []string // without the time
	}
	line := Reading{Name: "t", Value: Number(7), Time: time.Unix(1e9, 0)}
	temp, hum := Reading{Name: "t", Value: Number(1)}, Reading{Name: "h", Value: Number(2)}
	for name, c := range map[string]struct {
		fields []string
		steps  []step
	}{
		"stand-in": {nil, []step{
			{nil, errors.New("Bus error."), []string{"s fault: bus error"}},
			{nil, &MissingError{"no such chip"}, []string{"s missing: no such chip"}},
			{[]Reading{temp, hum}, nil, []string{"s removed", "s.t 1", "s.h 2"}},
			{nil, errors.New("crc"), []string{"s.t fault: crc", "s.h fault: crc"}},
			{[]Reading{temp, hum}, nil, []string{"s.t 1", "s.h 2"}},
		}},
		"own name": {nil, []step{
			{nil, errors.New("crc"), []string{"s fault: crc"}},
			{[]Reading{{Value: Number(5)}}, nil, []string{"s 5"}},
			{nil, fmt.Errorf("opening: %w", &MissingError{"no such chip"}), []string{"s missing: opening: no such chip"}},
			{[]Reading{{Value: Number(5)}}, nil, []string{"s 5"}},
		}},
		"fields known before": {[]string{"t", "H"}, []step{
			{nil, errors.New("crc"), []string{"s.t fault: crc", "s.h fault: crc"}},
			{[]Reading{temp}, nil, []string{"s.t 1", "s.h missing: no longer reported"}},
			{[]Reading{temp}, nil, []string{"s.t 1"}},
		}},
		"known before, never returned, never failed": {[]string{"t", "h"}, []step{
			{[]Reading{temp}, nil, []string{"s.t 1"}},
		}},
		"no longer reported": {nil, []step{
			{[]Reading{temp, hum}, nil, []string{"s.t 1", "s.h 2"}},
			{[]Reading{temp}, nil, []string{"s.t 1", "s.h missing: no longer reported"}},
			{[]Reading{temp}, nil, []string{"s.t 1"}},
			{nil, errors.New("crc"), []string{"s.t fault: crc"}},
			{[]Reading{hum, temp}, nil, []string{"s.h 2", "s.t 1"}},
			{nil, nil, []string{"s.t missing: no longer reported", "s.h missing: no longer reported"}},
			{nil, nil, nil},
			{nil, errors.New("crc"), []string{"s fault: crc"}},
			{[]Reading{hum}, nil, []string{"s removed", "s.h 2"}},
		}},
		"the same line of a device that talks by itself": {nil, []step{
			{[]Reading{line}, nil, []string{"s.t 7"}},
			{[]Reading{line}, nil, nil},
			{nil, errors.New("crc"), []string{"s.t fault: crc"}},
			{[]Reading{line}, nil, []string{"s.t 7"}},
			{nil, nil, []string{"s.t missing: no longer reported"}},
			{[]Reading{line}, nil, []string{"s.t 7"}},
		}},
		"nothing at all": {nil, []step{
			{nil, nil, []string{"s missing: nothing reported"}},
			{[]Reading{temp}, nil, []string{"s removed", "s.t 1"}},
		}},
		"a field's own fault": {nil, []step{
			{[]Reading{{Name: "t", Value: Number(1), Quality: Fault, Reason: strings.Repeat("x", 300)}}, nil, []string{"s.t fault: " + strings.Repeat("x", MaxReason)}},
		}},
		"readings beside an error do not count": {nil, []step{
			{[]Reading{temp}, errors.New("crc"), []string{"s fault: crc"}},
		}},
		"bad names": {nil, []step{
			{[]Reading{{Name: "CPU Temp", Value: Number(1)}, {Name: "a.b", Value: Number(2)}, {Name: "cpu_temp", Value: Number(3)}, {Name: strings.Repeat("y", 100), Value: Number(4)}}, nil,
				[]string{"s.cpu_temp 1", "s.a_b 2", "s." + strings.Repeat("y", 40) + " 4"}},
		}},
		"a long error": {nil, []step{
			{nil, errors.New(strings.Repeat("ab ", 200)), []string{"s fault: " + strings.TrimSpace(strings.Repeat("ab ", 67)[:MaxReason])}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var now step
				steps := len(c.steps)
				p, stop := poll(t, Task{Name: "s", Every: time.Minute, Fields: c.fields, Sensor: readFunc(func(context.Context) ([]Reading, error) {
					mu.Lock()
					defer mu.Unlock()
					now, c.steps = c.steps[0], c.steps[1:]
					return now.readings, now.err
				})})
				time.Sleep(10 * time.Second) // beyond the phase
				for i := range steps {
					synctest.Wait()
					got := p.take()
					for i := range got {
						_, got[i], _ = strings.Cut(got[i], " ")
					}
					mu.Lock()
					if diff := cmp.Diff(now.want, got); diff != "" {
						t.Errorf("step %d (-want +got):\n%s", i, diff)
					}
					mu.Unlock()
					if i < steps-1 {
						time.Sleep(time.Minute)
					}
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestPollTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		p, stop := poll(t, Task{Name: "s", Every: time.Minute, Sensor: readFunc(func(context.Context) ([]Reading, error) {
			time.Sleep(2 * time.Second)
			return []Reading{{Name: "own", Value: Number(1), Time: own}, {Name: "none", Value: Number(1)}}, nil
		})})
		defer stop()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		a, _ := p.get("s.own")
		b, _ := p.get("s.none")
		if !a.Time.Equal(own) || !b.Time.Equal(p.start.Add(2*time.Second)) {
			t.Errorf("own %v, none %v", a.Time, b.Time)
		}
	})
}

func TestPollPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		p, stop := poll(t,
			Task{Name: "s", Every: time.Minute, Bus: "x", Sensor: readFunc(func(context.Context) ([]Reading, error) {
				switch reads++; reads {
				case 1, 3:
					return nil, errors.New("crc")
				case 2, 4:
					panic("index out of range")
				}
				return []Reading{{Value: Number(1)}}, nil
			})},
			Task{Name: "nil error", Every: time.Hour, Bus: "x", Sensor: readFunc(func(context.Context) ([]Reading, error) {
				return nil, (*MissingError)(nil)
			})},
			Task{Name: "none", Every: time.Hour, Bus: "x"},
		)
		time.Sleep(time.Minute + 6*time.Second)
		synctest.Wait()
		if r, _ := p.get("s"); r.Quality != Fault || r.Reason != "the driver panicked: index out of range" {
			t.Errorf("s = %+v", r)
		}
		for _, name := range []string{"nil error", "none"} {
			if r, _ := p.get(name); r.Quality != Fault || !strings.HasPrefix(r.Reason, "the driver panicked: ") {
				t.Errorf("%s = %+v", name, r)
			}
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if r, _ := p.get("s"); r.Value != Number(1) {
			t.Errorf("after the panics: %+v", r)
		}
		for want, parts := range map[int][]string{
			1: {"sensor=s", "sensor panicked", "poll_test.go"},
			3: {"sensor=s"}, // failed, panicked, answers again
		} {
			if got := p.logs.count(parts...); got != want {
				t.Errorf("%d lines with %q, want %d:\n%s", got, parts, want, p.logs.String())
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestPollBoundsFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := 0
		p, stop := poll(t, Task{Name: "s", Every: time.Second, Sensor: readFunc(func(context.Context) (rs []Reading, err error) {
			for i := range maxFields - 10 {
				rs = append(rs, Reading{Name: fmt.Sprint("n", first+i), Value: Number(1)})
			}
			first += 100
			return rs, nil
		})})
		defer stop()
		for range 10 {
			time.Sleep(time.Second)
			synctest.Wait()
			if n := p.names(); n > maxFields {
				t.Fatalf("%d names", n)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r, ok := p.get(fmt.Sprint("s.n", first-100)); !ok || r.Value != Number(1) {
			t.Errorf("a new field is not there: %+v", r)
		}
		if _, ok := p.get("s.n0"); ok {
			t.Error("a field that vanished long ago was not removed")
		}
	})
}

func TestPollTooManyFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rs []Reading
		for i := range 2 * maxFields {
			rs = append(rs, Reading{Name: fmt.Sprint("n", i), Value: Number(1)})
		}
		p, stop := poll(t, Task{Name: "s", Every: time.Second, Sensor: always(rs...)})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := p.names(); n != maxFields || p.logs.count("reading dropped", "s.n256") != 1 || p.logs.count("reading dropped") != 1 {
			t.Errorf("%d names, log:\n%s", n, p.logs.String())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
