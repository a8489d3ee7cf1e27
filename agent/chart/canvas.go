package chart

import (
	"image"
	"image/color"
	"math"
	"strings"

	"golang.org/x/image/font/inconsolata"
	"golang.org/x/image/math/fixed"
)

// shades is how many steps there are from white to a colour: lines and letters
// have soft edges, and the picture few colours, which keeps it small.
const shades = 8

// A ramp is a colour with its paler shades: an index of the palette, which
// holds the pale fill of an area and then the shades 1 to 8.
type ramp uint8

const (
	white uint8 = iota
	grid
	frame
	ramps // the first
)

// inks of letters, before the colours of the series.
var (
	ink   = rampAt(0)
	muted = rampAt(1)
)

// colours: two inks, and Okabe and Ito's palette, which people who are colour
// blind can tell apart; its light ones are darkened to be seen on white.
var colours = []color.RGBA{
	{0x20, 0x21, 0x24, 255}, {0x5f, 0x63, 0x68, 255},
	{0x00, 0x72, 0xb2, 255}, {0xd5, 0x5e, 0x00, 255}, {0x00, 0x8f, 0x68, 255},
	{0xb0, 0x50, 0x8a, 255}, {0xb5, 0x7d, 0x00, 255}, {0x3c, 0x9c, 0xdc, 255},
}

func rampAt(i int) ramp { return ramp(ramps) + ramp(i*(shades+1)) }

// seriesRamp returns the colour of a series.
func seriesRamp(i int) ramp { return rampAt(2 + i%MaxSeries) }

func (r ramp) area() uint8       { return uint8(r) }
func (r ramp) shade(s int) uint8 { return uint8(r) + uint8(s) }
func (r ramp) full() uint8       { return r.shade(shades) }
func (r ramp) has(i uint8) bool  { return i > uint8(r) && i <= r.full() }

func palette() color.Palette {
	p := color.Palette{color.White, color.Gray{0xe2}, color.Gray{0x90}}
	for _, c := range colours {
		p = append(p, paler(c, 2)) // the area
		for s := 1; s <= shades; s++ {
			p = append(p, paler(c, s))
		}
	}
	return p
}

func paler(c color.RGBA, s int) color.RGBA {
	mix := func(v uint8) uint8 { return uint8((int(v)*s + 255*(shades-s)) / shades) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 255}
}

// A canvas is what is drawn on. Nothing is drawn outside clip.
type canvas struct {
	image *image.Paletted
	clip  image.Rectangle
}

func newCanvas(w, h int) canvas {
	r := image.Rect(0, 0, w, h)
	return canvas{image.NewPaletted(r, palette()), r}
}

func (c *canvas) at(x, y int) *uint8 { return &c.image.Pix[y*c.image.Stride+x] }

// fill sets a rectangle.
func (c *canvas) fill(r image.Rectangle, i uint8) {
	r = r.Intersect(c.clip)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			*c.at(x, y) = i
		}
	}
}

// A vec is a place in pixels; the middle of the first pixel is at 0.5.
type vec struct{ x, y float64 }

// stroke draws a line from a to b, half is half its width; a dot where a is b.
func (c *canvas) stroke(a, b vec, half float64, colour ramp) {
	reach := half + 1
	box := image.Rect(
		int(min(a.x, b.x)-reach), int(min(a.y, b.y)-reach),
		int(max(a.x, b.x)+reach)+1, int(max(a.y, b.y)+reach)+1).Intersect(c.clip)
	d := vec{b.x - a.x, b.y - a.y}
	length := d.x*d.x + d.y*d.y
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			p := vec{float64(x) + 0.5 - a.x, float64(y) + 0.5 - a.y}
			along := 0.0
			if length > 0 {
				along = max(0, min(1, (p.x*d.x+p.y*d.y)/length))
			}
			p.x, p.y = p.x-along*d.x, p.y-along*d.y
			if cover := half + 0.5 - math.Sqrt(p.x*p.x+p.y*p.y); cover > 0 {
				c.blend(x, y, int(min(1, cover)*shades+0.5), colour)
			}
		}
	}
}

// blend covers a pixel by some of 8 parts: the palette has no mixtures of two
// colours, so the greater part wins.
func (c *canvas) blend(x, y, part int, colour ramp) {
	p := c.at(x, y)
	switch under := *p; {
	case part == 0:
	case colour.has(under):
		*p = max(under, colour.shade(part))
	case under < ramps || part > shades/2, under == colour.area() && part > 2:
		*p = colour.shade(part)
	}
}

// The face of all letters.
const (
	letterWidth  = 8
	letterHeight = 16
	ascent       = 12
)

// plain writes what the face does not have in other letters.
var plain = strings.NewReplacer("Ω", "Ohm", "\u2126", "Ohm", "μ", "µ", "–", "-", "—", "-", "≥", ">=", "≤", "<=", "\t", " ", "\n", " ")

// width is the width of a text in pixels.
func width(s string) int { return letterWidth * len([]rune(plain.Replace(s))) }

// fitting cuts a text to a width in pixels.
func fitting(s string, pixels int) string {
	r := []rune(plain.Replace(s))
	if n := max(0, pixels/letterWidth); len(r) > n {
		return string(r[:max(0, n-1)]) + "…"[:min(n, 1)*len("…")]
	}
	return string(r)
}

// text writes s to the right of x; y is the top of its letters.
func (c *canvas) text(x, y int, s string, colour ramp, bold bool) {
	face := inconsolata.Regular8x16
	if bold {
		face = inconsolata.Bold8x16
	}
	for _, r := range plain.Replace(s) {
		if _, known := face.GlyphAdvance(r); !known {
			r = '?'
		}
		at, mask, from, _, _ := face.Glyph(fixed.P(x, y+ascent), r)
		for gy := at.Min.Y; gy < at.Max.Y; gy++ {
			for gx := at.Min.X; gx < at.Max.X; gx++ {
				if _, _, _, a := mask.At(from.X+gx-at.Min.X, from.Y+gy-at.Min.Y).RGBA(); a > 0 && (image.Point{X: gx, Y: gy}).In(c.clip) {
					c.blend(gx, gy, int(a*shades+0x7fff)/0xffff, colour)
				}
			}
		}
		x += letterWidth
	}
}
