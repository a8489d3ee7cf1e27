package sensors

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

// iioTree has devices by number, each on a parent device, with their files.
func iioTree(t *testing.T, devices map[string]map[string]string) *Host {
	files := map[string]string{"/sys/bus/iio/devices/trigger0/name": "sysfstrig0\n"}
	for at, content := range devices {
		for file, text := range content {
			files["/sys/devices/"+at+"/"+file] = text
		}
	}
	for at := range devices {
		files["/sys/bus/iio/devices/"+at[len(at)-len("iio:device0"):]] = "-> ../../../devices/" + at
	}
	return tree(t, files)
}

func bme280() map[string]string {
	return map[string]string{
		"name":                      "bme280\n",
		"in_temp_input":             "25080.000000000\n",
		"in_temp_oversampling_raio": "2\n",
		"in_humidityrelative_input": "59203.125000000\n",
		"in_pressure_input":         "100.653320312\n",
		"sampling_frequency":        "1\n",
	}
}

func ads1015() map[string]string {
	return map[string]string{
		"name":                     "ads1015\n",
		"in_voltage0_raw":          "1100\n",
		"in_voltage0_scale":        "3.000000000\n",
		"in_voltage0-voltage1_raw": "-5\n",
		"in_voltage-voltage_scale": "2.000000000\n",
		"in_voltage3_raw":          "10\n",
		"in_voltage3_label":        "Soil moisture\n",
		"in_voltage3_offset":       "-4\n",
		"in_voltage_scale":         "1000.5\n",
		"in_voltage_sampling_freq": "1600\n",
	}
}

