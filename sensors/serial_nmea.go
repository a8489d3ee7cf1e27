package sensors

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"pipit/agent"
)

// nmea implements lineParser for the sentences GGA and RMC of NMEA 0183, from
// any talker (GP, GN, GL, GA, GB, ...).
type nmea struct{}

const (
	maxSentence     = 128           // NMEA 0183 says 82, receivers say more
	metresPerSecond = 1852.0 / 3600 // in a knot
)

func (nmea) names() []string {
	return []string{"latitude", "longitude", "altitude", "speed", "satellites", "fix"}
}

func (nmea) unparsed() string { return "but no GGA or RMC sentence with a right checksum" }
func (nmea) wholeLines() bool { return true }

func (nmea) parse(line []byte) []agent.Reading {
	kind, words := sentence(line)
	l := new(fieldList)
	var err error
	switch {
	case kind == "GGA" && len(words) >= 10:
		err = l.gga(words)
	case kind == "RMC" && len(words) >= 8:
		err = l.rmc(words)
	}
	if err != nil {
		return nil
	}
	return l.readings
}

// sentence checks "$" talker kind "," words "*" checksum and returns the kind
// and the words behind it; "" for anything else.
func sentence(line []byte) (kind string, words []string) {
	body, sum, ok := bytes.Cut(line, []byte("*"))
	if !ok || len(line) > maxSentence || len(body) < len("$GPGGA") || body[0] != '$' || body[1] == 'P' { // P is proprietary
		return "", nil
	}
	want, err := strconv.ParseUint(string(bytes.TrimSpace(sum)), 16, 8)
	if err != nil || byte(want) != checksum(body[1:]) {
		return "", nil
	}
	words = strings.Split(string(body[1:]), ",")
	if len(words[0]) != len("GPGGA") {
		return "", nil
	}
	return words[0][2:], words[1:]
}

func checksum(b []byte) (sum byte) {
	for _, c := range b {
		sum ^= c
	}
	return sum
}

var errNoFix = missing("no fix")

// gga adds time, latitude, N/S, longitude, E/W, [5] quality, satellites, HDOP,
// [8] altitude, M, ...
func (l *fieldList) gga(w []string) error {
	quality, err := strconv.ParseUint(w[5], 10, 8)
	if err != nil {
		return err
	}
	l.number("fix", float64(quality), "")
	if n, err := strconv.ParseUint(w[6], 10, 8); err == nil {
		l.number("satellites", float64(n), "count")
	}
	if quality == 0 {
		l.fail(errNoFix, "latitude", "longitude", "altitude")
		return nil
	}
	if err := l.position(w[1:5]); err != nil {
		return err
	}
	altitude, ok := decimal(w[8])
	if !ok || w[9] != "M" || altitude < -1e4 || altitude > 1e6 {
		return nil // a fix in two dimensions has none
	}
	l.number("altitude", altitude, "m")
	return nil
}

// rmc adds time, [1] A for valid or V, latitude, N/S, longitude, E/W, [6] speed
// in knots, ...
func (l *fieldList) rmc(w []string) error {
	if w[1] != "A" {
		l.fail(errNoFix, "latitude", "longitude", "speed")
		return nil
	}
	if err := l.position(w[2:6]); err != nil {
		return err
	}
	if knots, ok := decimal(w[6]); ok && knots >= 0 && knots < 1e5 {
		l.add(agent.Reading{Name: "speed", Value: agent.Number(knots * metresPerSecond).Round(3), Unit: "m/s"})
	}
	return nil
}

// position adds latitude, N/S, longitude, E/W.
func (l *fieldList) position(w []string) error {
	latitude, err := degrees(w[0], w[1], "N", "S", 90)
	if err != nil {
		return err
	}
	longitude, err := degrees(w[2], w[3], "E", "W", 180)
	if err != nil {
		return err
	}
	l.add(agent.Reading{Name: "latitude", Value: agent.Number(latitude).Round(7), Unit: "°"}) // to a centimetre
	l.add(agent.Reading{Name: "longitude", Value: agent.Number(longitude).Round(7), Unit: "°"})
	return nil
}

var errPosition = errors.New("no position")

// degrees reads dddmm.mmm, where the last two digits before the point are minutes.
func degrees(s, side, plus, minus string, most float64) (float64, error) {
	v, ok := decimal(s)
	point := strings.IndexByte(s+".", '.')
	if !ok || point < 3 || strings.Trim(s, "0123456789.") != "" || side != plus && side != minus {
		return 0, errPosition
	}
	whole, _ := decimal(s[:point-2])
	minutes := v - 100*whole
	if whole += minutes / 60; minutes >= 60 || whole > most {
		return 0, errPosition
	}
	if side == minus {
		whole = -whole
	}
	return whole, nil
}
