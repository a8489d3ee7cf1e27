package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// A page says how the tree goes out.
type page struct {
	width  int // columns; 0: lines are not folded
	colour bool
	ascii  bool
}

// pageOf asks the environment and a terminal. COLUMNS counts for any output, and
// else what is no terminal has lines of any length and no colour. See
// https://no-color.org for NO_COLOR.
func pageOf(out io.Writer, env func(string) string) page {
	p := page{ascii: !speaksUTF8(env)}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width, _ = sizeOf(f)
		p.colour = env("NO_COLOR") == "" && env("TERM") != "dumb" && env("TERM") != ""
	}
	if n, err := strconv.Atoi(env("COLUMNS")); err == nil && n >= narrowest {
		p.width = n
	}
	return p
}

// text writes a text as it is, folded.
func (p page) text(s string) string {
	if p.ascii {
		s = plain(s)
	}
	if p.width > 0 {
		s = fold(s, p.width)
	}
	return s
}

// A pen holds what a page draws with.
type pen struct{ tee, end, bar string }

var (
	inUTF8  = pen{"├─ ", "└─ ", "│  "}
	inASCII = pen{"|- ", "`- ", "|  "}
)

// looks is how a state is shown; the word stands there in any case.
var looks = map[string]struct{ mark, colour string }{
	stateOK:      {"✓ ", "\x1b[32m"},
	stateWarning: {"! ", "\x1b[33m"},
	stateFailed:  {"✗ ", "\x1b[31m"},
	stateSkipped: {"· ", "\x1b[2m"},
}

// draw writes findings as a tree. Those that were skipped for the same reason as
// their parent are left out.
func (p page) draw(list []finding) string {
	return p.branch(list, finding{}, "")
}

func (p page) branch(list []finding, parent finding, margin string) string {
	var children []finding
	for _, f := range list {
		same := parent.ID != "" && f.State == stateSkipped && f.Text == parent.Text
		if f.Parent == parent.ID && !same {
			children = append(children, f)
		}
	}
	use := inUTF8
	if p.ascii {
		use = inASCII
	}
	var b strings.Builder
	for i, f := range children {
		head, rest := margin+use.tee, margin+use.bar
		switch {
		case parent.ID == "":
			head, rest = "", ""
		case i == len(children)-1:
			head, rest = margin+use.end, margin+strings.Repeat(" ", utf8.RuneCountInString(use.bar))
		}
		b.WriteString(p.node(f, head, rest) + p.branch(list, f, rest))
	}
	return b.String()
}

// node writes one finding, and below it what to do. head begins its first line,
// rest the others.
func (p page) node(f finding, head, rest string) string {
	look := looks[f.State]
	if p.ascii {
		look.mark = ""
	}
	lead := look.mark + f.name() + ": "
	text := p.wrap(head, rest+"    ", lead+f.State+": "+f.Text)
	if p.colour {
		text = strings.Replace(text, lead+f.State, lead+look.colour+f.State+"\x1b[0m", 1)
	}
	if f.Hint != "" {
		text += p.wrap(rest+"    ", rest+"    ", "do: "+f.Hint)
	}
	return text
}

// wrap breaks text at its spaces, and a word that is wider than a line within.
func (p page) wrap(head, rest, text string) string {
	if p.ascii {
		text = plain(text)
	}
	width := cmp.Or(p.width, 1<<30)
	var b strings.Builder
	line, begun := head, false
	turn := func() {
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
		line, begun = rest, false
	}
	for word := range strings.FieldsSeq(text) {
		if begun && columns(line)+1+columns(word) > width {
			turn()
		}
		if begun {
			line += " "
		}
		for room := width - columns(line); columns(word) > room && room > 0; room = width - columns(line) {
			cut := []rune(word)
			line, word = line+string(cut[:room]), string(cut[room:])
			turn()
		}
		line, begun = line+word, true
	}
	turn()
	return b.String()
}

// columns counts a character as one column.
func columns(s string) int { return utf8.RuneCountInString(s) }
