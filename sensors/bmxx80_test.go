package sensors

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// airSensor builds a sensor of a kind of the table.
func airSensor(t *testing.T, h *Host, kind, text string) *steady {
	t.Helper()
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })
	return build(t, kinds[i], h, text).Sensor.(*steady)
}

var (
	bme280Lines = []string{"temperature: 25.08 °C", "humidity: 59.28 %", "pressure: 1006.53 hPa"}
	bmp280Lines = []string{"temperature: 25.08 °C", "pressure: 1006.53 hPa"}
	bmp180Lines = []string{"temperature: 15 °C", "pressure: 699.63 hPa"}
)

func TestBoschChips(t *testing.T) {
	tests := []struct {
		kind string
		chip simChip
		want []string
	}{
		{"bme280", newSimBME280(), bme280Lines},
		{"bmp280", newSimBMP280(), bmp280Lines},
		{"bmp180", newSimBMP180(), bmp180Lines},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			h := NewHost(t.TempDir())
			plug(h, 0x77, tt.chip)
			s := airSensor(t, h, tt.kind, "address = 0x77")
			for range 3 {
				if diff := cmp.Diff(tt.want, read(t, s)); diff != "" {
					t.Errorf("%s: %s", tt.kind, diff)
				}
			}
			if got := s.Trouble(); got != (agent.Trouble{}) {
				t.Errorf("%s: trouble %+v with a chip that works", tt.kind, got)
			}
			if diff := cmp.Diff([]string{"error: context canceled"}, lines(s.Read(cancelled(t)))); diff != "" {
				t.Errorf("%s: %s", tt.kind, diff)
			}
		})
	}
}

// Each fault comes after a Read that worked. Where the next Read gives the
// right values, the driver was made anew in it.
func TestBME280Faults(t *testing.T) {
	remade := agent.Trouble{Retried: 1, Implausible: 1, Remade: 1}
	twice := agent.Trouble{Retried: 1, Implausible: 2, Remade: 2}
	testFaults(t, "bme280", 0x76, newSimBME280, []airFault[*simBMx280]{
		{"brown-out", func(_ *simBus, s *simBMx280) { s.brownOut() }, bme280Lines, remade},
		{"brown-out while it measures", func(_ *simBus, s *simBMx280) {
			s.begun = func() { s.begun = nil; s.brownOut() }
		}, bme280Lines, remade},
		{"brown-outs without end", func(_ *simBus, s *simBMx280) { s.begun = s.brownOut },
			[]string{"error: the chip lost its settings: it has restarted"}, twice},
		{"settings changed by another program", func(_ *simBus, s *simBMx280) { s.reg[0xF5] = 0 }, bme280Lines, remade},
		{"humidity turned off by another program", func(_ *simBus, s *simBMx280) { s.reg[0xF2] = 0 }, bme280Lines, remade},
		{"normal mode by another program", func(_ *simBus, s *simBMx280) {
			s.begun = func() { s.begun = nil; s.reg[0xF4] |= 3 }
		}, bme280Lines, remade},
		{"skipped", func(_ *simBus, s *simBMx280) { s.raw = bmxRaw{0x80000, 0x80000, 0x8000} },
			[]string{"error: the chip skipped the measurement: it has restarted"}, twice},
		{"skipped but for the pressure", func(_ *simBus, s *simBMx280) { s.raw.temperature, s.raw.humidity = 0x80000, 0x8000 },
			[]string{"error: the chip skipped the measurement: it has restarted"}, twice},
		{"a temperature like skipped", func(_ *simBus, s *simBMx280) { s.raw.temperature = 0x80000 },
			[]string{"temperature: 26.46 °C", "humidity: 59.46 %", "pressure: 1008.66 hPa"}, agent.Trouble{}},
		{"data of zeros", func(_ *simBus, s *simBMx280) { s.zeros = true },
			[]string{"error: a raw value is all zeros or all ones: SDA is stuck, or the chip has no power"}, twice},
		{"data of ones", func(_ *simBus, s *simBMx280) { s.raw = bmxRaw{0xFFFFF, 0xFFFFF, 0xFFFF} },
			[]string{"error: a raw value is all zeros or all ones: SDA is stuck, or the chip has no power"}, twice},
		{"humidity of zeros", func(_ *simBus, s *simBMx280) { s.raw.humidity = 0 },
			[]string{"error: the raw humidity is all zeros or all ones: SDA is stuck, or the chip has no power"}, twice},
		{"humidity of ones", func(_ *simBus, s *simBMx280) { s.raw.humidity = 0xFFFF },
			[]string{"error: the raw humidity is all zeros or all ones: SDA is stuck, or the chip has no power"}, twice},
		{"too hot", func(_ *simBus, s *simBMx280) { s.raw.temperature = 0xFFFF0 },
			[]string{"error: a temperature of 187.5 °C is outside of what the chip measures (-40 to 85)"}, twice},
		{"too high", func(_ *simBus, s *simBMx280) { s.raw.pressure = 0xF0000 },
			[]string{"error: a pressure of 42.8 hPa is outside of what the chip measures (300 to 1100)"}, twice},
		{"measures for ever", func(_ *simBus, s *simBMx280) { s.stalled = true },
			[]string{"error: the measurement does not end"}, twice},
		{"stuck bus", func(b *simBus, _ *simBMx280) { b.stuck = true },
			[]string{"error: the chip id is all zeros or all ones: SDA is stuck, or the chip has no power"}, agent.Trouble{Retried: 1, Implausible: 2, Remade: 1}},
		{"one NAK", func(b *simBus, _ *simBMx280) { b.nak = 1 }, bme280Lines, agent.Trouble{Retried: 1}},
		{"no answer", func(b *simBus, _ *simBMx280) { b.nak = 1000 }, []string{
			"error: bme280 stopped answering at 0x76 of i2c bus 1: remote I/O error: check power, SDA and SCL; " +
				`"pipit detect" lists what answers`}, agent.Trouble{Retried: 2}},
	})
}

