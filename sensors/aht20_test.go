package sensors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestAHT20(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimAHT20()
		plug(h, 0x38, s)
		sensor := airSensor(t, h, "aht20", "")
		for range 2 {
			if diff := cmp.Diff(airLines, read(t, sensor)); diff != "" {
				t.Error(diff)
			}
		}
		if s.restarts != 1 || sensor.Trouble() != (agent.Trouble{}) {
			t.Errorf("%d restarts, trouble %+v", s.restarts, sensor.Trouble())
		}
		if diff := cmp.Diff([]string{"error: context canceled"}, lines(sensor.Read(cancelled(t)))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAHT20Faults(t *testing.T) {
	remade := agent.Trouble{Retried: 1, Implausible: 1, Remade: 1}
	twice := agent.Trouble{Retried: 1, Implausible: 2, Remade: 2}
	badSum := []string{"error: the checksum of what came is wrong"}
	testFaults(t, "aht20", 0x38, newSimAHT20, []airFault[*simAHT20]{
		{"one wrong checksum", func(_ *simBus, s *simAHT20) { s.corrupt = 1 }, airLines, agent.Trouble{Retried: 1}},
		{"wrong checksums", func(_ *simBus, s *simAHT20) { s.corrupt = 9 }, badSum, agent.Trouble{Retried: 2}},
		{"stuck bus", func(b *simBus, _ *simAHT20) { b.stuck = true },
			[]string{"error: the answer is all zeros or all ones: SDA is stuck, or the chip has no power"}, twice},
		{"brown-out", func(_ *simBus, s *simAHT20) { s.brownOut() }, airLines, remade},
		{"calibration lost for good", func(_ *simBus, s *simAHT20) { s.worn, s.calibrated = true, false },
			[]string{"error: the chip does not get calibrated"},
			agent.Trouble{Retried: 1, Implausible: 2, Remade: 1}},
		{"busy until the restart", func(_ *simBus, s *simAHT20) { s.hangs = 1 }, airLines, remade},
		{"busy a little longer", func(_ *simBus, s *simAHT20) { s.takes = 90 * time.Millisecond }, airLines, agent.Trouble{}},
		{"busy for ever", func(_ *simBus, s *simAHT20) { s.stalled = true },
			[]string{"error: the measurement does not end"}, twice},
		{"zeros", func(_ *simBus, s *simAHT20) { s.temperature, s.humidity = 0, 0 },
			[]string{"error: a temperature of -50.0 °C is outside of what the chip measures (-40 to 85)"}, twice},
		{"one NAK", func(b *simBus, _ *simAHT20) { b.nak = 1 }, airLines, agent.Trouble{Retried: 1}},
		{"no answer", func(b *simBus, _ *simAHT20) { b.nak = 99 }, []string{
			"error: aht20 stopped answering at 0x38 of i2c bus 1: remote I/O error: check power, SDA and SCL; " +
				`"pipit detect" lists what answers`}, agent.Trouble{Retried: 2}},
	})
}
