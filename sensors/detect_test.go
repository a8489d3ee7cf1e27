package sensors

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// findings returns what one part of Detect tells, as lines.
func findings(t *testing.T, h *Host, part string) []string {
	t.Helper()
	var out []string
	for _, f := range h.Detect(t.Context()) {
		if f.Part != part {
			continue
		}
		s := f.Name + " at " + f.Where
		for _, note := range f.Notes {
			s += "; " + note
		}
		if f.Problem != "" {
			s = "problem: " + f.Problem
		}
		for _, k := range f.Sensors {
			s += fmt.Sprintf(" => %s %v", k.Kind, k.Keys)
		}
		out = append(out, s)
	}
	return out
}

func TestDetectKernelSensors(t *testing.T) {
	h := board(t)
	for name, text := range map[string]string{
		hw + "hwmon20/name":        "cpu_thermal\n",
		hw + "hwmon20/device":      "-> ../../thermal_zone0",
		hw + "hwmon20/temp1_input": "1\n",
		hw + "hwmon21/name":        "w1_slave_temp\n",
		hw + "hwmon21/device":      "-> ../../../devices/w1_bus_master1/" + w1A,
		hw + "hwmon21/temp1_input": "1\n",

		th + "thermal_zone0/type":                           "cpu-thermal\n",
		th + "thermal_zone1/type":                           "cpu-thermal\n",
		ps + "rpi-poe/online":                               "1\n",
		ps + "rpi-poe/type":                                 "Mains\n",
		ps + "nothing/type":                                 "USB\n",
		w1Devices + "/" + w1A + "/w1_slave":                 "",
		w1Devices + "/" + w1B + "/w1_slave":                 "",
		"/sys/devices/x/1-0048/iio:device0/name":            "ads1015\n",
		"/sys/devices/x/1-0048/iio:device0/in_voltage0_raw": "1\n",
		"/sys/bus/iio/devices/iio:device0":                  "-> ../../../devices/x/1-0048/iio:device0",
		"/sys/bus/iio/devices/iio:device1/name":             "dac\n",
	} {
		put(t, h, name, text)
	}
	for part, want := range map[string][]string{
		"hwmon": {
			"sht4x at " + hw + "hwmon1; temp1, humidity1 => hwmon [{chip sht4x@1-0044}]",
			"sht4x at " + hw + "hwmon2; temp1 => hwmon [{chip sht4x@1-0045}]",
			"nct6775 at " + hw + "hwmon10; temp1, temp2, temp10, in0, in1, curr1, power1, power2, energy1, fan1 => hwmon [{chip nct6775@nct6775.656}]"},
		"thermal": {"cpu-thermal at " + th + "thermal_zone0 => thermal [{zone cpu-thermal}]"},
		"power":   {"rpi-poe at " + ps + "rpi-poe; Mains, online => power [{supply rpi-poe}]"},
		"w1": {"w1 at " + w1Devices + "; thermometers: " + w1A + ", " + w1B +
			"; one sensor for all; id = \"...\" takes one, names = { kitchen = \"...\" } names them => w1 []"},
		"iio": {"ads1015 at /sys/bus/iio/devices/iio:device0; voltage0 => iio [{device ads1015@1-0048}]"},
	} {
		if diff := cmp.Diff(want, findings(t, h, part)); diff != "" {
			t.Errorf("%s: %s", part, diff)
		}
	}
}