func TestIIOReadsAll(t *testing.T) {
	h := iioTree(t, map[string]map[string]string{
		"i2c-1/1-0076/iio:device0": bme280(),
		"i2c-1/1-0077/iio:device1": bme280(),
		"i2c-1/1-0048/iio:device2": ads1015(),
	})
	want := []string{
		"bme280_1-0076_temperature: 25.08 °C",
		"bme280_1-0076_humidity: 59.2 %",
		"bme280_1-0076_pressure: 1006.533203 hPa",
		"bme280_1-0077_temperature: 25.08 °C",
		"bme280_1-0077_humidity: 59.2 %",
		"bme280_1-0077_pressure: 1006.533203 hPa",
		"ads1015_voltage0-voltage1: -0.01 V",
		"ads1015_voltage0: 3.3 V",
		"ads1015_soil_moisture: 6.003 V",
	}
	b := build(t, iioKind(), h, "")
	if diff := cmp.Diff(want, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
	if b.Bus != "iio" || b.Fields != nil {
		t.Errorf("bus %q, fields %q", b.Bus, b.Fields)
	}
}

func TestIIOPicksADevice(t *testing.T) {
	labelled := bme280()
	labelled["label"] = "greenhouse\n"
	h := iioTree(t, map[string]map[string]string{
		"i2c-1/1-0076/iio:device0": bme280(),
		"i2c-1/1-0077/iio:device1": labelled,
		"i2c-1/1-0048/iio:device2": ads1015(),
		"x/iio:device3":            {"name": "empty\n"},
	})
	const there = "; there are: bme280@1-0076, bme280@1-0077, ads1015@1-0048, empty@x"
	tests := []struct {
		text string
		want []string
	}{
		{`device = "ads1015"`, []string{"voltage0-voltage1: -0.01 V", "voltage0: 3.3 V", "soil_moisture: 6.003 V"}},
		{"device = \"bme280@1-0077\"\nfields = [\"temp*\", \"pressure\"]", []string{"temperature: 25.08 °C", "pressure: 1006.533203 hPa"}},
		{"device = \"greenhouse\"\nfields = [\"humidity\"]", []string{"humidity: 59.2 %"}},
		{"device = \"bme280\"\nfields = [\"*_humidity\"]", []string{"bme280_1-0076_humidity: 59.2 %", "bme280_1-0077_humidity: 59.2 %"}},
		{`device = "sht4x"`, []string{"missing: there is no iio device sht4x" + there}},
		{`device = "ads1015@1-0049"`, []string{"missing: there is no iio device ads1015@1-0049" + there}},
		{`device = "empty"`, []string{"missing: iio: empty@x: nothing that can be measured, or no such field"}},
		{"device = \"ads1015\"\nfields = [\"x\"]", []string{"missing: iio: ads1015@1-0048: nothing that can be measured, or no such field"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, read(t, build(t, iioKind(), h, tt.text).Sensor)); diff != "" {
			t.Errorf("%s: %s", tt.text, diff)
		}
	}
	want := []string{"missing: there is no iio device: load its driver, for example by dtoverlay=i2c-sensor,bme280 in config.txt"}
	if diff := cmp.Diff(want, read(t, build(t, iioKind(), NewHost(t.TempDir()), "").Sensor)); diff != "" {
		t.Error(diff)
	}
}

// One file each, or a raw one with what makes a value of it.
func TestIIOChannels(t *testing.T) {
	tests := []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"in_temp_raw": "2000", "in_temp_scale": "2.5", "in_temp_offset": "100"}, "temperature: 5.25 °C"},
		{map[string]string{"in_temp_raw": "2000", "in_temp_input": "1500"}, "temperature: 1.5 °C"},
		{map[string]string{"in_temp_object_raw": "14700", "in_temp_scale": "20", "in_temp_offset": "-13657.500000"}, "temperature_object: 20.85 °C"},
		{map[string]string{"in_concentration_co2_raw": "8150000", "in_concentration_co2_scale": "0.00000001"}, "co2: 815 ppm"},
		{map[string]string{"in_concentration_voc_input": "0.0000125"}, "voc: 0.125 ppm"},
		{map[string]string{"in_concentration_o2_raw": "209", "in_concentration_scale": "0.1"}, "o2: 20.9 %"},
		{map[string]string{"in_concentration_input": "0.04"}, "concentration: 400 ppm"},
		{map[string]string{"in_massconcentration_pm2p5_input": "12.5"}, "pm2p5: 12.5 µg/m³"},
		{map[string]string{"in_illuminance_input": "104.500000"}, "illuminance: 104.5 lx"},
		{map[string]string{"in_illuminance0_raw": "10", "in_illuminance_scale": "0.5"}, "illuminance0: 5 lx"},
		{map[string]string{"in_accel_x_raw": "-1000", "in_accel_scale": "0.009806"}, "accel_x: -9.806 m/s²"},
		{map[string]string{"in_magn_z_raw": "2", "in_magn_z_scale": "0.5", "in_magn_scale": "9"}, "magn_z: 0.0001 T"},
		{map[string]string{"in_angl_raw": "2048", "in_angl_scale": "0.00153398"}, "angl: 179.999908 °"},
		{map[string]string{"in_current3_raw": "1500", "scale": "2"}, "current3: 3 A"},
		{map[string]string{"in_power2_input": "1500"}, "power2: 1.5 W"},
		{map[string]string{"in_distance_input": "0.123"}, "distance: 0.123 m"},
		{map[string]string{"in_electricalconductivity_raw": "5", "in_electricalconductivity_scale": "0.01"}, "conductivity: 500 µS/cm"},
		{map[string]string{"in_ph_raw": "7012", "in_ph_scale": "0.001"}, "ph: 7.012 pH"},
		{map[string]string{"in_voltage0_i_raw": "7", "in_voltage_i_scale": "1000"}, "voltage0_i: 7 V"},
		{map[string]string{"in_count0_raw": "42"}, "count0: 42 count"},
		{map[string]string{"in_proximity_raw": "900"}, "proximity: 900"},
		{map[string]string{"in_temp_raw": "900"}, "temperature: 900 (uncertain: a raw number: the driver tells no scale)"},
		{map[string]string{"in_humidityrelative_input": "100400"}, "humidity: 100.4 % (uncertain: outside of 0 to 100 %)"},
		{map[string]string{"in_humidityrelative_input": "130000"}, "humidity: fault: 130 % makes no sense"},
		{map[string]string{"in_temp_input": "-280000"}, "temperature: fault: -280 °C makes no sense"},
		{map[string]string{"in_pressure_input": "-1"}, "pressure: fault: -10 hPa makes no sense"},
		{map[string]string{"in_temp_input": "nan"}, `temperature: fault: "nan" is not a number`},
		{map[string]string{"in_temp_input": ""}, "temperature: fault: file is empty"},
		{map[string]string{"in_temp_raw": "1", "in_temp_scale": "x"}, `temperature: fault: "x" is not a number`},
	}
	for _, tt := range tests {
		files := map[string]string{"name": "c", "in_temp_peak_raw": "1", "in_temp_mean_raw": "1", "in_rot_quaternion_raw": "1 2 3 4",
			"in_timestamp_en": "1", "out_voltage0_raw": "1", "in_unheard_of_raw": "1", "in_raw": "1"}
		maps.Copy(files, tt.files)
		h := iioTree(t, map[string]map[string]string{"x/iio:device0": files})
		if diff := cmp.Diff([]string{tt.want}, read(t, build(t, iioKind(), h, `device = "c"`).Sensor)); diff != "" {
			t.Errorf("%v: %s", tt.files, diff)
		}
	}
}

