package config

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"strconv"
	"strings"
)

const (
	maxAvatar     = 64 << 10 // bytes
	maxAvatarSide = 512      // pixels
)

// A Position is where the device is (WGS 84).
type Position struct {
	Lat, Lon float64  // degrees
	Alt      *float64 // metres, nil: not known
}

type faceKeys struct {
	Avatar   string `toml:"avatar"`
	Position string `toml:"position"`
}

// face reads what contacts see of the device.
func (l *loader) face(s section, d Device) Device {
	var keys faceKeys
	s.pick(&keys)
	if s.given("avatar") {
		var err error
		if d.Avatar, err = l.avatar(keys.Avatar); err != nil {
			s.fail("avatar", "%s", err)
		}
	}
	if s.given("position") {
		var err error
		if d.Position, err = parsePosition(keys.Position); err != nil {
			s.fail("position", "%s", err)
		}
	}
	return d
}

func (l *loader) avatar(path string) ([]byte, error) {
	data, _, err := readFile(l.open, l.resolve(path), maxAvatar)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	size, err := png.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s is not a PNG", path)
	case size.Width > maxAvatarSide || size.Height > maxAvatarSide:
		return nil, fmt.Errorf("%s has %d × %d pixels, at most %d × %[4]d are possible", path, size.Width, size.Height, maxAvatarSide)
	}
	return data, nil
}

// parsePosition reads latitude and longitude, and perhaps an altitude.
func parsePosition(text string) (*Position, error) {
	words := strings.Split(text, ",")
	numbers := make([]float64, len(words))
	for i, w := range words {
		f, err := strconv.ParseFloat(strings.TrimSpace(w), 64)
		if err != nil || len(words) < 2 || len(words) > 3 {
			return nil, errors.New(`wants latitude and longitude in degrees, and perhaps an altitude in metres, such as "52.5163, 13.3777, 34"`)
		}
		numbers[i] = f
	}
	if !within(numbers[0], 90) || !within(numbers[1], 180) {
		return nil, errors.New("the latitude is -90 to 90, the longitude -180 to 180 degrees")
	}
	p := &Position{Lat: numbers[0], Lon: numbers[1]}
	if len(numbers) == 3 {
		if !within(numbers[2], 1e5) {
			return nil, errors.New("the altitude is at most 100000 metres")
		}
		p.Alt = &numbers[2]
	}
	return p, nil
}

func within(f, most float64) bool { return f >= -most && f <= most }
