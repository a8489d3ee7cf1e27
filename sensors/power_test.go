package sensors

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

const ps = powerSupplies + "/"

func suppliesTree(t *testing.T) *Host {
	return tree(t, map[string]string{
		ps + "AC0/type":                  "Mains\n",
		ps + "AC0/online":                "1\n",
		ps + "battery/type":              "Battery\n",
		ps + "battery/status":            "Not charging\n",
		ps + "battery/health":            "Good\n",
		ps + "battery/online":            "2\n",
		ps + "battery/capacity":          "87\n",
		ps + "battery/voltage_now":       "4123750\n",
		ps + "battery/current_now":       "-512000\n",
		ps + "battery/power_now":         "2100000\n",
		ps + "battery/charge_now":        "1850000\n",
		ps + "battery/charge_full":       "2000000\n",
		ps + "battery/energy_now":        "7500000\n",
		ps + "battery/energy_full":       "8000000\n",
		ps + "battery/temp":              "-53\n",
		ps + "battery/cycle_count":       "12\n",
		ps + "battery/time_to_empty_now": "5400\n",
		ps + "battery/voltage_min":       "3000000\n",
	})
}

func TestPower(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", []string{"ac0_online: true",
			"battery_status: Not charging", "battery_health: Good", "battery_online: true", "battery_capacity: 87 %",
			"battery_voltage: 4.12375 V", "battery_current: -0.512 A", "battery_power: 2.1 W", "battery_charge: 1.85 Ah",
			"battery_charge_full: 2 Ah", "battery_energy: 7.5 Wh", "battery_energy_full: 8 Wh", "battery_temperature: -5.3 °C",
			"battery_cycles: 12 count", "battery_time_to_empty: 5400 s"}},
		{"supply = \"battery\"\nfields = [\"capacity\", \"energy*\"]", []string{"capacity: 87 %", "energy: 7.5 Wh", "energy_full: 8 Wh"}},
		{`fields = ["*_online"]`, []string{"ac0_online: true", "battery_online: true"}},
		{`supply = "ups"`, []string{"missing: there is no power supply ups; there are: AC0, battery"}},
		{"supply = \"AC0\"\nfields = [\"capacity\"]", []string{"missing: AC0: nothing that can be measured, or no such field"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, read(t, build(t, powerKind(), suppliesTree(t), tt.text).Sensor)); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
	want := []string{"missing: there is no power supply in /sys/class/power_supply: load its driver, for example by dtoverlay=i2c-sensor,max17040"}
	if diff := cmp.Diff(want, read(t, build(t, powerKind(), NewHost(t.TempDir()), "").Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestPowerFaults(t *testing.T) {
	tests := []struct {
		file, text string
		err        error
		want       string
	}{
		{"capacity", "101\n", nil, "capacity: fault: 101 % makes no sense"},
		{"capacity", "-1\n", nil, "capacity: fault: -1 % makes no sense"},
		{"capacity", "full\n", nil, `capacity: fault: "full" is not a whole number`},
		{"temp", "-3000\n", nil, "temperature: fault: -300 °C makes no sense"},
		{"online", "maybe\n", nil, `online: fault: "maybe" is not a whole number`},
		{"online", "0\n", nil, "online: false"},
		{"status", "\n", nil, "status: fault: the read gave nothing"},
		{"status", "Unknown\n", nil, "status: Unknown"},
		{"voltage_now", "", syscall.EIO, "voltage: fault: read " + ps + "b/voltage_now: input/output error"},
		{"time_to_empty_now", "", syscall.ENODATA, "time_to_empty: missing: the driver has no value now"},
		{"current_now", "", syscall.ENODEV, "current: missing: the driver has no value now"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			h := tree(t, map[string]string{ps + "b/" + tt.file: tt.text})
			if tt.err != nil {
				failRead(h, ps+"b/"+tt.file, tt.err)
			}
			if diff := cmp.Diff([]string{tt.want}, read(t, build(t, powerKind(), h, `supply = "b"`).Sensor)); diff != "" {
				t.Errorf("%s %q: %s", tt.file, tt.text, diff)
			}
		})
	}
}

func TestPowerStopsWithItsContext(t *testing.T) {
	if _, err := build(t, powerKind(), suppliesTree(t), "").Sensor.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
}