// A read of a channel takes time on its bus.
func TestIIOReadsOnlyWhatIsWanted(t *testing.T) {
	h := iioTree(t, map[string]map[string]string{"i2c-1/1-0076/iio:device0": bme280()})
	inner, inputs := h.read, 0
	h.read = func(path string, buf []byte, limit int) ([]byte, error) {
		if strings.HasSuffix(path, "_input") {
			inputs++
		}
		return inner(path, buf, limit)
	}
	read(t, build(t, iioKind(), h, `fields = ["*_humidity"]`).Sensor)
	if inputs != 1 {
		t.Errorf("%d channels were read, want 1", inputs)
	}
}

func TestIIORetriesOneChannel(t *testing.T) {
	const input = "/sys/bus/iio/devices/iio:device0/in_temp_input"
	for _, tt := range []struct {
		err   error
		want  string
		tries uint64
	}{
		{syscall.EIO, "temperature: fault: read " + input + ": input/output error", 2},
		{syscall.ENODATA, "temperature: fault: read " + input + ": no data available", 2},
		{syscall.ETIMEDOUT, "temperature: fault: read " + input + ": connection timed out", 2},
		{syscall.EBUSY, "temperature: fault: read " + input + ": device or resource busy", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := iioTree(t, map[string]map[string]string{"i2c-1/1-0076/iio:device0": bme280()})
			failRead(h, input, tt.err)
			s := build(t, iioKind(), h, `device = "bme280"`).Sensor
			want := []string{tt.want, "humidity: 59.2 %", "pressure: 1006.533203 hPa"}
			if diff := cmp.Diff(want, read(t, s)); diff != "" {
				t.Errorf("%v: %s", tt.err, diff)
			}
			if got := s.(agent.Troubled).Trouble().Retried; got != tt.tries {
				t.Errorf("%v: %d retries, want %d", tt.err, got, tt.tries)
			}
		})
	}
}

func TestIIOFollowsTheHardware(t *testing.T) {
	h := iioTree(t, map[string]map[string]string{"i2c-1/1-0076/iio:device0": bme280()})
	s := build(t, iioKind(), h, "device = \"bme280@1-0076\"\nfields = [\"temperature\"]").Sensor
	want := []string{"temperature: 25.08 °C"}
	if diff := cmp.Diff(want, read(t, s)); diff != "" {
		t.Fatal(diff)
	}
	if err := os.Rename(h.path("/sys/bus/iio/devices/iio:device0"), h.path("/sys/bus/iio/devices/iio:device5")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestIIOStopsWithItsContext(t *testing.T) {
	h := iioTree(t, map[string]map[string]string{"i2c-1/1-0076/iio:device0": bme280()})
	if _, err := build(t, iioKind(), h, "").Sensor.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
}

func TestQuantitiesHaveKnownUnits(t *testing.T) {
	for _, q := range quantities {
		if _, ok := agent.LookupUnit(q.unit); !ok && q.unit != "" {
			t.Errorf("%s: %q is not in the table of units", q.name, q.unit)
		}
	}
}

func FuzzIIOChannelOf(f *testing.F) {
	for _, seed := range []string{"in_temp_raw", "in_voltage0-voltage1_raw", "in_concentration_co2_input", "in__raw", "in_", "_raw_input"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		ch, ok := iioChannelOf(file, []string{file, "scale"})
		if ok && agent.CheckName("s."+ch.field) != nil {
			t.Errorf("%q gives the field %q", file, ch.field)
		}
	})
}
