package sensors

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

const hw = "/sys/class/hwmon/"

// board has two chips of one name, one with many kinds of channels, and one
// with nothing to measure.
func board(t *testing.T) *Host {
	return tree(t, map[string]string{
		hw + "hwmon0/name":             "rpi_volt\n",
		hw + "hwmon0/in0_lcrit_alarm":  "0\n",
		hw + "hwmon1/name":             "sht4x\n",
		hw + "hwmon1/device":           "-> ../../../devices/i2c-1/1-0044",
		hw + "hwmon1/temp1_input":      "-3253\n",
		hw + "hwmon1/humidity1_input":  "59200\n",
		hw + "hwmon2/name":             "sht4x\n",
		hw + "hwmon2/device":           "-> ../../../devices/i2c-1/1-0045",
		hw + "hwmon2/temp1_input":      "21500\n",
		hw + "hwmon10/name":            "nct6775\n",
		hw + "hwmon10/device":          "-> ../../../devices/platform/nct6775.656",
		hw + "hwmon10/temp1_input":     "45000\n",
		hw + "hwmon10/temp1_label":     "CPU Temp (core 0)\n",
		hw + "hwmon10/temp1_alarm":     "1\n",
		hw + "hwmon10/temp2_input":     "0\n",
		hw + "hwmon10/temp2_fault":     "1\n",
		hw + "hwmon10/temp10_input":    "1000\n",
		hw + "hwmon10/temp10_fault":    "0\n",
		hw + "hwmon10/in0_input":       "3312\n",
		hw + "hwmon10/in1_input":       "-12000\n",
		hw + "hwmon10/in1_label":       "-12V\n",
		hw + "hwmon10/curr1_input":     "250\n",
		hw + "hwmon10/power1_average":  "7500000\n",
		hw + "hwmon10/power2_input":    "1500000\n",
		hw + "hwmon10/power2_average":  "9\n",
		hw + "hwmon10/energy1_input":   "5000000\n",
		hw + "hwmon10/fan1_input":      "1200\n",
		hw + "hwmon10/fan1_min":        "100\n",
		hw + "hwmon10/pwm1":            "128\n",
		hw + "hwmon10/intrusion0_alar": "1\n",
	})
}

