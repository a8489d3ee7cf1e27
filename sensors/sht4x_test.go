package sensors

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// An airFault is a fault between two Reads of a chip, and what the second gives.
type airFault[C simChip] struct {
	name  string
	fault func(*simBus, C)
	want  []string
	count agent.Trouble
}

// testFaults reads a chip of a kind, makes the fault, and reads again.
func testFaults[C simChip](t *testing.T, kind string, address uint16, chip func() C, tests []airFault[C]) {
	t.Helper()
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			h, c := NewHost(t.TempDir()), chip()
			b := plug(h, address, c)
			sensor := airSensor(t, h, kind, "")
			if _, err := sensor.Read(t.Context()); err != nil {
				t.Fatalf("%s: %v before the fault", tt.name, err)
			}
			b.set(func(b *simBus) { tt.fault(b, c) })
			if diff := cmp.Diff(tt.want, read(t, sensor)); diff != "" {
				t.Errorf("%s: %s", tt.name, diff)
			}
			if diff := cmp.Diff(tt.count, sensor.Trouble()); diff != "" {
				t.Errorf("%s: trouble: %s", tt.name, diff)
			}
		})
	}
}

var airLines = []string{"temperature: 21.5 °C", "humidity: 45 %"}

func TestSHT4x(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimSHT4x()
		plug(h, 0x46, s)
		sensor := airSensor(t, h, "sht4x", "address = 0x46")
		for range 2 {
			if diff := cmp.Diff(airLines, read(t, sensor)); diff != "" {
				t.Error(diff)
			}
		}
		if s.heated || s.restarts != 1 || sensor.Trouble() != (agent.Trouble{}) {
			t.Errorf("heated %v, %d restarts, trouble %+v", s.heated, s.restarts, sensor.Trouble())
		}
		s.temperature, s.humidity = 0x3333, 0xFFFF
		if diff := cmp.Diff([]string{"temperature: -10 °C", "humidity: 100 %"}, read(t, sensor)); diff != "" {
			t.Error(diff)
		}
		s.humidity = 0
		if diff := cmp.Diff([]string{"temperature: -10 °C", "humidity: 0 %"}, read(t, sensor)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"error: context canceled"}, lines(sensor.Read(cancelled(t)))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSHT4xFaults(t *testing.T) {
	badSum := []string{"error: the checksum of what came is wrong"}
	testFaults(t, "sht4x", 0x44, newSimSHT4x, []airFault[*simSHT4x]{
		{"one wrong checksum", func(_ *simBus, s *simSHT4x) { s.corrupt = 1 }, airLines, agent.Trouble{Retried: 1}},
		{"wrong checksums", func(_ *simBus, s *simSHT4x) { s.corrupt = 9 }, badSum, agent.Trouble{Retried: 2}},
		{"zeros", func(_ *simBus, s *simSHT4x) { s.foreign = make([]byte, 6) }, badSum, agent.Trouble{Retried: 2}},
		{"stuck bus", func(b *simBus, _ *simSHT4x) { b.stuck = true }, badSum, agent.Trouble{Retried: 2}},
		{"brown-out", func(_ *simBus, s *simSHT4x) { s.brownOut() }, airLines, agent.Trouble{}},
		{"two NAKs", func(b *simBus, _ *simSHT4x) { b.nak = 2 }, airLines, agent.Trouble{Retried: 2}},
		{"no answer", func(b *simBus, _ *simSHT4x) { b.nak = 3 }, []string{
			"error: sht4x stopped answering at 0x44 of i2c bus 1: remote I/O error: check power, SDA and SCL; " +
				`"pipit detect" lists what answers`}, agent.Trouble{Retried: 2}},
		{"too hot", func(_ *simBus, s *simSHT4x) { s.temperature = 0xFFFF },
			[]string{"error: a temperature of 130.0 °C is outside of what the chip measures (-40 to 125)"},
			agent.Trouble{Retried: 1, Implausible: 2, Remade: 2}},
	})
}

// What has no checksum behind its words is none.
func TestSHT4xOfAnotherMaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimSHT4x()
		b := plug(h, 0x44, s)
		sensor := airSensor(t, h, "sht4x", "")
		s.corrupt = 3
		want := []string{"error: what answers at 0x44 may be no sht4x: the checksum of what came is wrong"}
		if diff := cmp.Diff(want, read(t, sensor)); diff != "" {
			t.Error(diff)
		}
		b.set(func(b *simBus) { b.nak = 3 })
		want = []string{"error: nothing answers at 0x44 of i2c bus 1: remote I/O error: check power, SDA and SCL; " +
			`"pipit detect" lists what answers`}
		if diff := cmp.Diff(want, read(t, sensor)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(airLines, read(t, sensor)); diff != "" {
			t.Error(diff)
		}
	})
}

// The examples of Sensirion's datasheets.
func TestCRC8(t *testing.T) {
	for word, want := range map[[2]byte]byte{{0xBE, 0xEF}: 0x92, {0x01, 0xF4}: 0x33, {0x66, 0x67}: 0xA2, {0x5E, 0xB9}: 0x3C} {
		if got := crc8(word[:]); got != want {
			t.Errorf("crc8(%x) = %#x, want %#x", word, got, want)
		}
	}
}