func TestDetectDevices(t *testing.T) {
	const tty, video = "/sys/class/tty/", "/sys/class/video4linux/"
	h := tree(t, map[string]string{
		"/dev/serial/by-id/usb-FTDI_FT232R-if00": "-> ../../ttyUSB0",
		"/dev/ttyUSB0":                           "",
		tty + "ttyUSB0/device/x":                 "",
		tty + "ttyACM0/device/x":                 "",
		tty + "ttyS0/device/x":                   "",
		tty + "ttyS0/type":                       "0\n", // no hardware
		tty + "ttyS1/device/x":                   "",
		tty + "ttyS1/type":                       "4\n",
		tty + "ttyAMA0/device/x":                 "",
		tty + "ttyS9/type":                       "4\n", // no device
		tty + "tty1/device/x":                    "",
		tty + "console/active":                   "tty1 ttyAMA0\n",

		video + "video0/name":     "unicam\n",
		video + "video1/name":     "HD Webcam\n",
		video + "video1/index":    "0\n",
		video + "video2/name":     "HD Webcam\n", // its metadata
		video + "video2/index":    "1\n",
		video + "video10/name":    "bcm2835-codec-decode\n",
		video + "v4l-touch0/name": "touch\n",
		"/usr/local/bin/fswebcam": "",

		"/sys/class/leds/ACT/trigger":    "none [mmc0] timer\n",
		"/sys/class/leds/PWR/brightness": "1\n",

		"/sys/class/pwm/pwmchip0/npwm":   "2\n",
		"/sys/class/pwm/pwmchip0/device": "-> ../../../fe20c000.pwm",
	})
	h.GPIOChips = func() ([]GPIOChip, error) {
		return []GPIOChip{{"gpiochip0", "pinctrl-bcm2835", []GPIOLine{
			{Offset: 4, Name: "GPIO4", Used: true, Consumer: "onewire@0"},
			{Offset: 17, Used: true, Output: true}, {Offset: 22, Name: "GPIO22"}}}}, errors.New("open /dev/gpiochip1: put the user that runs pipit into the group gpio")
	}
	for part, want := range map[string][]string{
		"serial": {
			"usb-FTDI_FT232R-if00 at /dev/serial/by-id/usb-FTDI_FT232R-if00; now /dev/ttyUSB0",
			"ttyACM0 at /dev/ttyACM0",
			"ttyAMA0 at /dev/ttyAMA0; is the kernel's console: take console=ttyAMA0 out of cmdline.txt before you use it",
			"ttyS1 at /dev/ttyS1"},
		"camera": {"unicam at /dev/video0", "HD Webcam at /dev/video1", "fswebcam at /usr/local/bin/fswebcam; takes pictures"},
		"led":    {"ACT at /sys/class/leds/ACT; trigger mmc0", "PWR at /sys/class/leds/PWR"},
		"pwm":    {"fe20c000.pwm at /sys/class/pwm/pwmchip0; 2 channels"},
		"gpio": {"pinctrl-bcm2835 at gpiochip0; 3 lines; line 4 (GPIO4) input, used by onewire@0; line 17 output, used by the kernel",
			"problem: open /dev/gpiochip1: put the user that runs pipit into the group gpio"},
	} {
		if diff := cmp.Diff(want, findings(t, h, part)); diff != "" {
			t.Errorf("%s: %s", part, diff)
		}
	}
}

func TestDetectIsBounded(t *testing.T) {
	files := make(map[string]string)
	for i := range maxFindings + 10 {
		files[fmt.Sprintf("/sys/class/leds/led%d/trigger", i)] = ""
	}
	got := findings(t, tree(t, files), "led")
	if len(got) != maxFindings+1 || !strings.HasPrefix(got[maxFindings], "problem: there is more than 256") {
		t.Errorf("%d findings, the last %q", len(got), got[len(got)-1])
	}
}

func TestDetectOnAnEmptyMachine(t *testing.T) {
	for _, f := range NewHost(t.TempDir()).Detect(t.Context()) {
		if f.Problem == "" || len(f.Sensors) > 0 {
			t.Errorf("it found %+v", f)
		}
	}
}

func TestLineUsesAreToldTogether(t *testing.T) {
	chip := make([]GPIOLine, 12)
	for i := range chip {
		chip[i] = GPIOLine{Offset: i, Used: i != 4}
	}
	chip[3].Output = true
	chip[6].Consumer, chip[7].Consumer = "pipit", "pipit"
	chip[9].Name, chip[10].Name = "LED", "LED"
	want := []string{
		"lines 0 to 2 input, used by the kernel",
		"line 3 output, used by the kernel",
		"line 5 input, used by the kernel",
		"lines 6 to 7 input, used by pipit",
		"line 8 input, used by the kernel",
		"line 9 (LED) input, used by the kernel",
		"line 10 (LED) input, used by the kernel",
		"line 11 input, used by the kernel",
	}
	if diff := cmp.Diff(want, lineUses(chip)); diff != "" {
		t.Error(diff)
	}
}
