package sensors

import (
	"path"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// A pwmSim is a PWM chip of two channels that refuses what the kernel refuses.
type pwmSim struct {
	t      *testing.T
	h      *Host
	log    []string      // what was written
	late   time.Duration // udev gives the rights so long after export
	rights time.Time
	busy   bool // a driver of the kernel has the channels
}

const pwmDir = "/sys/class/pwm/pwmchip0"

func newPWMSim(t *testing.T) *pwmSim {
	h := tree(t, map[string]string{
		pwmDir + "/npwm": "2\n", pwmDir + "/export": "", pwmDir + "/device": "-> ../../../fe20c000.pwm"})
	s := &pwmSim{t: t, h: h}
	inner := h.write
	h.write = func(p, text string) error {
		name := strings.TrimPrefix(p, h.Root)
		if err := inner(p, ""); err != nil { // only a file that is there
			return err
		}
		err := s.store(name, text)
		if err == nil {
			s.log = append(s.log, path.Base(name)+" "+text)
		}
		return err
	}
	return s
}

func (s *pwmSim) number(name string) int {
	line, err := s.h.line(name)
	n, bad := strconv.Atoi(line)
	if err != nil || bad != nil {
		s.t.Errorf("%s: %v, %v", name, err, bad)
	}
	return n
}

func (s *pwmSim) store(name, text string) error {
	dir, n := path.Dir(name), 0
	if name == pwmDir+"/export" {
		return s.export(text)
	}
	if time.Now().Before(s.rights) {
		return syscall.EACCES
	}
	period, enabled := s.number(dir+"/period"), s.number(dir+"/enable") == 1
	n, _ = strconv.Atoi(text)
	switch path.Base(name) {
	case "period":
		if n == 0 || n < s.number(dir+"/duty_cycle") {
			return syscall.EINVAL
		}
	case "duty_cycle":
		if n > period || n < 0 {
			return syscall.EINVAL
		}
	case "polarity":
		if period == 0 {
			return syscall.EINVAL
		}
		if enabled {
			return syscall.EBUSY
		}
	case "enable":
		if period == 0 {
			return syscall.EINVAL
		}
	}
	put(s.t, s.h, name, text+"\n")
	return nil
}

func (s *pwmSim) export(channel string) error {
	dir := pwmDir + "/pwm" + channel
	if s.busy || s.h.exists(dir) {
		return syscall.EBUSY
	}
	if channel != "0" && channel != "1" {
		return syscall.ENODEV
	}
	s.preset(channel, "0", "0", "normal", "0")
	s.rights = time.Now().Add(s.late)
	return nil
}

// preset makes the channel's files.
func (s *pwmSim) preset(channel, period, duty, polarity, enable string) {
	dir := pwmDir + "/pwm" + channel
	for name, content := range map[string]string{"period": period, "duty_cycle": duty, "polarity": polarity, "enable": enable} {
		put(s.t, s.h, dir+"/"+name, content+"\n")
	}
}

func TestPWM(t *testing.T) {
	for _, chip := range []string{"0", "fe20c000.pwm"} {
		s := newPWMSim(t)
		b := buildOutput(t, pwmOutput(), s.h, `chip = "`+chip+`"`+"\nchannel = 1")
		if got := get(t, b.Output); got != "missing: channel 1 of "+pwmDir+" is not exported yet: it was not set" {
			t.Error(got)
		}
		for _, want := range []float64{0, 33.3, 100, 0.01, 0} {
			if got := drive(t, b.Output, agent.Number(want)); got != agent.Number(want).String() {
				t.Errorf("set to %g, it reads %s", want, got)
			}
		}
		want := []string{"export 1", "period 1000000", "enable 1", "duty_cycle 333000", "duty_cycle 1000000", "duty_cycle 100", "duty_cycle 0"}
		if diff := cmp.Diff(want, s.log); diff != "" {
			t.Errorf("%s: %s", chip, diff)
		}
		s.log = nil
		if err := b.Output.Close(); err != nil || s.log != nil || get(t, b.Output) != "0" {
			t.Errorf("Close = %v, wrote %q", err, s.log)
		}
	}
}

// What is read is what the hardware has.
func TestPWMReadsBack(t *testing.T) {
	s := newPWMSim(t)
	b := buildOutput(t, pwmOutput(), s.h, "")
	if got := drive(t, b.Output, agent.Number(50)); got != "50" {
		t.Fatal(got)
	}
	tests := []struct{ period, duty, polarity, enable, want string }{
		{"1000000", "250000", "normal", "1", "25"},
		{"2000000", "500000", "normal", "1", "25"},
		{"1000000", "250000", "inversed", "1", "75"},
		{"1000000", "500000", "normal", "0", "0"},
		{"0", "0", "normal", "1", "0"},
		{"x", "0", "normal", "1", `error: "x" is not a whole number`},
	}
	for _, tt := range tests {
		s.preset("0", tt.period, tt.duty, tt.polarity, tt.enable)
		if got := get(t, b.Output); got != tt.want {
			t.Errorf("%+v: it reads %s", tt, got)
		}
	}
}

func TestPWMTakesOverWhatIsThere(t *testing.T) {
	tests := []struct {
		name, text                     string
		period, duty, polarity, enable string
		want                           []string
	}{
		{"the same", "", "1000000", "500000", "normal", "1", nil},
		{"shorter", "", "20000000", "15000000", "normal", "1", []string{"duty_cycle 500000", "period 1000000"}},
		{"longer", "frequency = 50", "1000000", "700000", "normal", "1", []string{"period 20000000", "duty_cycle 10000000"}},
		{"off", "", "1000000", "500000", "normal", "0", []string{"enable 1"}},
		{"turned", "", "1000000", "300000", "inversed", "1",
			[]string{"enable 0", "duty_cycle 500000", "polarity normal", "enable 1"}},
		{"to turn", "inverted = true", "2000000", "1500000", "normal", "0",
			[]string{"duty_cycle 500000", "period 1000000", "polarity inversed", "enable 1"}},
	}
	for _, tt := range tests {
		s := newPWMSim(t)
		s.preset("0", tt.period, tt.duty, tt.polarity, tt.enable)
		b := buildOutput(t, pwmOutput(), s.h, tt.text)
		if got := drive(t, b.Output, agent.Number(50)); got != "50" {
			t.Errorf("%s: it reads %s", tt.name, got)
		}
		if diff := cmp.Diff(tt.want, s.log); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	s := newPWMSim(t)
	b := buildOutput(t, pwmOutput(), s.h, "inverted = true")
	if got := drive(t, b.Output, agent.Number(50)); got != "50" {
		t.Error(got)
	}
	want := []string{"export 0", "period 1000000", "duty_cycle 500000", "polarity inversed", "enable 1"}
	if diff := cmp.Diff(want, s.log); diff != "" {
		t.Errorf("new and inverted: %s", diff)
	}
}

func TestPWMWaitsForUdev(t *testing.T) {
	const denied = "error: write " + pwmDir + "/pwm0/period: " + pwmRights + " (permission denied)"
	tests := []struct {
		late time.Duration
		want string
	}{
		{300 * time.Millisecond, "20"},
		{time.Minute, denied},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := newPWMSim(t)
			s.late = tt.late
			b := buildOutput(t, pwmOutput(), s.h, "")
			if got := drive(t, b.Output, agent.Number(20)); got != tt.want {
				t.Errorf("%s: %s", tt.late, got)
			}
			start := time.Now() // it waits after export only
			if got := drive(t, b.Output, agent.Number(20)); got != tt.want || time.Since(start) != 0 {
				t.Errorf("%s: %s after %s", tt.late, got, time.Since(start))
			}
		})
	}
}

