package sensors

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	periph "periph.io/x/devices/v3/bmxx80"

	"pipit/agent"
)

// A driver that polls a status bit for ever ends with the bound of transfers,
// or with the deadline when the adapter is slow.
func TestTheBusEndsPeriphsLoop(t *testing.T) {
	tests := []struct {
		name  string
		slow  time.Duration
		ctx   time.Duration
		want  error
		limit int
	}{
		{"fast", 0, time.Hour, errManyTransfers, maxTransfers + 10},
		{"slow", 10 * time.Millisecond, time.Second, os.ErrDeadlineExceeded, 150},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			h, chip := NewHost(t.TempDir()), newSimBME280()
			chip.takes = time.Millisecond
			b := plug(h, 0x76, chip)
			s := h.i2cSensor("bme280", 1, 0x76, false, openPeriph)
			if _, err := s.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			open := h.ports[1].bus
			h.ports[1].bus = slowBus{open, tt.slow}
			b.set(func(b *simBus) { b.stuck, b.txs = true, 0 })
			ctx, cancel := context.WithTimeout(t.Context(), tt.ctx)
			defer cancel()
			_, err := s.Read(ctx)
			time.Sleep(tt.slow) // for the last transfer
			b.set(func(b *simBus) {
				if !errors.Is(err, tt.want) || b.txs > tt.limit {
					t.Errorf("%s: %v after %d transfers, want %v", tt.name, err, b.txs, tt.want)
				}
			})
		})
	}
}

type slowBus struct {
	I2CBus
	takes time.Duration
}

func (b slowBus) Tx(address uint16, w, r []byte) error {
	time.Sleep(b.takes)
	return b.I2CBus.Tx(address, w, r)
}

type periphChip struct{ dev *periph.Dev }

func openPeriph(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	dev, err := periph.NewI2C(bus, address, &periph.DefaultOpts)
	return periphChip{dev}, err
}

func (c periphChip) Read(context.Context) ([]agent.Reading, error) {
	var e physic.Env
	return nil, c.dev.Sense(&e)
}
