package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"rsc.io/qr"
)

// contactURI is what adds an account to the contacts (RFC 5122, XEP-0147).
func contactURI(bare string) string {
	var b strings.Builder
	for _, c := range []byte(bare) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$()*+,;=@:[]", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return "xmpp:" + b.String() + "?roster"
}

// A canvas says how a code can be drawn.
type canvas struct {
	width   int  // columns
	unicode bool // half blocks
	colour  bool // black on white, whatever the terminal has; else its ground is taken to be dark
}

// canvasOf looks at out; ok is false when it is no terminal.
func canvasOf(out io.Writer, env func(string) string) (c canvas, ok bool) {
	c = canvas{width: usual, unicode: speaksUTF8(env)}
	f, isFile := out.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return c, false
	}
	c.width, _ = sizeOf(f)
	c.colour = env("NO_COLOR") == "" && env("TERM") != "" && env("TERM") != "dumb"
	return c, true
}

const quiet = 4 // modules around a code, ISO/IEC 18004 section 6.3.8

// qrText draws a text as a QR code, "" when the canvas is too narrow for it.
func qrText(text string, c canvas) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	side := code.Size + 2*quiet
	step, cell := 1, 2
	if c.unicode {
		step, cell = 2, 1
	}
	if side*cell > c.width {
		return ""
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += step {
		if c.colour {
			b.WriteString("\x1b[0;30;107m")
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			ink := func(y int) bool { return y < code.Size+quiet && code.Black(x, y) == c.colour }
			b.WriteString(c.cell(ink(y), ink(y+1)))
		}
		if c.colour {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// cell draws a module, or two modules one above the other as half blocks.
func (c canvas) cell(above, below bool) string {
	switch {
	case !c.unicode && above:
		return "##"
	case !c.unicode:
		return "  "
	case above && below:
		return "█"
	case above:
		return "▀"
	case below:
		return "▄"
	}
	return " "
}
