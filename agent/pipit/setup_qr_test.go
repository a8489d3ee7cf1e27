package main

import (
	"bytes"
	"strings"
	"testing"

	"rsc.io/qr"
)

func TestContactURI(t *testing.T) {
	for bare, want := range map[string]string{
		"pi@example.org":      "xmpp:pi@example.org?roster",
		"a#b?c%d@example.org": "xmpp:a%23b%3Fc%25d@example.org?roster",
		"käse@example.org":    "xmpp:k%C3%A4se@example.org?roster",
		"pi@[::1]":            "xmpp:pi@[::1]?roster",
	} {
		if got := contactURI(bare); got != want {
			t.Errorf("%s: %s, want %s", bare, got, want)
		}
	}
}

// modules reads a drawing back: true is dark.
func modules(t *testing.T, text string, s canvas) (grid [][]bool) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if s.colour {
			line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[0;30;107m"), "\x1b[0m")
		}
		var above, below []bool
		if !s.unicode {
			for i := 0; i+1 < len(line); i += 2 {
				above = append(above, (line[i:i+2] == "##") == s.colour)
			}
			grid = append(grid, above)
			continue
		}
		for _, r := range line {
			above = append(above, strings.ContainsRune("█▀", r) == s.colour)
			below = append(below, strings.ContainsRune("█▄", r) == s.colour)
		}
		grid = append(grid, above, below)
	}
	return grid
}

func TestQRText(t *testing.T) {
	text := contactURI("pi@example.org")
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	side := code.Size + 8
	for _, s := range []canvas{
		{width: side, unicode: true}, {width: side, unicode: true, colour: true}, {width: 2 * side}, {width: 2 * side, colour: true},
	} {
		drawn := qrText(text, s)
		if !s.unicode && strings.ContainsFunc(drawn, func(r rune) bool { return r > 0x7f }) {
			t.Errorf("%+v: not ASCII", s)
		}
		grid := modules(t, drawn, s)
		if len(grid) < side {
			t.Fatalf("%+v: %d rows:\n%s", s, len(grid), drawn)
		}
		for y := range side {
			for x := range side {
				if grid[y][x] != code.Black(x-4, y-4) {
					t.Fatalf("%+v: module %d,%d is wrong:\n%s", s, x, y, drawn)
				}
			}
		}
		s.width--
		if qrText(text, s) != "" {
			t.Errorf("%+v: drawn on a canvas that is too narrow", s)
		}
	}
	if qrText(strings.Repeat("x", 5000), canvas{width: 1000}) != "" {
		t.Error("drawn although it is too long")
	}
}

func TestCanvasOf(t *testing.T) {
	for _, c := range []struct {
		env     map[string]string
		unicode bool
	}{
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{}, false},
		{map[string]string{"LANG": "en_GB.UTF-8"}, true},
		{map[string]string{"LANG": "en_GB.utf8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C.UTF-8"}, true},
	} {
		s, terminal := canvasOf(&bytes.Buffer{}, func(key string) string { return c.env[key] })
		if s.unicode != c.unicode || terminal || s.colour || s.width != 80 {
			t.Errorf("%v: %+v, %v", c.env, s, terminal)
		}
	}
}
