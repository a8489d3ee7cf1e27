package sensors

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

func TestKindsAreComplete(t *testing.T) {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
		if k.Doc == "" || strings.Contains(k.Doc, "\n") {
			t.Errorf("%s: Doc = %q, want one line", k.Name, k.Doc)
		}
		if !strings.Contains(k.Example, "kind = \""+k.Name+"\"\n") || !strings.HasPrefix(k.Example, "[sensor.") {
			t.Errorf("%s: the example is no table of this kind:\n%s", k.Name, k.Example)
		}
		b := build(t, k, NewHost(t.TempDir()), k.Example)
		if b.Sensor == nil {
			t.Errorf("%s: no sensor from the example", k.Name)
		}
		for _, f := range b.Fields {
			if f != "" && agent.CheckName("s."+f) != nil {
				t.Errorf("%s: field %q is no name", k.Name, f)
			}
		}
	}
	if diff := cmp.Diff([]string{
		"system", "hwmon", "thermal", "iio", "w1", "power",
		"bme280", "bmp280", "bmp180", "aht20", "sht4x", "scd4x",
		"tmp102", "mcp9808", "bh1750", "ads1115", "ina219", "mcp3008",
		"gpio", "serial", "file", "exec", "http", "camera", "sim",
	}, names); diff != "" {
		t.Error(diff)
	}
}

func TestKindsWorkWithDefaults(t *testing.T) {
	for _, k := range Kinds() {
		if slices.Contains([]string{"file", "gpio", "serial", "exec", "http"}, k.Name) {
			continue // one key is required
		}
		b := build(t, k, NewHost(t.TempDir()), "")
		if _, err := b.Sensor.Read(t.Context()); err != nil && !isMissing(err) {
			t.Errorf("%s on an empty machine: %v, want readings or missing", k.Name, err)
		}
	}
}

func TestKindsReturnTheErrorOfDecode(t *testing.T) {
	bad := errors.New("unknown key")
	for _, k := range Kinds() {
		if _, err := k.New(NewHost("/"), func(any) error { return bad }); err != bad {
			t.Errorf("%s: New = %v, want the error of decode", k.Name, err)
		}
	}
}

// The example shows every key: what is not shown is not found.
func TestExamplesShowEveryKey(t *testing.T) {
	want := map[string][]string{
		"system":  {"mounts", "interfaces", "fields"},
		"hwmon":   {"chip"},
		"thermal": {"zone"},
		"file":    {"path", "what", "unit", "scale", "offset"},
		"bme280":  {"bus", "address"},
		"bmp280":  {"bus", "address"},
		"bmp180":  {"bus", "address"},
		"aht20":   {"bus", "address"},
		"sht4x":   {"bus", "address"},
		"scd4x":   {"bus", "address", "altitude", "temperature_offset"},
		"sim":     {"shape", "min", "max", "period", "step", "unit", "seed", "fault", "fault_after", "fault_for"},
		"w1":      {"id", "names"},
		"iio":     {"device", "fields"},
		"power":   {"supply", "fields"},
		"tmp102":  {"bus", "address", "bits"},
		"mcp9808": {"bus", "address"},
		"bh1750":  {"bus", "address"},
		"ads1115": {"bus", "address", "channels", "range"},
		"ina219":  {"bus", "address", "shunt", "max_current"},
		"mcp3008": {"bus", "chip_select", "channels", "reference"},
		"gpio":    {"line", "line_name", "chip", "what", "pull", "active_low", "debounce", "edge", "scale", "unit", "rate_per", "rate_unit"},
		"serial":  {"port", "baud", "mode", "protocol", "pattern", "units", "send"},
		"exec":    {"run", "what", "fields", "units", "unit"},
		"http":    {"url", "json", "unit", "fields", "units", "token_file", "ca_file"},
		"camera":  {"command", "device", "path", "width", "height", "quality", "rotate"},
	}
	for _, k := range Kinds() {
		var got []string
		for line := range strings.Lines(k.Example) {
			if key, _, ok := strings.Cut(line, " = "); ok && key != "kind" {
				got = append(got, key)
			}
		}
		if diff := cmp.Diff(want[k.Name], got); diff != "" {
			t.Errorf("%s: %s", k.Name, diff)
		}
	}
}

