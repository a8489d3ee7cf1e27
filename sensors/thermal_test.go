package sensors

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const th = "/sys/class/thermal/"

func zonesTree(t *testing.T) *Host {
	return tree(t, map[string]string{
		th + "cooling_device0/type": "Processor\n",
		th + "thermal_zone0/type":   "acpitz\n",
		th + "thermal_zone0/temp":   "27800\n",
		th + "thermal_zone0/mode":   "enabled\n",
		th + "thermal_zone0/device": "-> ../../LNXTHERM:00",
		th + "thermal_zone1/type":   "acpitz\n",
		th + "thermal_zone1/temp":   "-5000\n",
		th + "thermal_zone1/device": "-> ../../LNXTHERM:01",
		th + "thermal_zone2/type":   "cpu-thermal\n",
		th + "thermal_zone2/temp":   "51540\n",
		th + "thermal_zone3/type":   "gpu-thermal\n",
		th + "thermal_zone3/temp":   "40000\n",
		th + "thermal_zone3/mode":   "disabled\n",
		th + "thermal_zone10/type":  "cpu-thermal\n",
		th + "thermal_zone10/temp":  "52000\n",
		th + "thermal_zone11/type":  "\n",
	})
}

func TestThermal(t *testing.T) {
	h := zonesTree(t)
	tests := []struct {
		zone string
		want []string
	}{
		{"", []string{
			"acpitz_lnxtherm_00: 27.8 °C", "acpitz_lnxtherm_01: -5 °C",
			"cpu-thermal: 51.54 °C", "gpu-thermal: fault: the zone is disabled", "cpu-thermal_2: 52 °C"}},
		{"gpu-thermal", []string{": fault: the zone is disabled"}},
		{"acpitz", []string{"acpitz_lnxtherm_00: 27.8 °C", "acpitz_lnxtherm_01: -5 °C"}},
		{"soc", []string{"missing: there is no thermal zone of type soc; there are: acpitz, acpitz, cpu-thermal, gpu-thermal, cpu-thermal"}},
	}
	for _, tt := range tests {
		b := build(t, thermalKind(), h, `zone = "`+tt.zone+`"`)
		if diff := cmp.Diff(tt.want, read(t, b.Sensor)); diff != "" {
			t.Errorf("%q: %s", tt.zone, diff)
		}
		if b.Bus != "sysfs" || (len(b.Fields) == 1) != (tt.zone != "") {
			t.Errorf("%q: bus %q, fields %q", tt.zone, b.Bus, b.Fields)
		}
	}
	b := build(t, thermalKind(), NewHost(t.TempDir()), "")
	if diff := cmp.Diff([]string{"missing: there is no thermal zone in /sys/class/thermal"}, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestThermalFaults(t *testing.T) {
	const temp = th + "thermal_zone0/temp"
	tests := []struct {
		content string
		err     error
		want    string
	}{
		{"-274000\n", nil, ": fault: -274 °C makes no sense"},
		{"\n", nil, ": fault: file is empty"},
		{"hot\n", nil, `: fault: "hot" is not a whole number`},
		{"", syscall.EINVAL, ": fault: read " + temp + ": invalid argument"},
		{"", syscall.EAGAIN, ": fault: read " + temp + ": resource temporarily unavailable"},
		{"20178\n", nil, ": 20.178 °C"},
	}
	for _, tt := range tests {
		h := tree(t, map[string]string{th + "thermal_zone0/type": "cpu-thermal\n", temp: tt.content})
		if tt.err != nil {
			failRead(h, temp, tt.err)
		}
		s := build(t, thermalKind(), h, `zone = "cpu-thermal"`).Sensor
		if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
			t.Errorf("%q, %v: %s", tt.content, tt.err, diff)
		}
	}
}

func TestThermalStopsWithItsContext(t *testing.T) {
	s := build(t, thermalKind(), zonesTree(t), "").Sensor
	if _, err := s.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
}