func TestHwmonReadsAllChips(t *testing.T) {
	b := build(t, hwmonKind(), board(t), "")
	if b.Bus != "hwmon" || b.Timeout != 10*time.Second || b.Fields != nil {
		t.Errorf("bus %q, timeout %v, fields %q", b.Bus, b.Timeout, b.Fields)
	}
	want := []string{
		"sht4x_1-0044_temp1: -3.253 °C",
		"sht4x_1-0044_humidity1: 59.2 %",
		"sht4x_1-0045_temp1: 21.5 °C",
		"nct6775_cpu_temp_core_0: 45 °C",
		"nct6775_temp2: fault: the chip reports a fault: look at the sensor and its wires",
		"nct6775_temp10: 1 °C",
		"nct6775_in0: 3.312 V",
		"nct6775_-12v: -12 V",
		"nct6775_curr1: 0.25 A",
		"nct6775_power1: 7.5 W",
		"nct6775_power2: 1.5 W",
		"nct6775_energy1: 5 J",
		"nct6775_fan1: 1200 rpm",
	}
	if diff := cmp.Diff(want, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestHwmonPicksAChip(t *testing.T) {
	h := board(t)
	const there = "; there are: rpi_volt, sht4x@1-0044, sht4x@1-0045, nct6775@nct6775.656"
	tests := []struct {
		chip string
		want []string
	}{
		{"sht4x@1-0045", []string{"sht4x_temp1: 21.5 °C"}},
		{"sht4x", []string{"sht4x_1-0044_temp1: -3.253 °C", "sht4x_1-0044_humidity1: 59.2 %", "sht4x_1-0045_temp1: 21.5 °C"}},
		{"sht4x@1-0046", []string{"missing: there is no hwmon chip sht4x@1-0046" + there}},
		{"bme280", []string{"missing: there is no hwmon chip bme280" + there}},
		{"rpi_volt", []string{"missing: hwmon: rpi_volt: nothing that can be measured"}},
	}
	for _, tt := range tests {
		b := build(t, hwmonKind(), h, `chip = "`+tt.chip+`"`)
		if diff := cmp.Diff(tt.want, read(t, b.Sensor)); diff != "" {
			t.Errorf("%s: %s", tt.chip, diff)
		}
	}
	b := build(t, hwmonKind(), NewHost(t.TempDir()), "")
	if diff := cmp.Diff([]string{"missing: there is no hwmon chip in /sys/class/hwmon"}, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestHwmonFaults(t *testing.T) {
	const dir = hw + "hwmon0/"
	const path = "read " + dir + "temp1_input: "
	tests := []struct {
		content string
		err     error
		want    string
	}{
		{"-273150\n", nil, "c_temp1: -273.15 °C"},
		{"-273151\n", nil, "c_temp1: fault: -273.151 °C makes no sense"},
		{"2000001\n", nil, "c_temp1: fault: 2000.001 °C makes no sense"},
		{"", nil, "c_temp1: fault: file is empty"},
		{"21.5\n", nil, `c_temp1: fault: "21.5" is not a whole number`},
		{"garbage that goes on and on\n", nil, `c_temp1: fault: "garbage that goes on"... is not a whole number`},
		{"\xff\x01\n", nil, `c_temp1: fault: "\xff\x01" is not a whole number`},
		{"99999999999999999999\n", nil, `c_temp1: fault: "99999999999999999999" is not a whole number`},
		{"", syscall.ENODATA, "c_temp1: fault: " + path + "no data available"},
		{"", syscall.EIO, "c_temp1: fault: " + path + "input/output error"},
		{"", syscall.ENXIO, "c_temp1: fault: " + path + "no such device or address"},
		{"", syscall.ENOENT, "c_temp1: missing: there is no " + dir + "temp1_input"},
	}
	for _, tt := range tests {
		h := tree(t, map[string]string{dir + "name": "c\n", dir + "temp1_input": tt.content})
		if tt.err != nil {
			failRead(h, dir+"temp1_input", tt.err)
		}
		b := build(t, hwmonKind(), h, "")
		if diff := cmp.Diff([]string{tt.want}, read(t, b.Sensor)); diff != "" {
			t.Errorf("%q, %v: %s", tt.content, tt.err, diff)
		}
	}
}

func TestHwmonLimits(t *testing.T) {
	const dir = hw + "hwmon0/"
	h := tree(t, map[string]string{
		dir + "name":            "c\n",
		dir + "humidity1_input": "100500\n",
		dir + "humidity2_input": "-7000\n",
		dir + "humidity3_input": "100000\n",
		dir + "fan1_input":      "-1\n",
		dir + "energy1_input":   "-1\n",
		dir + "power1_input":    "-2000000\n",
	})
	want := []string{
		"c_humidity1: 100.5 % (uncertain: outside of 0 to 100 %)",
		"c_humidity2: fault: -7 % makes no sense",
		"c_humidity3: 100 %",
		"c_power1: -2 W",
		"c_energy1: fault: -0.000001 J makes no sense",
		"c_fan1: fault: -1 rpm makes no sense",
	}
	if diff := cmp.Diff(want, read(t, build(t, hwmonKind(), h, "").Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestHwmonNamesStayUnique(t *testing.T) {
	long := strings.Repeat("long", 12)
	h := tree(t, map[string]string{
		hw + "hwmon0/name":        "c\n", // no device link
		hw + "hwmon0/temp1_input": "1000\n",
		hw + "hwmon0/temp2_input": "2000\n",
		hw + "hwmon0/temp1_label": "SMBus\n",
		hw + "hwmon0/temp2_label": "SMBus\n",
		hw + "hwmon1/name":        "c\n",
		hw + "hwmon1/temp1_input": "3000\n",
		hw + "hwmon1/temp1_label": "SMBus\n",
		hw + "hwmon2/name":        "\n", // no name: no chip
		hw + "hwmon3/name":        long + "\n",
		hw + "hwmon3/temp1_input": "4000\n",
		hw + "hwmon3/temp2_input": "5000\n",
		hw + "hwmon3/temp2_label": "\n", // empty: as if it were not there
	})
	want := []string{
		"c_smbus: 1 °C", "c_smbus_2: 2 °C", "c_smbus_3: 3 °C",
		long[:40] + ": 4 °C", long[:40] + "_2: 5 °C",
	}
	if diff := cmp.Diff(want, read(t, build(t, hwmonKind(), h, "").Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestHwmonFollowsTheHardware(t *testing.T) {
	h := board(t)
	s := build(t, hwmonKind(), h, `chip = "sht4x@1-0044"`).Sensor
	if got := read(t, s); len(got) != 2 {
		t.Fatalf("at first: %q", got)
	}
	// renumbered, and without its humidity
	if err := os.Rename(h.path(hw+"hwmon1"), h.path(hw+"hwmon7")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.path(hw + "hwmon7/humidity1_input")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sht4x_temp1: -3.253 °C"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestHwmonStopsWithItsContext(t *testing.T) {
	s := build(t, hwmonKind(), board(t), "").Sensor
	if _, err := s.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
}

// A file that fails for a moment is read again; a dead chip costs two retries
// however many values it has.
func TestKernelChipsAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := tree(t, map[string]string{
			"/sys/class/hwmon/hwmon0/name":        "c",
			"/sys/class/hwmon/hwmon0/temp1_input": "1000",
			"/sys/class/hwmon/hwmon0/temp2_input": "2000",
		})
		inner, fail, reads := h.read, 0, 0
		h.read = func(p string, buf []byte, limit int) ([]byte, error) {
			if !strings.HasSuffix(p, "_input") {
				return inner(p, buf, limit)
			}
			if reads++; fail > 0 {
				fail--
				return nil, syscall.EREMOTEIO
			}
			return inner(p, buf, limit)
		}
		s := build(t, hwmonKind(), h, "").Sensor
		for _, tt := range []struct {
			fail, reads int
			want        string
		}{
			{0, 2, "c_temp1: 1 °C, c_temp2: 2 °C"},
			{2, 4, "c_temp1: 1 °C, c_temp2: 2 °C"},
			{99, 4, "c_temp1: fault: read /sys/class/hwmon/hwmon0/temp1_input: remote I/O error, " +
				"c_temp2: fault: read /sys/class/hwmon/hwmon0/temp2_input: remote I/O error"},
		} {
			fail, reads = tt.fail, 0
			if got := strings.Join(read(t, s), ", "); got != tt.want || reads != tt.reads {
				t.Errorf("%d failures: %s after %d reads, want %s after %d", tt.fail, got, reads, tt.want, tt.reads)
			}
		}
		if got := s.(agent.Troubled).Trouble(); got.Retried != 4 {
			t.Errorf("trouble %+v", got)
		}
	})
}
