package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/sensors"
)

// oneByteBus has a chip that answers a plain read at each of some addresses,
// and by its id register 0xD0 where there is one.
type oneByteBus map[uint16]byte

func (b oneByteBus) Tx(address uint16, w, r []byte) error {
	id, ok := b[address]
	switch {
	case !ok:
		return syscall.EREMOTEIO
	case len(w) == 1 && w[0] == 0xD0:
		r[0] = id
	}
	return nil
}

func (oneByteBus) Close() error { return nil }

// fakeBoard is a root with a bit of everything.
func fakeBoard(t *testing.T) *sensors.Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"/sys/class/hwmon/hwmon0/name":                    "odd \"chip\"\\ \x01\n",
		"/sys/class/hwmon/hwmon0/temp1_input":             "1000\n",
		"/sys/class/hwmon/hwmon1/name":                    "odd \"chip\"\\ \x01\n",
		"/sys/class/hwmon/hwmon1/in0_input":               "1000\n",
		"/sys/class/thermal/thermal_zone0/type":           "cpu-thermal\n",
		"/sys/bus/iio/devices/iio:device0/name":           "bme280\n",
		"/sys/bus/iio/devices/iio:device0/in_temp_input":  "25080\n",
		"/sys/bus/w1/devices/28-0316a2795fff/temperature": "25080\n",
		"/sys/class/power_supply/BAT0/capacity":           "80\n",
		"/sys/class/power_supply/BAT0/type":               "Battery\n",
		"/sys/bus/i2c/devices/i2c-1/name":                 "bcm2835 (i2c@7e804000)\n",
		"/sys/bus/i2c/devices/i2c-2/name":                 "forbidden\n",
		"/sys/class/leds/ACT/trigger":                     "none [mmc0] timer\n",
		"/usr/bin/rpicam-still":                           "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := sensors.NewHost(root)
	h.OpenI2C = func(bus int) (sensors.I2CBus, error) {
		if bus == 2 {
			return nil, errors.New("open /dev/i2c-2: put the user that runs pipit into the group i2c")
		}
		return oneByteBus{0x76: 0x60, 0x77: 0x58, 0x48: 0, 0x23: 0}, nil
	}
	h.GPIOChips = func() ([]sensors.GPIOChip, error) {
		return []sensors.GPIOChip{{Name: "gpiochip0", Label: "pinctrl-bcm2835", Lines: []sensors.GPIOLine{
			{Offset: 4, Name: "GPIO4", Used: true, Consumer: "onewire@0"}, {Offset: 5, Name: "GPIO5"}}}}, nil
	}
	return h
}

