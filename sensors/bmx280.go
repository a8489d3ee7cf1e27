package sensors

import (
	"context"
	"encoding/binary"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// Registers of BMP280 and BME280 (BST-BME280-DS002, section 5).
const (
	bmxCalibration      = 0x88 // T1 to P9, one free byte, H1
	bmxCalibrationHumid = 0xE1 // H2 to H6
	bmxControlHumid     = 0xF2 // ctrl_hum; then status, ctrl_meas, config, one free byte and the data
	bmxStatus           = 0xF3
	bmxConfig           = 0xF5
)

// What is written to the control registers. The oversampling is that of the
// datasheet's "standard resolution": pressure 4 times, the others once. The
// standby time means nothing to single measurements: it is there because it is
// not 0, the value after a restart.
const (
	bmxHumidOnce   = 0x01                  // osrs_h = 1
	bmxMeasure     = 1<<5 | 3<<2           // osrs_t = 1, osrs_p = 3, mode = sleep
	bmxForced      = 0x01                  // mode: one measurement, then sleep
	bmxStandby     = 5 << 5                // t_sb = 5, filter off
	bmxMeasuring   = 0x08                  // of status
	bmxLoading     = 0x01                  // of status: the calibration is being copied
	bmxTime        = 17 * time.Millisecond // the longest such measurement takes 16.2 ms
	bmxPolls       = 6
	bmxSkipped     = 0x80000 // a temperature or pressure that was not measured since the restart
	bmxSkippedAir  = 0x8000  // the same for humidity
	bmxGreatest    = 0xFFFFF
	bmxGreatestAir = 0xFFFF
)

// A bmx280 is a BMP280, or a BME280 if humid. It sleeps between measurements.
type bmx280 struct {
	dev   i2c.Dev
	humid bool
	cal   bmxCal
}

func openBME280(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	return openBMx280(&bmx280{dev: i2c.Dev{Bus: bus, Addr: address}, humid: true}, 0x60)
}

func openBMP280(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	return openBMx280(&bmx280{dev: i2c.Dev{Bus: bus, Addr: address}}, 0x56, 0x57, 0x58)
}

// openBMx280 restarts the chip, so that it is in a known state and reads its
// calibration from its memory again, and sets it up.
func openBMx280(d *bmx280, ids ...byte) (agent.Sensor, error) {
	for _, step := range []func() error{
		func() error { return checkBosch(&d.dev, ids...) },
		d.restart, d.calibrate, d.setUp,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *bmx280) restart() error {
	if err := d.dev.Tx([]byte{boschReset, boschSoftBoot}, nil); err != nil {
		return err
	}
	for range bmxPolls {
		time.Sleep(2 * time.Millisecond) // the datasheet's start-up time
		status, err := readByte(&d.dev, bmxStatus)
		if err != nil || status&bmxLoading == 0 {
			return err
		}
	}
	return implausible("the chip does not load its calibration")
}

func (d *bmx280) calibrate() error {
	var tph [26]byte
	if err := d.dev.Tx([]byte{bmxCalibration}, tph[:]); err != nil {
		return err
	}
	if blank(tph[:24]) {
		return errBlank("the calibration")
	}
	var h [7]byte
	if d.humid {
		if err := d.dev.Tx([]byte{bmxCalibrationHumid}, h[:]); err != nil {
			return err
		}
		if blank(h[:]) {
			return errBlank("the calibration of humidity")
		}
	}
	d.cal = parseBMxCal(tph, h)
	return nil
}

// setUp writes ctrl_hum, which counts from the next write to ctrl_meas on, and
// config, which the chip takes when it sleeps.
func (d *bmx280) setUp() error {
	if d.humid {
		if err := d.dev.Tx([]byte{bmxControlHumid, bmxHumidOnce}, nil); err != nil {
			return err
		}
	}
	return d.dev.Tx([]byte{bmxConfig, bmxStandby, boschControl, bmxMeasure}, nil)
}

// Read implements agent.Sensor.
func (d *bmx280) Read(ctx context.Context) ([]agent.Reading, error) {
	b, err := d.measure(ctx)
	if err != nil {
		return nil, err
	}
	if d.humid && b[0]&7 != bmxHumidOnce || b[2] != bmxMeasure || b[3]&^2 != bmxStandby {
		return nil, implausible("the chip lost its settings: it has restarted")
	}
	raw := bmxRaw{pressure: raw20(b[5:]), temperature: raw20(b[8:])}
	if d.humid {
		raw.humidity = int32(binary.BigEndian.Uint16(b[11:]))
	}
	if err := raw.check(d.humid); err != nil {
		return nil, err
	}
	return d.readings(raw)
}

// measure makes one measurement and returns the registers from ctrl_hum to the
// last of the data, read at once: so the settings are those of the data.
func (d *bmx280) measure(ctx context.Context) ([]byte, error) {
	if err := d.dev.Tx([]byte{boschControl, bmxMeasure | bmxForced}, nil); err != nil {
		return nil, err
	}
	b := make([]byte, 13)
	if !d.humid {
		b = b[:11]
	}
	for range bmxPolls {
		if err := wait(ctx, bmxTime); err != nil {
			return nil, err
		}
		if err := d.dev.Tx([]byte{bmxControlHumid}, b); err != nil {
			return nil, err
		}
		if b[1]&bmxMeasuring == 0 {
			return b, nil
		}
	}
	return nil, implausible("the measurement does not end")
}

func (d *bmx280) readings(raw bmxRaw) ([]agent.Reading, error) {
	t, fine := d.cal.temperature(raw.temperature)
	all := []measured{{"temperature", t, "°C", -40, 85}}
	if d.humid {
		all = append(all, measured{"humidity", d.cal.humidity(raw.humidity, fine), "%", 0, 100})
	}
	all = append(all, measured{"pressure", d.cal.pressure(raw.pressure, fine) / 100, "hPa", 300, 1100})
	return airReadings(all...)
}

// raw20 returns a number of 20 bits that begins with b[0].
func raw20(b []byte) int32 { return int32(b[0])<<12 | int32(b[1])<<4 | int32(b[2])>>4 }

// bmxRaw is what the converter gave.
type bmxRaw struct{ temperature, pressure, humidity int32 }

// check refuses what no measurement gives. One channel alone may well be at
// the value that stands for skipped: with a usual calibration a temperature is
// at 26.46 °C. Two at once are not.
func (r bmxRaw) check(humid bool) error {
	skipped := 0
	for _, v := range []int32{r.temperature, r.pressure} {
		if v == 0 || v == bmxGreatest {
			return errBlank("a raw value")
		}
		if v == bmxSkipped {
			skipped++
		}
	}
	if humid && (r.humidity == 0 || r.humidity == bmxGreatestAir) {
		return errBlank("the raw humidity")
	}
	if humid && r.humidity == bmxSkippedAir {
		skipped++
	}
	if skipped > 1 {
		return implausible("the chip skipped the measurement: it has restarted")
	}
	return nil
}