// What is wrong when the driver is made.
func TestBoschChipsThatCannotBeMade(t *testing.T) {
	bme := func(change func(*simBMx280)) simChip { s := newSimBME280(); change(s); return s }
	blankCal := "is all zeros or all ones: SDA is stuck, or the chip has no power"
	tests := []struct {
		kind string
		chip simChip
		want string
		why  class
	}{
		{"bme280", newSimBMP280(), "chip id 0x58 at 0x77 is a BMP280, which measures no humidity: use kind bmp280", classConfiguration},
		{"bme280", bme(func(s *simBMx280) { s.reg[0xD0] = 0x56 }), "chip id 0x56 at 0x77 is a BMP280, which measures no humidity: use kind bmp280", classConfiguration},
		{"bme280", newSimBMP180(), "chip id 0x55 at 0x77 is a BMP180 or BMP085: use kind bmp180", classConfiguration},
		{"bmp280", newSimBME280(), "chip id 0x60 at 0x77 is a BME280: use kind bme280", classConfiguration},
		{"bmp180", newSimBME280(), "chip id 0x60 at 0x77 is a BME280: use kind bme280", classConfiguration},
		{"bme280", bme(func(s *simBMx280) { s.reg[0xD0] = 0x61 }),
			"chip id 0x61 at 0x77 is a BME680: turn its kernel driver on with dtoverlay=i2c-sensor,bme680 and use kind iio", classConfiguration},
		{"bme280", bme(func(s *simBMx280) { s.reg[0xD0], s.reg[0x00] = 0x07, 0x50 }),
			"chip id 0x50 at 0x77 is a BMP388: turn its kernel driver on with dtoverlay=i2c-sensor,bmp380 and use kind iio", classConfiguration},
		{"bme280", bme(func(s *simBMx280) { s.reg[0xD0] = 0x07 }),
			`chip id 0x07 at 0x77 is not known: "pipit detect" may tell what it is`, classConfiguration},
		{"bme280", bme(func(s *simBMx280) { s.reg[0xD0] = 0 }), "the chip id " + blankCal, classImplausible},
		{"bmp280", bme(func(s *simBMx280) { s.reg[0xD0] = 0x58; clear(s.reg[0x88:0xA2]) }), "the calibration " + blankCal, classImplausible},
		{"bme280", bme(func(s *simBMx280) { copy(s.reg[0x88:], slices.Repeat([]byte{0xFF}, 24)) }), "the calibration " + blankCal, classImplausible},
		{"bme280", bme(func(s *simBMx280) { clear(s.reg[0xE1:0xE8]) }), "the calibration of humidity " + blankCal, classImplausible},
		{"bmp180", func() simChip { s := newSimBMP180(); s.reg[0xB0], s.reg[0xB1] = 0, 0; return s }(), "a word of the calibration " + blankCal, classImplausible},
		{"bmp180", func() simChip { s := newSimBMP180(); s.reg[0xBE], s.reg[0xBF] = 0xFF, 0xFF; return s }(), "a word of the calibration " + blankCal, classImplausible},
		{"bmp280", loadingChip{newSimBMP280()}, "the chip does not load its calibration", classImplausible},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			h := NewHost(t.TempDir())
			plug(h, 0x77, tt.chip)
			_, err := airSensor(t, h, tt.kind, "address = 0x77").Read(t.Context())
			if err == nil || err.Error() != tt.want || classify(err) != tt.why {
				t.Errorf("%s: %v (class %d), want %s (class %d)", tt.kind, err, classify(err), tt.want, tt.why)
			}
		})
	}
}