func TestDetectPrintsAConfigThatLoads(t *testing.T) {
	h := fakeBoard(t)
	found := h.Detect(t.Context())
	var b strings.Builder
	if err := writeTables(&b, found, sensorKinds()); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{
		"[sensor.cpu-thermal]\nkind = \"thermal\"\nzone = \"cpu-thermal\"\n",
		"[sensor.w1]\nkind = \"w1\"\n",
		"[sensor.bme280]\nkind = \"iio\"\ndevice = \"bme280\"\n",
		"[sensor.bat0]\nkind = \"power\"\nsupply = \"BAT0\"\n",
		"[sensor.odd_chip]\nkind = \"hwmon\"\nchip = \"odd \\\"chip\\\"\\\\ \\u0001\"\n",
		"[sensor.odd_chip_2]\n",
		"# Choose one of these:\n#[sensor.tmp102]\n#kind = \"tmp102\"\n#bus = 1\n#address = 0x48\n#[sensor.ads1115]\n",
		"bme280 at i2c bus 1, address 0x76; its id says so\n",
		"kind = \"bme280\"\n",
		"# i2c: forbidden at i2c bus 2; not looked at: open /dev/i2c-2: put the user that runs pipit into the group i2c\n",
		"# gpio: pinctrl-bcm2835 at gpiochip0; 2 lines; line 4 (GPIO4) input, used by onewire@0\n",
		"# led: ACT at /sys/class/leds/ACT; trigger mmc0\n",
		"# camera: rpicam-still at /usr/bin/rpicam-still; takes pictures\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	names := loadDetected(t, h, out)
	for _, want := range []string{"cpu-thermal", "w1", "bme280", "bat0", "odd_chip", "odd_chip_2"} {
		if !strings.Contains(names, " "+want+" ") {
			t.Errorf("the config has no sensor %s, but%s", want, names)
		}
	}
	// every suggestion of a kind that this program has loads, the guesses too
	for _, f := range found {
		for _, s := range f.Sensors {
			var one strings.Builder
			g := sensors.Finding{Name: f.Name, Sensors: []sensors.Suggestion{s}, Sure: true}
			if err := writeTables(&one, []sensors.Finding{g}, sensorKinds()); err != nil {
				t.Fatal(err)
			}
			loadDetected(t, h, one.String())
		}
	}
}

// A guess is not for the config until somebody takes it, and a kind that this
// program does not have never is.
func TestDetectCommentsOutWhatIsNotSure(t *testing.T) {
	zone := []sensors.Suggestion{{Kind: "thermal", Keys: []sensors.Key{{Name: "zone", Value: "soc"}}}}
	const table = "[sensor.NAME]\nkind = \"thermal\"\nzone = \"soc\"\n"
	commented := "#" + strings.ReplaceAll(strings.TrimSuffix(table, "\n"), "\n", "\n#") + "\n"
	for _, tt := range []struct {
		sure  bool
		kinds []sensors.Kind
		want  string
	}{
		{true, sensorKinds(), strings.ReplaceAll(table, "NAME", "found")},
		{false, sensorKinds(), strings.ReplaceAll(commented, "NAME", "thermal")},
		{true, nil, strings.ReplaceAll(commented, "NAME", "found")},
	} {
		var b strings.Builder
		f := sensors.Finding{Part: "x", Name: "found", Sensors: zone, Sure: tt.sure}
		if err := writeTables(&b, []sensors.Finding{f}, tt.kinds); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(b.String(), "\n# x: found\n"+tt.want) {
			t.Errorf("sure %v, %d kinds:\n%s", tt.sure, len(tt.kinds), b.String())
		}
	}
}

// loadDetected loads what detect printed and returns the names of its sensors
// with a space around each.
func loadDetected(t *testing.T, h *sensors.Host, text string) string {
	t.Helper()
	path := write(t, t.TempDir(), "c.toml", "[device]\nname = \"x\"\n\n"+text, 0o600)
	cfg, err := config.Load(path, configEnv(h))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	names := " "
	for _, s := range cfg.Sensors {
		names += s.Name + " "
	}
	return names
}

func TestDetectJSON(t *testing.T) {
	var b strings.Builder
	if err := writeJSON(&b, fakeBoard(t).Detect(t.Context())); err != nil {
		t.Fatal(err)
	}
	parts := make(map[string]int)
	for line := range strings.Lines(b.String()) {
		var f sensors.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		parts[f.Part]++
	}
	want := map[string]int{"w1": 1, "hwmon": 2, "iio": 1, "thermal": 1, "power": 1, "i2c": 6, "gpio": 1, "camera": 1, "led": 1}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error(diff)
	}
	if want := `"sensors":[{"kind":"thermal","keys":[{"name":"zone","value":"cpu-thermal"}]}],"sure":true}`; !strings.Contains(b.String(), want) {
		t.Errorf("no %s in\n%s", want, b.String())
	}
}

func TestDetectRunsOnThisMachine(t *testing.T) {
	code, out, errs := call(t, "detect")
	if code != exitOK || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	if !strings.HasPrefix(out, "# What pipit detect found") {
		t.Errorf("it prints %q", out)
	}
	loadDetected(t, sensors.NewHost("/"), out)
}

func TestTableNamesAreUniqueAndShort(t *testing.T) {
	names := make(tableNames)
	long := strings.Repeat("long-", 20)
	for _, want := range []string{long[:28], long[:28] + "_2", long[:28] + "_3"} {
		got := names.pick(sensors.Finding{Name: long, Sure: true}, sensors.Suggestion{Kind: "x"})
		if got != want || agent.CheckName(got) != nil {
			t.Errorf("the name is %q, want %q", got, want)
		}
	}
}
