package sensors

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"pipit/agent"
)

// A wordMap is a chip of registers of 16 bits, most significant byte first.
type wordMap struct {
	registers map[byte]uint16
	written   func(register byte, v uint16) // after each write
	reading   func(register byte)           // before each read
	writes    int
}

func (m *wordMap) Tx(w, r []byte) error {
	switch {
	case len(w) == 3 && len(r) == 0:
		m.writes++
		v := binary.BigEndian.Uint16(w[1:])
		m.registers[w[0]] = v
		if m.written != nil {
			m.written(w[0], v)
		}
		return nil
	case len(w) == 1 && len(r) == 2:
		if m.reading != nil {
			m.reading(w[0])
		}
		binary.BigEndian.PutUint16(r, m.registers[w[0]])
		return nil
	}
	return syscall.EINVAL
}

// What is only read may belong to a driver of the kernel at the same time.
func TestWordChipsAndTheKernel(t *testing.T) {
	tests := []struct {
		kind    Kind
		address uint16
		chip    simChip
		shared  bool
	}{
		{tmp102Kind(), 0x48, newTMP102Sim(0x1900), true},
		{mcp9808Kind(), 0x18, newMCP9808Sim(0x0190), true},
		{bh1750Kind(), 0x23, &bh1750Sim{light: 30}, false},
		{ads1115Kind(), 0x48, newADSSim([8]int16{}), false},
		{ina219Kind(), 0x40, newINASim(3000, 0), false},
	}
	for _, tt := range tests {
		h := tree(t, map[string]string{fmt.Sprintf("/sys/bus/i2c/devices/1-%04x/driver", tt.address): "-> ../drivers/own"})
		bus := plug(h, tt.address, tt.chip)
		_, err := build(t, tt.kind, h, "").Sensor.Read(t.Context())
		if tt.shared && err != nil || !tt.shared && (classify(err) != classConfiguration || bus.txs != 0) {
			t.Errorf("%s: %v, %d transfers", tt.kind.Name, err, bus.txs)
		}
	}
}

func TestStuck(t *testing.T) {
	for _, tt := range []struct {
		values []uint16
		want   bool
	}{
		{[]uint16{0, 0}, true}, {[]uint16{0xFFFF, 0xFFFF, 0xFFFF}, true},
		{[]uint16{0, 0xFFFF}, false}, {[]uint16{0, 0, 1}, false}, {[]uint16{5, 5}, false},
	} {
		if err := stuck(tt.values...); err != nil != tt.want || tt.want && classify(err) != classImplausible {
			t.Errorf("%x: %v", tt.values, err)
		}
	}
}

// plugged builds a sensor of a kind whose chip is simulated.
func plugged(t *testing.T, kind Kind, address uint16, c simChip, text string) (agent.Sensor, *simBus) {
	t.Helper()
	h := NewHost(t.TempDir())
	b := plug(h, address, c)
	return build(t, kind, h, text).Sensor, b
}
