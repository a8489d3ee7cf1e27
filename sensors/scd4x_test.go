package sensors

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

var scd4xLines = []string{"co2: 500 ppm", "temperature: 25 °C", "humidity: 37 %"}

// scd4xRead reads with a timeout and tells how long it took, to half a second.
func scd4xRead(t *testing.T, s agent.Sensor, timeout time.Duration) ([]string, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	start := time.Now()
	got := lines(s.Read(ctx))
	return got, time.Since(start).Round(500 * time.Millisecond)
}

func TestSCD4x(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimSCD4x()
		plug(h, 0x62, s)
		sensor := airSensor(t, h, "scd4x", "altitude = 1500\ntemperature_offset = 2.5")
		for i, want := range []time.Duration{5500 * time.Millisecond, 0, 0} {
			got, took := scd4xRead(t, sensor, 15*time.Second)
			if diff := cmp.Diff(scd4xLines, got); diff != "" || took != want {
				t.Errorf("read %d took %v, want %v: %s", i, took, want, diff)
			}
			time.Sleep(30 * time.Second)
		}
		if s.starts != 1 || s.altitude != 1500 || s.offset != 936 || sensor.Trouble() != (agent.Trouble{}) {
			t.Errorf("%d starts, altitude %d, offset %d, trouble %+v", s.starts, s.altitude, s.offset, sensor.Trouble())
		}
		// A measurement is read once: the next Read waits for the next one.
		scd4xRead(t, sensor, 15*time.Second)
		s.co2 = 812
		got, took := scd4xRead(t, sensor, 15*time.Second)
		if got[0] != "co2: 812 ppm" || took < time.Second || took > 5200*time.Millisecond {
			t.Errorf("took %v: %q", took, got)
		}
		if diff := cmp.Diff([]string{"error: context canceled"}, lines(sensor.Read(cancelled(t)))); diff != "" {
			t.Error(diff)
		}
	})
}

// With a timeout that is too short for the first measurement the second Read has it.
func TestSCD4xWithAShortTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimSCD4x()
		plug(h, 0x62, s)
		sensor := airSensor(t, h, "scd4x", "")
		got, took := scd4xRead(t, sensor, 2*time.Second)
		want := []string{"error: no new measurement yet: the chip makes one every 5 s"}
		if diff := cmp.Diff(want, got); diff != "" || took > 2*time.Second {
			t.Errorf("after %v: %s", took, diff)
		}
		time.Sleep(30 * time.Second)
		got, took = scd4xRead(t, sensor, 2*time.Second)
		if diff := cmp.Diff(scd4xLines, got); diff != "" || took != 0 || s.starts != 1 {
			t.Errorf("after %v and %d starts: %s", took, s.starts, diff)
		}
		sensor = airSensor(t, h, "scd4x", "")
		got, _ = scd4xRead(t, sensor, 400*time.Millisecond)
		want = []string{"error: the timeout leaves the chip no time to measure: context deadline exceeded"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSCD4xFaults(t *testing.T) {
	remade := agent.Trouble{Retried: 1, Implausible: 1, Remade: 1}
	twice := agent.Trouble{Retried: 1, Implausible: 2, Remade: 2}
	badSum := []string{"error: the checksum of what came is wrong"}
	testFaults(t, "scd4x", 0x62, newSimSCD4x, []airFault[*simSCD4x]{
		{"power cycle", func(_ *simBus, s *simSCD4x) { s.brownOut() }, scd4xLines, remade},
		{"no CO2", func(_ *simBus, s *simSCD4x) { s.co2 = 0 },
			[]string{"error: a co2 of 0.0 ppm is outside of what the chip measures (1 to 40000)"}, twice},
		{"too much CO2", func(_ *simBus, s *simSCD4x) { s.co2 = 0xFFFF },
			[]string{"error: a co2 of 65535.0 ppm is outside of what the chip measures (1 to 40000)"}, twice},
		{"too cold", func(_ *simBus, s *simSCD4x) { s.temperature = 0 },
			[]string{"error: a temperature of -45.0 °C is outside of what the chip measures (-40 to 70)"}, twice},
		{"one wrong checksum", func(_ *simBus, s *simSCD4x) { s.corrupt = 1 }, scd4xLines, agent.Trouble{Retried: 1}},
		{"wrong checksums", func(_ *simBus, s *simSCD4x) { s.corrupt = 99 }, badSum, agent.Trouble{Retried: 2}},
		{"stuck bus", func(b *simBus, _ *simSCD4x) { b.stuck = true }, badSum, agent.Trouble{Retried: 2}},
		{"one NAK", func(b *simBus, _ *simSCD4x) { b.nak = 1 }, scd4xLines, agent.Trouble{Retried: 1}},
		{"no answer", func(b *simBus, _ *simSCD4x) { b.nak = 99 }, []string{
			"error: scd4x stopped answering at 0x62 of i2c bus 1: remote I/O error: check power, SDA and SCL; " +
				`"pipit detect" lists what answers`}, agent.Trouble{Retried: 2}},
	})
}

// A chip that was cut from power long ago is started at once, not after a
// wait; one that measures already, for a program before, is stopped first.
func TestSCD4xStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimSCD4x()
		b := plug(h, 0x62, s)
		s.next = time.Now().Add(time.Second)
		sensor := airSensor(t, h, "scd4x", "altitude = 300")
		if got, took := scd4xRead(t, sensor, 15*time.Second); got[0] != "co2: 500 ppm" || took != 5500*time.Millisecond {
			t.Errorf("after %v: %q", took, got)
		}
		time.Sleep(30 * time.Second)
		b.set(func(*simBus) { s.brownOut() })
		if got, took := scd4xRead(t, sensor, 15*time.Second); got[0] != "co2: 500 ppm" || took != 5500*time.Millisecond || s.altitude != 300 {
			t.Errorf("after %v: %q, altitude %d", took, got, s.altitude)
		}
		if b := build(t, scd4xKind(), h, ""); b.Bus != "" || b.Timeout != 15*time.Second {
			t.Errorf("bus %q, timeout %v", b.Bus, b.Timeout)
		}
	})
}
