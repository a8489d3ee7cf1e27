package sensors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

// w1Tree has a bus with a thermometer for each text of w1_slave, and the
// therm_bulk_read of the bus.
func w1Tree(t *testing.T, slaves map[string]string) *Host {
	files := map[string]string{
		"/sys/devices/w1_bus_master1/therm_bulk_read": "0\n",
		w1Devices + "/w1_bus_master1":                 "-> ../../../devices/w1_bus_master1",
	}
	for id, text := range slaves {
		files["/sys/devices/w1_bus_master1/"+id+"/w1_slave"] = text
		files[w1Devices+"/"+id] = "-> ../../../devices/w1_bus_master1/" + id
	}
	return tree(t, files)
}

// slave is what w1_slave says of a scratchpad.
func slave(pad, temperature string) string {
	return pad + " : crc=57 YES\n" + pad + " t=" + temperature + "\n"
}

const (
	w1A = "28-0316a2795fff"
	w1B = "28-0416c1d2e3ff"
	w1C = "10-000802a9c1d2"

	pad23 = "72 01 4b 46 7f ff 0e 10 57" // 23.125 °C
	pad85 = "50 05 4b 46 7f ff 0c 10 1c" // after power-on
)

func TestW1(t *testing.T) {
	three := map[string]string{w1A: slave(pad23, "23125"), w1B: slave(pad23, "-10062"), w1C: slave(pad23, "0"), "01-00000aabbccd": ""}
	tests := []struct {
		name, text string
		slaves     map[string]string
		want       []string
	}{
		{"all", "", three, []string{w1C + ": 0 °C", w1A + ": 23.125 °C", w1B + ": -10.062 °C"}},
		{"one", `id = "` + w1B + `"`, three, []string{": -10.062 °C"}},
		{"named", `names = {"flow": "` + w1B + `", "back": "` + w1A + `", "gone": "28-000000000001"}`, three, []string{
			"back: 23.125 °C", "flow: -10.062 °C",
			"gone: missing: there is no 28-000000000001 on the 1-wire bus; there are: " + w1C + ", " + w1A + ", " + w1B}},
		{"not there", `id = "28-000000000001"`, map[string]string{w1A: ""}, []string{
			": missing: there is no 28-000000000001 on the 1-wire bus; there are: " + w1A}},
		{"noise", "", map[string]string{"00-400000000000": "", "00-800000000000": ""}, []string{
			"missing: only noise answers on the 1-wire bus: it needs a resistor of 4.7 kΩ from data to 3.3 V"}},
		{"nothing", "", nil, []string{
			"missing: no thermometer answers on the 1-wire bus: check its wires and the resistor of 4.7 kΩ from data to 3.3 V"}},
	}
	for _, tt := range tests {
		b := build(t, w1Kind(), w1Tree(t, tt.slaves), tt.text)
		if diff := cmp.Diff(tt.want, read(t, b.Sensor)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	b := build(t, w1Kind(), NewHost(t.TempDir()), "")
	want := []string{"missing: there is no 1-wire bus: add dtoverlay=w1-gpio to config.txt and start anew"}
	if diff := cmp.Diff(want, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestW1Schedule(t *testing.T) {
	h := NewHost(t.TempDir())
	tests := []struct {
		text    string
		fields  []string
		timeout time.Duration
	}{
		{"", nil, time.Minute},
		{`id = "` + w1A + `"`, []string{""}, 10 * time.Second},
		{`names = {"b": "` + w1A + `", "a": "` + w1B + `"}`, []string{"a", "b"}, time.Minute},
	}
	for _, tt := range tests {
		b := build(t, w1Kind(), h, tt.text)
		if b.Bus != "w1" || b.Timeout != tt.timeout || !cmp.Equal(b.Fields, tt.fields) {
			t.Errorf("%q: bus %q, timeout %v, fields %q", tt.text, b.Bus, b.Timeout, b.Fields)
		}
	}
}

func TestW1Faults(t *testing.T) {
	const (
		power = "fault: 85 °C is what a thermometer holds before it has measured: check its power and wires"
		path  = w1Devices + "/" + w1A + "/w1_slave"
	)
	tests := []struct {
		name, id, text string
		err            error
		want           string
		tries          int // reads of the file
	}{
		{"power-on", w1A, slave(pad85, "85000"), nil, power, 2},
		{"true 85", w1A, slave("50 05 4b 46 7f ff 10 10 1c", "85000"), nil, "85 °C", 1},
		{"power-on of a DS18S20", w1C, slave("aa 00 4b 46 ff ff 0c 10 87", "85000"), nil, power, 2},
		{"starved", w1A, slave("ff 07 4b 46 7f ff 0c 10 1c", "127937"), nil,
			"fault: 127.937 °C is outside of what a DS18B20 measures (-55 to 125 °C)", 2},
		{"-127", w1A, slave(pad23, "-127000"), nil, "fault: -127 °C is outside of what a DS18B20 measures (-55 to 125 °C)", 2},
		{"thermocouple", "3b-0000000a1b2c", slave(pad23, "850000"), nil, "850 °C", 1},
		{"held low", w1A, slave("00 00 00 00 00 00 00 00 00", "0"), nil, "fault: all bits are 0: the 1-wire bus is held low", 2},
		{"empty", w1A, "", nil, "fault: the conversion failed: the read gave nothing: check wires and power of the thermometer", 3},
		{"checksum", w1A, strings.Replace(slave(pad23, "23125"), "YES", "NO", 1), nil,
			"fault: the checksum of what came is wrong: check wires and power of the thermometer", 3},
		{"eio", w1A, "", syscall.EIO, "fault: read " + path + ": input/output error", 3},
		{"no driver", w1A, "", syscall.ENOENT, "missing: the kernel has no driver for " + w1A + ": load the module w1-therm", 1},
		{"garbage", w1A, "garbage\n", nil, `fault: "garbage" is no scratchpad`, 1},
		{"short", w1A, "72 01 : crc=57 YES\n72 01 t=1\n", nil, `fault: "72 01 : crc=57 YES" is no scratchpad`, 1},
		{"no number", w1A, pad23 + " : crc=57 YES\n", nil, "fault: there is no temperature in w1_slave", 1},
		{"bad number", w1A, slave(pad23, "warm"), nil, `fault: "warm" is not a whole number`, 1},
	}
	for _, tt := range tests {
		h := w1Tree(t, map[string]string{tt.id: tt.text})
		if tt.err != nil {
			failRead(h, w1Devices+"/"+tt.id+"/w1_slave", tt.err)
		}
		tries := 0
		inner := h.read
		h.read = func(path string, buf []byte, limit int) ([]byte, error) {
			tries++
			return inner(path, buf, limit)
		}
		synctest.Test(t, func(t *testing.T) {
			b := build(t, w1Kind(), h, `id = "`+tt.id+`"`)
			if diff := cmp.Diff([]string{": " + tt.want}, read(t, b.Sensor)); diff != "" {
				t.Errorf("%s: %s", tt.name, diff)
			}
			if tries != tt.tries {
				t.Errorf("%s: %d tries, want %d", tt.name, tries, tt.tries)
			}
			trouble := b.Sensor.(agent.Troubled).Trouble()
			if trouble.Retried != uint64(tt.tries-1) || (trouble.Implausible > 0) != (tt.tries == 2) {
				t.Errorf("%s: trouble %+v", tt.name, trouble)
			}
		})
	}
}

// A boiler may well be at 85 °C: clones never tell it from power-on by byte 6.
func TestW1BelievesEightyFiveNearIt(t *testing.T) {
	h := w1Tree(t, map[string]string{w1A: slave(pad23, "82125")})
	s := build(t, w1Kind(), h, `id = "`+w1A+`"`).Sensor
	for _, step := range []struct{ text, want string }{
		{slave(pad23, "82125"), ": 82.125 °C"},
		{slave(pad85, "85000"), ": 85 °C"},
		{slave(pad23, "20000"), ": 20 °C"},
		{slave(pad85, "85000"), ": fault: 85 °C is what a thermometer holds before it has measured: check its power and wires"},
	} {
		put(t, h, "/sys/devices/w1_bus_master1/"+w1A+"/w1_slave", step.text)
		if diff := cmp.Diff([]string{step.want}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestW1RecoversWithinARead(t *testing.T) {
	h := w1Tree(t, map[string]string{w1A: slave(pad23, "23125")})
	inner, failures := h.read, 2
	h.read = func(path string, buf []byte, limit int) ([]byte, error) {
		if failures--; failures >= 0 {
			return buf[:0], nil // as after a failed conversion
		}
		return inner(path, buf, limit)
	}
	b := build(t, w1Kind(), h, `id = "`+w1A+`"`)
	if diff := cmp.Diff([]string{": 23.125 °C"}, read(t, b.Sensor)); diff != "" {
		t.Error(diff)
	}
}

func TestW1BulkConversion(t *testing.T) {
	const bulk = "/sys/devices/w1_bus_master1/therm_bulk_read"
	two := map[string]string{w1A: slave(pad23, "23125"), w1B: slave(pad23, "20000")}
	tests := []struct {
		name, text string
		slaves     map[string]string
		want       string // in therm_bulk_read; the kernel wants these eight bytes
	}{
		{"all", "", two, "trigger\n"},
		{"all by name", `names = {"a": "` + w1A + `", "b": "` + w1B + `"}`, two, "trigger\n"},
		{"one of two: the other would get an old value", `id = "` + w1A + `"`, two, "0\n"},
		{"one", "", map[string]string{w1A: slave(pad23, "23125")}, "0\n"},
	}
	for _, tt := range tests {
		h := w1Tree(t, tt.slaves)
		read(t, build(t, w1Kind(), h, tt.text).Sensor)
		if got, err := os.ReadFile(h.path(bulk)); string(got) != tt.want || err != nil {
			t.Errorf("%s: therm_bulk_read holds %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	// not permitted, or an old kernel: one after the other
	h := w1Tree(t, two)
	if err := os.Remove(h.path(bulk)); err != nil {
		t.Fatal(err)
	}
	want := []string{w1A + ": 23.125 °C", w1B + ": 20 °C"}
	if diff := cmp.Diff(want, read(t, build(t, w1Kind(), h, "").Sensor)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(h.path(bulk)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the write made a file: %v", err)
	}
}

func TestW1StopsWithItsContext(t *testing.T) {
	s := build(t, w1Kind(), w1Tree(t, map[string]string{w1A: "", w1B: ""}), "").Sensor
	if _, err := s.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
}

func FuzzParseW1(f *testing.F) {
	for _, seed := range []string{slave(pad23, "23125"), slave(pad85, "85000"), "", "\n", " : crc= YES\nt=", pad23 + " : crc=00 NO\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pad, milli, err := parseW1(text)
		if err != nil {
			return
		}
		if again, m, err := parseW1(slave(fmt.Sprintf("% x", pad), fmt.Sprint(milli))); again != pad || m != milli || err != nil {
			t.Errorf("%q: %x %d became %x %d, %v", text, pad, milli, again, m, err)
		}
	})
}