func TestBadConfig(t *testing.T) {
	kinds := Kinds()
	tests := []struct {
		kind, text string
		want       []string
	}{
		{"system", `mounts = ["boot", "/a b", "/a_b"]`, []string{
			`mounts: "boot" is not a mount point: write the whole path, such as "/boot"`,
			`mounts: "/a b" and "/a_b" would have the same name`}},
		{"system", `mounts = ["/", "//"]`, []string{`mounts: "/" and "/" would have the same name`}},
		{"system", `interfaces = ["", "a/b", "wlan0", "wlan0"]`, []string{
			`interfaces: "" is not the name of an interface`,
			`interfaces: "a/b" is not the name of an interface`,
			`interfaces: "wlan0" and "wlan0" would have the same name`}},
		{"system", `fields = ["cpu_temprature", "load*", "net_rx_eth0", "throttled"]`, []string{
			`fields: there is no field "cpu_temprature" (did you mean "cpu_temperature"?)`}},
		{"system", `fields = ["zzzzzz"]`, []string{
			`fields: there is no field "zzzzzz" (allowed: cpu_temperature, cpu_use, load1, load5, load15, memory_used, ` +
				`memory_available, swap_used, uptime, disk_used, disk_free, disk_readonly, pressure_cpu, pressure_io, ` +
				`pressure_memory, under_voltage, frequency_capped, throttled, net_rx_*, net_tx_*, net_errors_*, wifi_*)`}},
		{"hwmon", `chip = "@1-0044"`, []string{`chip: "@1-0044" is not a chip: write its name, such as "sht4x", or name@device, such as "sht4x@1-0044"`}},
		{"hwmon", `chip = "sht4x@"`, []string{`chip: "sht4x@" is not a chip: write its name, such as "sht4x", or name@device, such as "sht4x@1-0044"`}},
		{"file", ``, []string{`path: the path of a file is needed`}},
		{"file", `path = "a/b"`, []string{`path: "a/b" is not a whole path: it must begin with /`}},
		{"file", "path = \"/a\"\nwhat = \"numbr\"", []string{`what: "numbr" is not known (did you mean "number"? allowed: number, text, bool)`}},
		{"file", "path = \"/a\"\nwhat = \"zzz\"", []string{`what: "zzz" is not known (allowed: number, text, bool)`}},
		{"file", "path = \"/a\"\nscale = 0", []string{`scale: 0 would make every value the same`}},
		{"file", "path = \"/a\"\nwhat = \"text\"\nunit = \"V\"\noffset = 1", []string{
			`scale: scale and offset are for what = "number"`,
			`unit: a unit is for what = "number"`}},
		{"file", "path = \"/a\"\nunit = \"Celcius\"", []string{`unit: "Celcius" is not a known unit (did you mean "°C"?)`}},
		{"file", "path = \"/a\"\nunit = \"Hpa\"", []string{`unit: "Hpa" is not a known unit (did you mean "hPa"?)`}},
		{"file", "path = \"/a\"\nunit = \"furlongs\"", []string{`unit: "furlongs" is not a known unit (use one of the unit table, such as °C, %, hPa, V)`}},
		{"gpio", ``, []string{`line: a line is needed: its number on the chip (on a Raspberry Pi that of GPIO17 is 17), or line_name`}},
		{"gpio", "line = 4\nline_name = \"GPIO4\"\nwhat = \"count\"\npull = \"upp\"\nedge = \"rise\"", []string{
			`line_name: line says already which line it is`,
			`what: "count" is not known (did you mean "counter"? allowed: state, counter, frequency)`,
			`pull: "upp" is not known (did you mean "up"? allowed: as-is, up, down, none)`,
			`edge: "rise" is not known (allowed: rising, falling, both)`}},
		{"gpio", "line = 4\ndebounce = \"2s\"\nscale = 0\nrate_per = \"10ms\"\nunit = \"furlongs\"\nrate_unit = \"mm/H\"", []string{
			`debounce: it must be between 0s and 1s`, `scale: 0 would count nothing`, `rate_per: it must be between 1s and 24h`,
			`unit: "furlongs" is not a known unit (use one of the unit table, such as °C, %, hPa, V)`,
			`rate_unit: "mm/H" is not a known unit (did you mean "mm/h"?)`}},
		{"bme280", "bus = 256\naddress = 0x78", []string{
			`bus: 256 is no i2c bus: write N of /dev/i2c-N`,
			`address: 0x78 is no address of this chip (allowed: 0x76, 0x77)`}},
		{"bmp280", `address = 0x75`, []string{`address: 0x75 is no address of this chip (allowed: 0x76, 0x77)`}},
		{"bmp180", `address = 0x76`, []string{`address: 0x76 is no address of this chip (allowed: 0x77)`}},
		{"aht20", `address = 0x39`, []string{`address: 0x39 is no address of this chip (allowed: 0x38)`}},
		{"sht4x", `address = 0x47`, []string{`address: 0x47 is no address of this chip (allowed: 0x44, 0x45, 0x46)`}},
		{"scd4x", "address = 0\naltitude = -1\ntemperature_offset = 20.5", []string{
			`address: 0x00 is no address of this chip (allowed: 0x62)`,
			`altitude: -1 m is not within 0 to 3000`,
			`temperature_offset: 20.5 °C is not within 0 to 20`}},
		{"scd4x", "altitude = 3001\ntemperature_offset = -1", []string{
			`altitude: 3001 m is not within 0 to 3000`,
			`temperature_offset: -1 °C is not within 0 to 20`}},
		{"sim", `shape = "sin"`, []string{`shape: "sin" is not known (did you mean "sine"? allowed: sine, walk, square, constant)`}},
		{"sim", `fault = "hung"`, []string{`fault: "hung" is not known (did you mean "hang"? allowed: none, fault, missing, stuck, nan, hang, flap)`}},
		{"sim", "min = 3\nmax = 2\nstep = -1\nperiod = \"0s\"", []string{
			`min: 3 is above max, which is 2`, `step: it must not be below 0`, `period: it must be longer than 0s`}},
		{"sim", "period = \"-1s\"\nfault_after = \"-1s\"\nfault_for = \"-1s\"", []string{
			`period: it must be longer than 0s`, `fault_after: it must not be below 0s`, `fault_for: it must not be below 0s`}},
		{"w1", `id = "28-0316A2795FFF"`, []string{
			`id: "28-0316A2795FFF" is no thermometer's id: write it as in /sys/bus/w1/devices, such as "28-0316a2795fff"`}},
		{"w1", `id = "01-0316a2795fff"`, []string{
			`id: "01-0316a2795fff" is no thermometer's id: write it as in /sys/bus/w1/devices, such as "28-0316a2795fff"`}},
		{"w1", "id = \"28-0316a2795fff\"\nnames = {\"a\": \"28-0316a2795fff\", \"b\": \"28-0316a2795fff\", \"c.d\": \"28-1\"}", []string{
			`names: id and names exclude each other`,
			`names: "a" and "b" are the same thermometer`,
			`names: "c.d" is no name of a field: only a-z, 0-9, _ and - are allowed`,
			`names: "28-1" is no thermometer's id: write it as in /sys/bus/w1/devices, such as "28-0316a2795fff"`}},
		{"iio", `device = "bme280@"`, []string{`device: "bme280@" is not a chip: write its name, such as "sht4x", or name@device, such as "sht4x@1-0044"`}},
		{"power", `supply = "../x"`, []string{`supply: "../x" is no supply: write its name in /sys/class/power_supply, such as "battery"`}},
		{"tmp102", "bus = -1\naddress = 0x47\nbits = 13", []string{
			`bus: -1 is no i2c bus: write N of /dev/i2c-N`,
			`address: 0x47 is no address of this chip (allowed: 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f)`,
			`bits: 13 is no resolution of these chips (9 to 12)`}},
		{"mcp9808", "address = 0x20", []string{
			`address: 0x20 is no address of this chip (allowed: 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f)`}},
		{"bh1750", "address = 0x24", []string{`address: 0x24 is no address of this chip (allowed: 0x23, 0x5c)`}},
		{"ads1115", "address = 0x4c\nrange = 5.0\nchannels = { a.b = \"0\", c = \"4\" }", []string{
			`address: 0x4c is no address of this chip (allowed: 0x48, 0x49, 0x4a, 0x4b)`,
			`channels: "a.b" is not a name: only a-z, 0-9, _ and - are allowed`,
			`channels: "4" is not known (did you mean "0"? allowed: 0-1, 0-3, 1-3, 2-3, 0, 1, 2, 3)`,
			`range: 5 V is no range of this chip (6.144, 4.096, 2.048, 1.024, 0.512 or 0.256)`}},
		{"ads1115", "channels = { }", []string{`channels: no input: write the name of a field and its input, such as { battery = "0" }`}},
		{"ina219", "address = 0x50\nshunt = 0\nmax_current = -1", []string{
			`address: 0x50 is no address of this chip (allowed: 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, ` +
				`0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f)`,
			`shunt: it must be above 0`, `max_current: it must be above 0`}},
		{"ina219", "shunt = 0.1\nmax_current = 3.3", []string{`max_current: 3.3 A through 0.1 Ω is 0.33 V: the chip measures up to 0.32 V`}},
		{"mcp3008", "bus = 256\nchip_select = -1\nreference = 0\nchannels = { x = \"1-2\" }", []string{
			`bus: 256 is no number of a device: write B and C of /dev/spidevB.C`,
			`chip_select: -1 is no number of a device: write B and C of /dev/spidevB.C`,
			`channels: "1-2" is not known (did you mean "1-0"? allowed: 0-1, 1-0, 2-3, 3-2, 4-5, 5-4, 6-7, 7-6, 0, 1, 2, 3, 4, 5, 6, 7)`,
			`reference: it must be above 0`}},
		{"serial", ``, []string{
			`port: the path of a serial port is needed, such as "/dev/ttyUSB0"`,
			`pattern: a regular expression of at most 1024 bytes is needed, such as "T=(?P<temperature>[-0-9.]+)"`}},
		{"serial", "port = \"ttyUSB0\"\nbaud = 9601\nmode = \"8X1\"\nprotocol = \"nmae\"\npattern = \"(\"", []string{
			`port: "ttyUSB0" is not a whole path: it must begin with /`,
			`baud: 9601 is no standard rate, such as 4800, 9600, 19200, 38400, 57600 or 115200`,
			`mode: "8X1" is not known: write data bits (7 or 8), parity (N, E or O) and stop bits (1 or 2), such as "8N1"`,
			`protocol: "nmae" is not known (did you mean "nmea"? allowed: lines, nmea)`,
			"pattern: error parsing regexp: missing closing ): `(`"}},
		{"serial", "port = \"/dev/t\"\npattern = \"[0-9]+\"", []string{`pattern: it has no named group, such as (?P<temperature>[-0-9.]+)`}},
		{"serial", "port = \"/dev/t\"\npattern = \"(?P<Temp>.)(?P<b>.)\"\nunits = { c = \"V\", b = \"Celcius\" }", []string{
			`pattern: "Temp" is no name of a field: write a-z, 0-9, _ and -, such as "temp"`,
			`units: "Celcius" is not a known unit (did you mean "°C"?)`,
			`units: "c" is not known (did you mean "b"? allowed: Temp, b)`}},
		{"serial", "port = \"/dev/t\"\nprotocol = \"nmea\"\nunits = { speed = \"km/h\" }\nsend = \"" + strings.Repeat("x", 257) + "\"", []string{
			`send: it is longer than 256 bytes`, `pattern: pattern and units are for protocol = "lines"`}},
		{"exec", ``, []string{`run: a program is needed, such as ["/usr/local/bin/measure", "--once"]`}},
		{"exec", "run = [\"measure\", \"a\\u0000b\"]\nwhat = \"jsn\"\nfields = { a = \"b\" }\nunit = \"V\"", []string{
			`run: "measure" is not a whole path: it must begin with /`,
			`run: "a\x00b" is longer than 4 KiB or holds a NUL`,
			`what: "jsn" is not known (did you mean "json"? allowed: number, json, text, bool)`,
			`fields: fields and units are for what = "json"`,
			`unit: a unit is for what = "number"`}},
		{"exec", "run = [\"/x\"]\nwhat = \"json\"\nfields = { a = \"b..c\", a-b = \"\" }\nunits = { c = \"V\" }", []string{
			`fields: "b..c": a key is needed at "..c"`,
			`fields: a path has 1 to 256 bytes, such as "main.temp" or "sensors[0].value"`,
			`units: "c" is not known (did you mean "a"? allowed: a, a-b)`}},
		{"http", ``, []string{`url: an address that begins with https:// or http:// is needed`}},
		{"http", `url = "https://anna:secret@example.org/"`, []string{`url: a name or a password does not belong into the url: use token_file`}},
		{"http", "url = \"https://example.org/\"\njson = \"a\"\nfields = { b = \"c\" }\ntoken_file = \"token\"\nca_file = \"ca.pem\"", []string{
			`token_file: "token" is not a whole path: it must begin with /`,
			`ca_file: "ca.pem" is not a whole path: it must begin with /`,
			`fields: there is json too: keep only one of them`}},
		{"http", "url = \"https://example.org/\"\nfields = { b = \"c\" }\nunit = \"V\"", []string{`unit: a unit is for one value: the fields have units`}},
		{"http", "url = \"https://example.org/\"\nunits = { b = \"V\" }", []string{`units: units are for fields: one value has a unit`}},
		{"http", "url = \"https://example.org/\"\njson = \"a[\"\nunit = \"Vv\"", []string{
			`json: "a[": a number or a key in double quotes, and ], are needed at "["`,
			`unit: "Vv" is not a known unit (did you mean "V"?)`}},
		{"camera", "command = \"fswebcm\"", []string{`command: "fswebcm" is not known (did you mean "fswebcam"? allowed: rpicam, fswebcam, file)`}},
		{"camera", "device = \"/dev/video0\"\npath = \"/a.jpg\"\nwidth = 640\nquality = 0\nrotate = 90", []string{
			`device: "/dev/video0" is no number of a camera, such as "0": "rpicam-still --list-cameras" lists them`,
			`path: a path is for command = "file"`,
			`width: 640 x 0: both from 1 to 8192, or both 0`,
			`quality: 0 is not from 1 to 100`,
			`rotate: 90 is neither 0 nor 180`}},
		{"camera", "command = \"fswebcam\"\ndevice = \"video0\"", []string{`device: "video0" is not a whole path: it must begin with /`}},
		{"camera", "command = \"file\"\nwidth = 640", []string{
			`path: the path of a picture is needed`, `command: device, width, height and rotate are not for "file"`}},
	}
	for _, tt := range tests {
		k := kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == tt.kind })]
		_, err := k.New(NewHost("/"), table(tt.text))
		if diff := cmp.Diff(tt.want, paramErrors(t, err)); diff != "" {
			t.Errorf("%s with %q: %s", tt.kind, tt.text, diff)
		}
	}
}

func paramErrors(t *testing.T, err error) []string {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is no list of errors", err)
	}
	var out []string
	for _, e := range joined.Unwrap() {
		var p *agent.ParamError
		if !errors.As(e, &p) || p.Param == "" {
			t.Errorf("%v names no key", e)
		}
		out = append(out, e.Error())
	}
	return out
}
