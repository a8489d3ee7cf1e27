package sensors

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/physic"
	periph "periph.io/x/devices/v3/bmxx80"

	"pipit/agent"
)

// The examples of the datasheets, to their last digit.
func TestBoschFormulas(t *testing.T) {
	cal := parseBMxCal(bmxExampleCal, bmxExampleHumid)
	c, fine := cal.temperature(bmxExampleRaw.temperature)
	if p := cal.pressure(bmxExampleRaw.pressure, fine); math.Abs(c-25.0825) > 1e-4 || math.Abs(p-100653.27) > 0.01 {
		t.Errorf("BMP280: %f °C and %f Pa, want 25.08 and 100653.27", c, p)
	}
	old := parseBMP180Cal(bmp180ExampleCal)
	if c, p, err := old.compensate(27898, 23843, 0); c != 150 || p != 69964 || err != nil {
		t.Errorf("BMP180: %d, %d, %v, want 150 and 69964", c, p, err)
	}
	for b, want := range map[[2]byte][2]float64{
		{0x13, 0x00}: {309, 0}, {0xFF, 0xFF}: {-11, -1}, {0x80, 0x80}: {-2043, -2048}, {0x7F, 0x7F}: {2037, 2032}} {
		h := [7]byte{3: b[0], 4: 0x05, 5: b[1]}
		if b[1] == 0xFF {
			h[4] = 0xF5
		}
		if got := parseBMxCal(bmxExampleCal, h); got.h4 != want[0] || got.h5 != want[1] {
			t.Errorf("H4, H5 of %x: %g, %g, want %g", b, got.h4, got.h5, want)
		}
	}
}

// periph's driver has the integer formulas of the datasheet. They agree with
// ours wherever it can tell the sign: with H4 and H5 above 0.
func TestBME280AgreesWithPeriph(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	between := func(low, high int) int { return low + random.IntN(high-low) }
	compared := 0
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			s := newSimBME280()
			s.reg[0xE4], s.reg[0xE5], s.reg[0xE6] = byte(between(0x10, 0x18)), byte(between(0, 256)), byte(between(0, 8))
			s.reg[0xE1], s.reg[0xA1] = byte(between(0x40, 0xA0)), byte(between(0, 0x60))
			s.reg[0xE3], s.reg[0xE7] = byte(between(0, 256)), byte(between(0, 256))
			s.takes = time.Millisecond // less than periph waits: its loop makes no time pass
			s.raw = bmxRaw{int32(between(380000, 650000)), int32(between(300000, 500000)), int32(between(20000, 40000))}
			h := NewHost(t.TempDir())
			plug(h, 0x76, s)
			got, err := airSensor(t, h, "bme280", "").Read(t.Context())
			if err == nil { // else it was out of range
				compareWithPeriph(t, h, got)
				compared++
			}
		})
	}
	if compared < 100 {
		t.Errorf("compared %d measurements only", compared)
	}
}

func compareWithPeriph(t *testing.T, h *Host, got []agent.Reading) {
	t.Helper()
	bus := &i2cBus{port: h.i2c(1)}
	bus.begin(t.Context())
	dev, err := periph.NewI2C(bus, 0x76, &periph.Opts{Temperature: periph.O1x, Pressure: periph.O4x, Humidity: periph.O1x})
	var e physic.Env
	if err == nil {
		err = dev.Sense(&e)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{e.Temperature.Celsius(), float64(e.Humidity) / float64(physic.PercentRH), float64(e.Pressure) / float64(100*physic.Pascal)}
	for i, tolerance := range []float64{0.011, 0.03, 0.011} {
		if v, _ := got[i].Value.Float(); math.Abs(v-want[i]) > tolerance {
			t.Errorf("%s is %g, periph has %g", got[i].Name, v, want[i])
		}
	}
}

// Whatever a chip answers, a Read ends with values in range or with an error.
func FuzzBoschChips(f *testing.F) {
	s := newSimBME280()
	f.Add(s.reg[0x88:0xA2], s.reg[0xE1:0xE8], []byte{0x65, 0x5A, 0xC0, 0x7E, 0xED, 0x00, 0x76, 0x20})
	f.Add(newSimBMP180().reg[0xAA:0xC0], []byte{0}, []byte{0x6C, 0xFA, 0, 0x5D, 0x23, 0})
	f.Add([]byte{}, []byte{1}, []byte{0x80, 0, 0, 0x80, 0, 0, 0x80, 0})
	f.Fuzz(func(t *testing.T, cal, humid, data []byte) {
		var tph [26]byte
		var h [7]byte
		var raw [8]byte
		copy(tph[:], cal)
		copy(h[:], humid)
		copy(raw[:], data)
		d := &bmx280{humid: true, cal: parseBMxCal(tph, h)}
		r := bmxRaw{raw20(raw[3:]), raw20(raw[:]), int32(raw[6])<<8 | int32(raw[7])}
		inRange(t, func() ([]agent.Reading, error) { return d.readings(r) })

		var words [11]uint16
		for i := range words {
			words[i] = uint16(tph[2*i])<<8 | uint16(tph[2*i+1])
		}
		old := parseBMP180Cal(words)
		old.compensate(int64(raw[0])<<8|int64(raw[1]), int64(raw20(raw[3:])>>1), bmp180Sampling)
	})
}

func inRange(t *testing.T, read func() ([]agent.Reading, error)) {
	readings, err := read()
	var e *implausibleError
	if err != nil && !errors.As(err, &e) {
		t.Errorf("%v is not the error of a value", err)
	}
	for _, r := range readings {
		if !r.OK() {
			t.Errorf("%+v has no value", r)
		}
	}
}
