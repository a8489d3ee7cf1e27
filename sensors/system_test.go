package sensors

import (
	"context"
	"errors"
	"maps"
	"strings"
	"syscall"
	"testing"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

const mi = 1 << 20

// pi is a board with everything. Extra files replace its own; "" leaves one out.
func pi(t *testing.T, extra map[string]string) *Host {
	files := map[string]string{
		"/proc/loadavg":                         "0.05 0.14 1.15 1/93 11906\n",
		"/proc/uptime":                          "12345.67 20000.00\n",
		"/proc/stat":                            "cpu  10 0 10 80 0 0 0 0 0 0\n",
		"/proc/meminfo":                         "MemTotal: 4096 kB\nMemAvailable: 1024 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n",
		"/proc/net/dev":                         netDev + " wlan0: 5 0 1 0 0 0 0 0 6 0 1 0 0 0 0 0\n",
		"/proc/net/wireless":                    wireless,
		"/proc/pressure/cpu":                    "some avg10=1.00 avg60=0.00\n",
		"/proc/pressure/io":                     "some avg10=2.00 avg60=0.00\n",
		"/proc/pressure/memory":                 "some avg10=3.00 avg60=0.00\n",
		"/proc/self/mounts":                     "/dev/mmcblk0p2 / ext4 ro 0 0\n/dev/mmcblk0p1 /boot/firmware vfat rw 0 0\n",
		"/sys/class/net/lo/mtu":                 "65536\n",
		"/sys/class/net/eth0/device/vendor":     "x\n",
		"/sys/class/net/veth1/mtu":              "1500\n",
		"/sys/class/net/wlan0/phy80211/index":   "0\n",
		"/sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
		"/sys/class/thermal/thermal_zone0/temp": "1000\n",
		"/sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
		"/sys/class/thermal/thermal_zone1/temp": "51540\n",
		"/sys/firmware/devicetree/base/model":   "Raspberry Pi Zero W Rev 1.1\x00",
		throttledFile:                           "50005\n",
	}
	maps.Copy(files, extra)
	maps.DeleteFunc(files, func(_, content string) bool { return content == "" })
	h := tree(t, files)
	h.Statfs = func(path string) (Space, error) {
		switch path {
		case h.path("/"):
			return Space{Total: 1000 * mi, Free: 300 * mi, Available: 100 * mi, ReadOnly: true}, nil
		case h.path("/boot/firmware"):
			return Space{Total: 100 * mi, Free: 75 * mi, Available: 75 * mi}, nil
		}
		return Space{}, syscall.ENOENT
	}
	return h
}

func TestSystemReadsEverything(t *testing.T) {
	b := build(t, systemKind(), pi(t, nil), `mounts = ["/", "/boot/firmware/"]`)
	want := []string{
		"cpu_temperature: 51.54 °C",
		"cpu_use: missing: measured from the second reading on",
		"load1: 0.05", "load5: 0.14", "load15: 1.15",
		"memory_used: 75 %", "memory_available: 1 MiB", "swap_used: 60 %",
		"disk_readonly: true", "disk_used: 87.5 %", "disk_free: 100 MiB",
		"disk_readonly_boot_firmware: false", "disk_used_boot_firmware: 25 %", "disk_free_boot_firmware: 75 MiB",
		"uptime: 12345.67 s",
		"net_rx_eth0: 156074689 B", "net_tx_eth0: 303835 B", "net_errors_eth0: 7 count",
		"net_rx_wlan0: 5 B", "net_tx_wlan0: 6 B", "net_errors_wlan0: 2 count", "wifi_wlan0: -56 dBm",
		"pressure_cpu: 1 %", "pressure_io: 2 %", "pressure_memory: 3 %",
		"under_voltage: true", "frequency_capped: false", "throttled: true",
	}
	if diff := cmp.Diff(want, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

// What New says about fields is true of every Read, hence of one on a machine with nothing.
func TestSystemFieldsAreCertain(t *testing.T) {
	for _, keys := range []string{"",
		`mounts = ["/", "/data"]`, "interfaces = [\"eth0\"]\nfields = [\"net_*\", \"uptime\", \"throttled\"]"} {
		b := build(t, systemKind(), NewHost(t.TempDir()), keys)
		readings, err := b.Sensor.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range readings {
			names = append(names, r.Name)
			if r.OK() && !strings.HasPrefix(r.Name, "disk_") {
				t.Errorf("%s is %v on a machine with nothing", r.Name, r.Value)
			}
		}
		same := cmp.Transformer("set", func(list []string) map[string]bool {
			set := make(map[string]bool)
			for _, s := range list {
				set[s] = true
			}
			return set
		})
		if diff := cmp.Diff(b.Fields, names, same); diff != "" {
			t.Errorf("%s: %s", keys, diff)
		}
	}
}

func TestSystemBus(t *testing.T) {
	for keys, want := range map[string]string{"": "sysfs", `mounts = []`: "sysfs", `mounts = ["/", "/mnt/nas"]`: ""} {
		if b := build(t, systemKind(), NewHost("/"), keys); b.Bus != want {
			t.Errorf("%q: bus %q, want %q", keys, b.Bus, want)
		}
	}
}

func TestSystemParts(t *testing.T) {
	const zone, chips = "/sys/class/thermal/thermal_zone1/", "/sys/class/hwmon/"
	tests := []struct {
		name  string
		files map[string]string
		keys  string
		want  []string
	}{
		{"temperature of x86", map[string]string{zone + "type": "x86_pkg_temp\n"}, `fields = ["cpu_t*"]`,
			[]string{"cpu_temperature: 51.54 °C"}},
		{"temperature from hwmon", map[string]string{zone + "type": "", zone + "temp": "",
			chips + "hwmon0/name": "acpitz\n", chips + "hwmon0/temp1_input": "1\n",
			chips + "hwmon1/name": "coretemp\n", chips + "hwmon1/temp2_input": "62000\n", chips + "hwmon1/temp3_input": "99000\n"},
			`fields = ["cpu_t*"]`, []string{"cpu_temperature: 62 °C"}},
		{"hwmon chip without temperature", map[string]string{zone + "type": "", zone + "temp": "", chips + "hwmon1/name": "k10temp\n"},
			`fields = ["cpu_t*"]`, []string{"cpu_temperature: missing: the chip k10temp shows no temperature"}},
		{"no temperature", map[string]string{zone + "type": "", zone + "temp": ""}, `fields = ["cpu_t*"]`,
			[]string{"cpu_temperature: missing: no CPU temperature sensor in /sys/class/thermal or hwmon"}},
		{"zone disabled", map[string]string{zone + "mode": "disabled\n"}, `fields = ["cpu_t*"]`,
			[]string{"cpu_temperature: fault: the zone is disabled"}},
		{"zone cold", map[string]string{zone + "temp": "-274000\n"}, `fields = ["cpu_t*"]`,
			[]string{"cpu_temperature: fault: -274 °C makes no sense"}},

		{"no swap", map[string]string{"/proc/meminfo": "MemTotal: 4 kB\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"},
			`fields = ["swap_used"]`, []string{"swap_used: missing: no swap"}},
		{"old kernel", map[string]string{"/proc/meminfo": "MemTotal: 4 kB\nSwapTotal: 2 kB\nSwapFree: 2 kB\n"}, `fields = ["memory_*", "swap*"]`,
			[]string{"memory_used: missing: this kernel does not tell MemAvailable",
				"memory_available: missing: this kernel does not tell MemAvailable", "swap_used: 0 %"}},
		{"bad meminfo", map[string]string{"/proc/meminfo": "x"}, `fields = ["memory_*", "swap*"]`,
			[]string{"memory_used: fault: meminfo: no MemTotal", "memory_available: fault: meminfo: no MemTotal",
				"swap_used: fault: meminfo: no MemTotal"}},
		{"bad load", map[string]string{"/proc/loadavg": "x"}, `fields = ["load*"]`,
			[]string{`load1: fault: loadavg: "x" is no load`, `load5: fault: loadavg: "x" is no load`, `load15: fault: loadavg: "x" is no load`}},
		{"no load", map[string]string{"/proc/loadavg": ""}, `fields = ["load1"]`, []string{"load1: missing: there is no /proc/loadavg"}},
		{"bad uptime", map[string]string{"/proc/uptime": "x"}, `fields = ["uptime"]`, []string{`uptime: fault: uptime: "x" is not a number`}},
		{"no uptime", map[string]string{"/proc/uptime": ""}, `fields = ["uptime"]`, []string{"uptime: missing: there is no /proc/uptime"}},
		{"bad stat", map[string]string{"/proc/stat": "x"}, `fields = ["cpu_use"]`, []string{`cpu_use: fault: stat: "x" is no line of CPU times`}},
		{"pressure", map[string]string{"/proc/pressure/cpu": "x", "/proc/pressure/io": ""}, `fields = ["pressure_*"]`,
			[]string{`pressure_cpu: fault: pressure: "x" is no pressure`,
				"pressure_io: missing: kernel without pressure stall information", "pressure_memory: 3 %"}},

		{"unplugged disk", nil, "mounts = [\"/mnt/usb\"]\nfields = [\"disk*\"]",
			[]string{"disk_used_mnt_usb: missing: nothing is mounted at /mnt/usb",
				"disk_free_mnt_usb: missing: nothing is mounted at /mnt/usb", "disk_readonly_mnt_usb: missing: nothing is mounted at /mnt/usb"}},
		{"mount that went", map[string]string{"/proc/self/mounts": "x /mnt/usb ext4 rw 0 0\n"}, "mounts = [\"/mnt/usb\"]\nfields = [\"disk_free*\"]",
			[]string{"disk_free_mnt_usb: missing: there is no /mnt/usb"}},
		{"no mounts file", map[string]string{"/proc/self/mounts": ""}, "mounts = [\"/mnt/usb\"]\nfields = [\"disk_free*\"]",
			[]string{"disk_free_mnt_usb: missing: there is no /proc/self/mounts"}},

		{"absent interfaces", nil, "interfaces = [\"eth9\", \"wlan9\"]\nfields = [\"net_rx_*\", \"wifi_*\"]",
			[]string{"net_rx_eth9: missing: no interface eth9; there are: lo, eth0, wlan0",
				"net_rx_wlan9: missing: no interface wlan9; there are: lo, eth0, wlan0", "wifi_wlan9: missing: no interface wlan9"}},
		{"named interfaces", nil, "interfaces = [\"lo\"]\nfields = [\"net_*\", \"wifi_*\"]",
			[]string{"net_rx_lo: 3193 B", "net_tx_lo: 3193 B", "net_errors_lo: 0 count"}},
		{"bad counters", map[string]string{"/proc/net/dev": "eth0: x"}, `fields = ["net_rx*", "wifi*"]`,
			[]string{`net_rx_eth0: fault: net/dev: "eth0: x" is no line of counters`,
				`net_rx_wlan0: fault: net/dev: "eth0: x" is no line of counters`, "wifi_wlan0: -56 dBm"}},
		{"wifi levels", nil, "interfaces = [\"wlan1\", \"wlan2\", \"wlan3\", \"wlan4\"]\nfields = [\"wifi*\"]",
			[]string{"wifi_wlan1: missing: not connected", "wifi_wlan2: missing: the driver gives no level in dBm",
				"wifi_wlan3: fault: -256 dBm makes no sense", `wifi_wlan4: fault: net/wireless: "loud" is not a number`}},
		{"wifi without WEXT", map[string]string{"/proc/net/wireless": ""}, `fields = ["wifi*"]`,
			[]string{"wifi_wlan0: missing: there is no /proc/net/wireless"}},
		{"wifi not listed", map[string]string{"/proc/net/wireless": "x\n"}, `fields = ["wifi*"]`,
			[]string{"wifi_wlan0: missing: wlan0 is not in /proc/net/wireless"}},

		{"throttled bits", map[string]string{throttledFile: "2\n"}, `fields = ["under*", "freq*", "thro*"]`,
			[]string{"under_voltage: false", "frequency_capped: true", "throttled: false"}},
		{"throttled bits of another SoC", map[string]string{throttledFile: "", firmwareDriver + "/bind": "x",
			firmwareDriver + "/soc@1:firmware/get_throttled": "4\n"}, `fields = ["thro*"]`, []string{"throttled: true"}},
		{"bad bits", map[string]string{throttledFile: "zz\n"}, `fields = ["throttled"]`,
			[]string{`throttled: fault: get_throttled: "zz" is not a hex number`}},
		{"mainline kernel on a Pi", map[string]string{throttledFile: "", chips + "hwmon0/name": "rpi_volt\n", chips + "hwmon0/in0_lcrit_alarm": "1\n"},
			`fields = ["under*", "freq*", "thro*"]`,
			[]string{"under_voltage: true", "frequency_capped: missing: this kernel does not show it", "throttled: missing: this kernel does not show it"}},
		{"bad alarm", map[string]string{throttledFile: "", chips + "hwmon0/name": "rpi_volt\n", chips + "hwmon0/in0_lcrit_alarm": "?\n"},
			`fields = ["under*"]`, []string{`under_voltage: fault: "?" is neither true nor false`}},
		{"Debian kernel on a Pi", map[string]string{throttledFile: ""}, `fields = ["under*", "freq*", "thro*"]`,
			[]string{"under_voltage: missing: this kernel does not show it",
				"frequency_capped: missing: this kernel does not show it", "throttled: missing: this kernel does not show it"}},
		{"another board", map[string]string{throttledFile: "", "/sys/firmware/devicetree/base/model": "Pine64 Board\x00"},
			`fields = ["under*", "freq*", "thro*"]`, []string{"missing: this machine has no field that matches under*, freq*, thro*"}},
		{"another board, asked by name", map[string]string{throttledFile: "", "/sys/firmware/devicetree/base/model": ""},
			`fields = ["throttled", "wifi_wlan9"]`, []string{"throttled: missing: this machine does not have it", "wifi_wlan9: missing: this machine does not have it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := build(t, systemKind(), pi(t, tt.files), tt.keys)
			if diff := cmp.Diff(tt.want, read(t, b.Sensor)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSystemDiskErrors(t *testing.T) {
	tests := []struct {
		space Space
		err   error
		want  []string
	}{
		{Space{}, nil, []string{"disk_readonly: false", "disk_used: missing: the file system at / has no size", "disk_free: missing: the file system at / has no size"}},
		{Space{}, syscall.EIO, []string{"disk_used: fault: statfs /: input/output error",
			"disk_free: fault: statfs /: input/output error", "disk_readonly: fault: statfs /: input/output error"}},
		{Space{Total: mi, Free: 2 * mi, Available: mi}, nil, []string{"disk_readonly: false", "disk_used: 0 %", "disk_free: 1 MiB"}},
	}
	for _, tt := range tests {
		h := pi(t, nil)
		h.Statfs = func(string) (Space, error) { return tt.space, tt.err }
		b := build(t, systemKind(), h, `fields = ["disk*"]`)
		if diff := cmp.Diff(tt.want, read(t, b.Sensor)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSystemPressureSwitchedOff(t *testing.T) {
	h := pi(t, nil)
	failRead(h, "/proc/pressure/cpu", syscall.EOPNOTSUPP)
	failRead(h, "/proc/pressure/io", syscall.EIO)
	want := []string{"pressure_cpu: missing: kernel without pressure stall information",
		"pressure_io: fault: read /proc/pressure/io: input/output error", "pressure_memory: 3 %"}
	if diff := cmp.Diff(want, read(t, build(t, systemKind(), h, `fields = ["pressure*"]`).Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestSystemCPUUseOverTime(t *testing.T) {
	h := pi(t, nil)
	s := build(t, systemKind(), h, `fields = ["cpu_use"]`).Sensor
	steps := []struct{ stat, want string }{
		{"cpu 10 0 10 80 0\n", "cpu_use: missing: measured from the second reading on"},
		{"cpu 20 0 30 150 0\n", "cpu_use: 30 %"},
		{"cpu 20 0 30 150 0\n", "cpu_use: missing: no CPU time was counted since the last reading"},
		{"broken\n", `cpu_use: fault: stat: "broken" is no line of CPU times`},
		{"cpu 70 0 30 200 0\n", "cpu_use: 50 %"},
		{"cpu 1 0 1 1 0\n", "cpu_use: missing: no CPU time was counted since the last reading"}, // went back
		{"cpu 2 0 1 4 0\n", "cpu_use: 25 %"},
	}
	for _, step := range steps {
		put(t, h, "/proc/stat", step.stat)
		if diff := cmp.Diff([]string{step.want}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSystemCountersOverTime(t *testing.T) {
	h := pi(t, nil)
	s := build(t, systemKind(), h, `fields = ["net_*_eth0"]`).Sensor
	steps := []struct {
		dev  string
		want []string
	}{
		{"eth0: 100 0 0 0 0 0 0 0 200 0 5 0", []string{"net_rx_eth0: 100 B", "net_tx_eth0: 200 B", "net_errors_eth0: 5 count"}},
		{"eth0: 150 0 0 0 0 0 0 0 20 0 5 0", []string{"net_rx_eth0: 150 B",
			"net_tx_eth0: 20 B (uncertain: the counter went back: the interface was restarted)", "net_errors_eth0: 5 count"}},
		{"eth0: 160 0 0 0 0 0 0 0 30 0 5 0", []string{"net_rx_eth0: 160 B", "net_tx_eth0: 30 B", "net_errors_eth0: 5 count"}},
		{"lo: 160 0 0 0 0 0 0 0 30 0 5 0", []string{"net_rx_eth0: missing: no interface eth0; there are: lo",
			"net_tx_eth0: missing: no interface eth0; there are: lo", "net_errors_eth0: missing: no interface eth0; there are: lo"}},
		{"eth0: 1 0 0 0 0 0 0 0 2 0 0 0", []string{"net_rx_eth0: 1 B", "net_tx_eth0: 2 B", "net_errors_eth0: 0 count"}},
	}
	for _, step := range steps {
		put(t, h, "/proc/net/dev", step.dev+"\n")
		if diff := cmp.Diff(step.want, read(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSystemStopsWithItsContext(t *testing.T) {
	s := build(t, systemKind(), pi(t, nil), "").Sensor
	if _, err := s.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
}

// This machine, whatever it is, tells its load, memory, uptime and disk.
func TestSystemOfThisMachine(t *testing.T) {
	s := build(t, systemKind(), NewHost("/"), "").Sensor
	readings, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]agent.Reading)
	for _, r := range readings {
		got[r.Name] = r
	}
	for _, name := range []string{"load1", "load5", "load15", "memory_used", "memory_available", "uptime", "disk_used", "disk_free", "disk_readonly"} {
		if r, ok := got[name]; !ok || !r.OK() {
			t.Errorf("%s: %q", name, lines([]agent.Reading{r}, nil))
		}
	}
}

// What it costs to read the whole board once.
func BenchmarkSystem(b *testing.B) {
	built, err := systemKind().New(NewHost("/"), func(any) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := built.Sensor.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