// A loadingChip never has its calibration loaded.
type loadingChip struct{ *simBMx280 }

func (c loadingChip) Tx(w, r []byte) error {
	err := c.simBMx280.Tx(w, r)
	if w[0] == bmxStatus && len(r) > 0 {
		r[0] |= bmxLoading
	}
	return err
}

// Without the humidity's settings a BMP280 has nothing to lose but its
// standby time, which is there to show a restart.
func TestBMPFaults(t *testing.T) {
	restarted := "error: the chip has not measured: it has restarted"
	for name, tt := range map[string]struct {
		fault func(*simBMP180)
		want  []string
	}{
		"brown-out":                       {func(s *simBMP180) { s.brownOut() }, bmp180Lines},
		"brown-out while it measures":     {func(s *simBMP180) { s.begun = func(byte) { s.begun = nil; s.brownOut() } }, bmp180Lines},
		"brown-out at the pressure":       {func(s *simBMP180) { s.begun = s.once(bmp180Pressure) }, bmp180Lines},
		"brown-outs without end":          {func(s *simBMP180) { s.begun = func(byte) { s.brownOut() } }, []string{restarted}},
		"measures for ever":               {func(s *simBMP180) { s.stalled = true }, []string{"error: the measurement does not end"}},
		"zeros":                           {func(s *simBMP180) { s.ut = 0 }, []string{"error: the data is all zeros or all ones: SDA is stuck, or the chip has no power"}},
		"too hot":                         {func(s *simBMP180) { s.ut = 60000 }, []string{"error: a temperature of 227.4 °C is outside of what the chip measures (-40 to 85)"}},
		"a temperature that divides by 0": {func(s *simBMP180) { s.ut = 20285 }, []string{"error: raw temperature 20285 makes no sense with this calibration"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, s := NewHost(t.TempDir()), newSimBMP180()
			b := plug(h, 0x77, s)
			sensor := airSensor(t, h, "bmp180", "")
			read(t, sensor)
			b.set(func(*simBus) { tt.fault(s) })
			if diff := cmp.Diff(tt.want, read(t, sensor)); diff != "" {
				t.Errorf("bmp180, %s: %s", name, diff)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h, s := NewHost(t.TempDir()), newSimBMP280()
		b := plug(h, 0x76, s)
		sensor := airSensor(t, h, "bmp280", "")
		read(t, sensor)
		b.set(func(*simBus) { s.brownOut() })
		if diff := cmp.Diff(bmp280Lines, read(t, sensor)); diff != "" || sensor.Trouble().Remade != 1 {
			t.Errorf("bmp280, brown-out: %s %+v", diff, sensor.Trouble())
		}
	})
}

// once returns a brown-out at the first such command.
func (s *simBMP180) once(command byte) func(byte) {
	return func(c byte) {
		if c == command {
			s.begun = nil
			s.brownOut()
		}
	}
}

// The kernel's driver at the address is named, and what to do instead.
func TestBME280OfTheKernel(t *testing.T) {
	h := tree(t, map[string]string{"/sys/bus/i2c/devices/1-0076/driver": "-> ../../../bus/i2c/drivers/bmp280"})
	b := plug(h, 0x76, newSimBME280())
	want := []string{"error: the kernel's driver bmp280 has the chip at 0x76 of i2c bus 1: use kind hwmon or iio, or take its dtoverlay off"}
	if diff := cmp.Diff(want, read(t, airSensor(t, h, "bme280", ""))); diff != "" || b.txs > 0 {
		t.Errorf("%s, %d transfers", diff, b.txs)
	}
	b.set(func(b *simBus) { b.err = syscall.ETIMEDOUT })
	want = []string{"error: bmp180 at 0x77 of i2c bus 1: connection timed out"}
	if diff := cmp.Diff(want, read(t, airSensor(t, h, "bmp180", ""))); diff != "" {
		t.Error(diff)
	}
}
