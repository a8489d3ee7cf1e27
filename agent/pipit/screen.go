package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"pipit/agent"
)

// Only check and the QR code of setup have colour, and not with NO_COLOR; a live table
// of watch moves the cursor, and only on a terminal that can do that.

const (
	narrowest = 20 // columns; a terminal that says less is not believed
	usual     = 80
)

// A screen is a terminal as text goes to it: lines are folded at its width, and
// where its character set is not UTF-8 they are in ASCII.
type screen struct {
	out   io.Writer
	width func() int // columns; nil: lines are not folded
	ascii bool
}

// onScreen returns out as text for people goes to it: a terminal as a screen,
// anything else, such as a pipe, as it is.
func onScreen(out io.Writer) io.Writer {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return out
	}
	width := func() int {
		w, _ := sizeOf(f)
		return w
	}
	return &screen{out: out, width: width, ascii: !speaksUTF8(os.Getenv)}
}

// onPaper is onScreen for text to copy, whose lines stay whole.
func onPaper(out io.Writer) io.Writer {
	if s, ok := onScreen(out).(*screen); ok {
		s.width = nil
		return s
	}
	return out
}

// sizeOf returns the columns and lines of a terminal, 80 by 24 where it does not say.
func sizeOf(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width < narrowest {
		return usual, 24
	}
	return width, height
}

// speaksUTF8 tells whether the locale's characters are in UTF-8 (POSIX: LC_ALL
// before LC_CTYPE before LANG; without any of them it is C).
func speaksUTF8(env func(string) string) bool {
	locale := strings.ToLower(cmp.Or(env("LC_ALL"), env("LC_CTYPE"), env("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// Write takes whole lines, or a prompt.
func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	if s.ascii {
		text = plain(text)
	}
	if s.width != nil {
		text = fold(text, s.width())
	}
	if _, err := io.WriteString(s.out, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// spelled is how units and signs are written in ASCII; units as the config takes them.
var spelled = strings.NewReplacer(
	"°C", "degC", "°F", "degF", "°", "deg", "µ", "u", "μ", "u", "Ω", "Ohm", "²", "2", "³", "3", "‰", "per mille",
	"…", "...", "–", "-", "—", "-", "−", "-", "→", "->", "←", "<-", "×", "x", "·", ".", "±", "+/-", "≥", ">=", "≤", "<=",
	"“", "\"", "”", "\"", "’", "'", "‘", "'", "\u00a0", " ", "\u202f", " ",
	"▁", "_", "▂", "_", "▃", "-", "▄", "-", "▅", "=", "▆", "=", "▇", "#", "█", "#",
)

// plain writes a text in ASCII; what has no spelling becomes a question mark.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, spelled.Replace(text))
}

// fold breaks lines that are wider than a screen, at a space where there is one,
// and sets in what follows. A character counts as one column.
func fold(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = foldLine(line, width)
	}
	return strings.Join(lines, "\n")
}

const foldIn = "  "

func foldLine(line string, width int) string {
	var b strings.Builder
	rest := []rune(line)
	for room := width; len(rest) > room; room = width - len(foldIn) {
		at := room
		for i := room; i > room/2; i-- {
			if rest[i] == ' ' {
				at = i
				break
			}
		}
		b.WriteString(strings.TrimRight(string(rest[:at]), " ") + "\n" + foldIn)
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	return b.String() + string(rest)
}

// row is a reading in the live table, cut to a width: the name gives way first,
// and below 60 columns the time is left out.
func row(r agent.Reading, width int, ascii bool) string {
	value, at := clean(r.Display()), " "+r.Time.Local().Format(time.TimeOnly)
	if ascii {
		value = plain(value)
	}
	name := min(32, width-21-len(at))
	if width < 60 {
		name, at = width*3/5, ""
	}
	line := []rune(fmt.Sprintf("%-*s %s", name, cutTo(r.Name, name), value))
	if at != "" {
		line = []rune(fmt.Sprintf("%-*s %-20s%s", name, cutTo(r.Name, name), value, at))
	}
	return string(line[:min(len(line), width)])
}

// cutTo keeps the end of a name, which tells fields apart.
func cutTo(name string, width int) string {
	if len(name) > width { // it is ASCII
		return "~" + name[len(name)-width+1:]
	}
	return name
}
