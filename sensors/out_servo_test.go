package sensors

import (
	"fmt"
	"testing"
	"testing/synctest"

	"pipit/agent"
)

func TestServoOnPWM(t *testing.T) {
	tests := []struct {
		text  string
		angle float64
		duty  string // ns of 20 ms
	}{
		{"", 0, "1000000"}, {"", 45, "1500000"}, {"", 90, "2000000"}, {"", 12.3, "1136667"},
		{"min = -90\nmax = 90\npulse_min = \"500us\"\npulse_max = \"2500us\"", -90, "500000"},
		{"min = -90\nmax = 90\npulse_min = \"500us\"\npulse_max = \"2500us\"", 0, "1500000"},
		{"pulse_min = \"2ms\"\npulse_max = \"1ms\"", 90, "1000000"},
		{"pulse_min = \"2ms\"\npulse_max = \"1ms\"", 9, "1900000"},
	}
	for _, tt := range tests {
		s := newPWMSim(t)
		b := buildOutput(t, servoOutput(), s.h, tt.text)
		v := agent.Number(tt.angle)
		if got := drive(t, b.Output, v); got != v.String() || content(t, s.h, pwmDir+"/pwm0/duty_cycle") != tt.duty ||
			content(t, s.h, pwmDir+"/pwm0/period") != "20000000" {
			t.Errorf("%s %g°: it reads %s, duty %s", tt.text, tt.angle, got, content(t, s.h, pwmDir+"/pwm0/duty_cycle"))
		}
		if b.Off.Kind() != agent.None {
			t.Errorf("a servo has the off value %v", b.Off)
		}
	}
}

func TestServoReadsBack(t *testing.T) {
	s := newPWMSim(t)
	o := buildOutput(t, servoOutput(), s.h, "").Output
	for duty, want := range map[int]string{
		1000000: "0", 1250000: "22.5", 2010000: "90.9",
		0:       "error: it is on for 0 % of the time, which is outside of its range: it has to be set again",
		2500000: "error: it is on for 12.5 % of the time, which is outside of its range: it has to be set again",
	} {
		s.preset("0", "20000000", fmt.Sprint(duty), "normal", "1")
		if got := get(t, o); got != want {
			t.Errorf("%d ns: it reads %s, want %s", duty, got, want)
		}
	}
	for _, angle := range []float64{-0.1, 90.1} {
		if got, want := drive(t, o, agent.Number(angle)), fmt.Sprintf(`error: "%g" is no number from 0 to 90`, angle); got != want {
			t.Error(got)
		}
	}
}

func TestServoOnPCA9685(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip, h := newPCASim(), NewHost(t.TempDir())
		plug(h, 0x40, chip)
		o := buildOutput(t, servoOutput(), h, "on = \"pca9685\"\nchannel = 2").Output
		for angle, want := range map[float64]int{0: 205, 45: 307, 90: 410} { // of 4096
			got := drive(t, o, agent.Number(angle))
			led := chip.led(2)
			if on := int(led[2]) | int(led[3])<<8; got != agent.Number(angle).String() || on != want {
				t.Errorf("%g°: it reads %s, %d of 4096", angle, got, on)
			}
		}
		if chip.registerMap[0xFE] != 121 {
			t.Errorf("prescaler %d, want 121 for 50 Hz", chip.registerMap[0xFE])
		}
	})
}