func TestPWMFaults(t *testing.T) {
	s := newPWMSim(t)
	tests := []struct{ text, want string }{
		{`chip = "1"`, "missing: there is no pwm chip 1; there are: pwmchip0 (fe20c000.pwm)"},
		{`channel = 2`, "error: " + pwmDir + " has no channel 2: it has 2, and they are counted from 0"},
	}
	for _, tt := range tests {
		if got := drive(t, buildOutput(t, pwmOutput(), s.h, tt.text).Output, agent.Number(1)); got != tt.want {
			t.Errorf("%s: %s", tt.text, got)
		}
	}
	s.busy = true
	b := buildOutput(t, pwmOutput(), s.h, "")
	if got := drive(t, b.Output, agent.Number(1)); got != "error: channel 0 of "+pwmDir+
		" belongs to a driver of the kernel: take the dtoverlay off that uses it (write \"0\" to "+pwmDir+"/export: device or resource busy)" {
		t.Error(got)
	}
	for _, v := range []agent.Value{agent.Bool(true), agent.Text("1"), agent.Number(-1), agent.Number(100.1), {}} {
		if got := drive(t, b.Output, v); got != "error: \""+v.String()+"\" is no number from 0 to 100" {
			t.Errorf("%v: %s", v, got)
		}
	}
}
