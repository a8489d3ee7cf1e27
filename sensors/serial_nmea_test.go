package sensors

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

// nmeaLine puts $ and the checksum around a sentence.
func nmeaLine(body string) string { return fmt.Sprintf("$%s*%02X", body, checksum([]byte(body))) }

func TestNMEA(t *testing.T) {
	const gga = "GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"
	tests := []struct {
		line string
		want []string
	}{
		{"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47", []string{
			"fix: 1", "satellites: 8 count", "latitude: 48.1173 °", "longitude: 11.5166667 °", "altitude: 545.4 m"}},
		{"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A", []string{
			"latitude: 48.1173 °", "longitude: 11.5166667 °", "speed: 11.524 m/s"}},
		{nmeaLine("GNGGA,123519.00,3351.65,S,15112.40,W,2,12,0.9,-3.5,M,,M,,"), []string{
			"fix: 2", "satellites: 12 count", "latitude: -33.8608333 °", "longitude: -151.2066667 °", "altitude: -3.5 m"}},
		{nmeaLine("GLRMC,,A,0000.00,N,00000.00,W,0.0,,,,"), []string{"latitude: 0 °", "longitude: 0 °", "speed: 0 m/s"}},
		{nmeaLine("GPGGA,,,,,,0,00,99.99,,,,,,"), []string{
			"fix: 0", "satellites: 0 count", "latitude: missing: no fix", "longitude: missing: no fix", "altitude: missing: no fix"}},
		{nmeaLine("GPRMC,,V,,,,,,,,,,N"), []string{
			"latitude: missing: no fix", "longitude: missing: no fix", "speed: missing: no fix"}},
		{nmeaLine(gga) + " ", []string{"fix: 1", "satellites: 8 count", "latitude: 48.1173 °", "longitude: 11.5166667 °", "altitude: 545.4 m"}},
		{nmeaLine("GPGGA,1,4807.038,N,01131.000,E,1,08,0.9,,M,,,,"), []string{"fix: 1", "satellites: 8 count", "latitude: 48.1173 °", "longitude: 11.5166667 °"}},
		{nmeaLine("GPRMC,1,A,4807.038,N,01131.000,E,,,,,"), []string{"latitude: 48.1173 °", "longitude: 11.5166667 °"}},
		{strings.ToLower(nmeaLine(gga)), nil},
		{"$" + gga, nil},                  // no checksum
		{"$" + gga + "*48", nil},          // a wrong one
		{"$" + gga + "*4Z", nil},          //
		{nmeaLine(gga)[5:], nil},          // the head is lost
		{"x" + nmeaLine(gga)[1:], nil},    //
		{nmeaLine("GPGSV,3,1,11"), nil},   // of no use
		{nmeaLine("PUBX,GGA,1,2,3"), nil}, // proprietary
		{nmeaLine("PGGGA,1,4807.038,N,01131.000,E,1,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,2"), nil},
		{nmeaLine("GPRMC,1,A"), nil},
		{nmeaLine("GPGGA,1,4860.000,N,01131.000,E,1,08,0.9,1,M,,,,"), nil}, // 60 minutes
		{nmeaLine("GPGGA,1,9000.001,N,01131.000,E,1,08,0.9,1,M,,,,"), nil}, // beyond the pole
		{nmeaLine("GPGGA,1,4807.038,N,18000.001,E,1,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,4807.038,E,01131.000,N,1,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,-807.038,N,01131.000,E,1,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,.5,N,01131.000,E,1,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,,,,,1,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,4807.038,N,01131.000,E,x,08,0.9,1,M,,,,"), nil},
		{nmeaLine("GPGGA,1,4807.038,N,01131.000,E,1,08,0.9,1,M,,,," + strings.Repeat("x", maxSentence)), nil},
		{"$GPGGA*56", nil}, {"$", nil}, {"", nil}, {"*", nil}, {"$*00", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, lines(nmea{}.parse([]byte(tt.line)), nil)); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
}

// The first Read returns what both sentences of a second hold.
func TestSerialNMEA(t *testing.T) {
	h := NewHost(t.TempDir())
	d := plugIn(t, h)
	s := buildSerial(t, h, "protocol = \"nmea\"\nbaud = 4800")
	listening(t, s)
	d.say("1,M,,*55\r\n" + nmeaLine("GPGGA,1,4807.038,N,01131.000,E,1,08,0.9,545.4,M,,M,,") + "\r\n" +
		nmeaLine("GPGSV,3,1,11") + "\r\n" + nmeaLine("GPRMC,1,A,4807.038,N,01131.000,E,022.4,,,,") + "\r\n$GPGG")
	readings, err := s.Read(limited(t, 30*time.Second))
	want := []string{"fix: 1", "satellites: 8 count", "latitude: 48.1173 °", "longitude: 11.5166667 °", "altitude: 545.4 m", "speed: 11.524 m/s"}
	if diff := cmp.Diff(want, lines(readings, err)); diff != "" {
		t.Error(diff)
	}
}

func FuzzNMEA(f *testing.F) {
	for _, body := range []string{
		"GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", "GNRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W",
		"GPGGA,,,,,,0,00,99.99,,,,,,", "GPRMC,,V,,,,,,,,,,N",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, r := range (nmea{}).parse([]byte(nmeaLine(body))) {
			v, _ := r.Value.Float()
			most := map[string]float64{"latitude": 90, "longitude": 180, "altitude": 1e6, "speed": 1e5, "satellites": 255, "fix": 255}[r.Name]
			if most == 0 || math.Abs(v) > most || (r.Quality == agent.Good) != (r.Value.Kind() == agent.IsNumber) {
				t.Errorf("%q: %+v", body, r)
			}
		}
		(nmea{}).parse([]byte(body))
	})
}
