package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Role is what a person may do; a greater role includes the lesser ones.
type Role uint8

const (
	Stranger Role = iota // not in [people]: gets no answer at all
	Viewer               // may see
	Operator             // may see and switch
	Owner                // may also change the device and its people
)

var roles = [...]string{"stranger", "viewer", "operator", "owner"}

// String returns the word of the config.
func (r Role) String() string {
	if int(r) < len(roles) {
		return roles[r]
	}
	return "role(" + strconv.Itoa(int(r)) + ")"
}

// ParseRole reads a role of the config: owner, operator or viewer.
func ParseRole(s string) (Role, error) {
	if i := slices.Index(roles[:], s); i > 0 {
		return Role(i), nil
	}
	return Stranger, fmt.Errorf("%q is no role: use owner, operator or viewer", s)
}

// Via is the way a request came in.
type Via string

const (
	ViaChat  Via = "chat"  // a one-to-one message
	ViaAdHoc Via = "adhoc" // XEP-0050
	ViaRoom  Via = "room"  // a message in a room (XEP-0045), or a private one there
	ViaGuest Via = "guest" // the same from somebody whose JID the room hides, where the config lets them
	ViaRule  Via = "rule"  // do and on_clear of a rule
	ViaMQTT  Via = "mqtt"  // a topic of the broker, which does not say who wrote it
	ViaLocal Via = "local" // this process: the command line, a test
)

// A Request is what somebody asks of the device.
type Request struct {
	From string // the asker's bare JID, normalised; empty for ViaLocal, ViaRule, ViaGuest and ViaMQTT
	Via  Via
	Name string            // of the command
	Args map[string]string // by Param.Name; several values of a ParamChoices are joined by a space

	Confirmed string // the word or code that confirms it; "" the first time

	Room string // bare JID of the room it came through, ""
	Rule string // name of the rule that asks, for ViaRule
	Re   string // id of the message that was replied or reacted to, at most 512 bytes; ""
}

// An Answer is what goes back: a text, or a table, or a text above a table.
type Answer struct {
	Text    string     // plain lines; the first makes sense alone
	Columns []string   // headings of Rows
	Rows    [][]string // each as long as Columns
	File    *File      // nil: none
}

// String writes the answer as plain text, the table in columns of two spaces.
func (a Answer) String() string {
	var b strings.Builder
	b.WriteString(a.Text)
	if len(a.Rows) == 0 {
		return b.String()
	}
	width := make([]int, len(a.Columns))
	for _, row := range a.Rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, row := range a.Rows {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		var line strings.Builder
		for i, c := range row {
			line.WriteString(c)
			line.WriteString(strings.Repeat(" ", width[i]-len([]rune(c))+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
	}
	return b.String()
}

// ParamKind is the type of a parameter.
type ParamKind uint8

const (
	ParamText    ParamKind = iota // one line of at most MaxText bytes
	ParamNumber                   // a decimal number within Min and Max
	ParamBool                     // true or false (on, off, yes, no, 1, 0)
	ParamChoice                   // one of Choices
	ParamChoices                  // any of Choices, by spaces or commas
)

// A Param is one argument of a command. From it come the field of the ad-hoc
// form, the check of a submitted value and the line of help.
type Param struct {
	Name     string // [a-z0-9_]
	Label    string // for people: "Reading"
	Help     string
	Kind     ParamKind
	Required bool
	Default  string
	Choices  func() []string // for ParamChoice and ParamChoices; asked anew at each use
	Glob     bool            // a ParamChoice(s) value may also be a glob that matches a choice
	Min, Max float64         // for ParamNumber, when Min < Max
	Rest     bool            // in a chat line it takes all the words that are left
}

// A Command is something people can ask for, declared once for every way in.
type Command struct {
	Name   string // [a-z0-9-]
	Help   string // one line, lower case, no period
	Params []Param
	Needs  Role
	// NeedsFor is the role that arguments in normal form need beside Needs; nil: no other.
	NeedsFor func(args map[string]string) Role
	Run      func(ctx context.Context, req Request) (Answer, error)

	Confirm   Confirmation
	ConfirmIf func(args map[string]string) bool // which arguments, in normal form, ask for it; nil: all
	Will      string                            // for people, after "This will": "reboot the board"; "": the line itself
}

// Errors of Agent.Do that a link tells apart. ErrUnknown is also the answer to
// a command that the asker may not run: names do not leak.
var (
	ErrUnknown   = errors.New("unknown command")
	ErrForbidden = errors.New("not allowed")
)

// A list of choices is bounded, but a person may tick every reading of a board.
const (
	maxChoices    = 256      // words
	maxChoiceText = 16 << 10 // bytes of all of them
)

// A ParamError says what is wrong with one argument.
type ParamError struct {
	Param string // its name, "" when it is not about one of them
	Text  string // for people: lower case, no period
}

func (e *ParamError) Error() string {
	if e.Param == "" {
		return e.Text
	}
	return e.Param + ": " + e.Text
}

// Check validates a value and returns it in normal form: a boolean as true or
// false, a number trimmed, a glob expanded to the choices it matches. An empty
// value becomes the default. The error is a *ParamError.
func (p Param) Check(value string) (string, error) {
	fail := func(format string, args ...any) (string, error) {
		return "", &ParamError{p.Name, fmt.Sprintf(format, args...)}
	}
	value = strings.TrimSpace(value)
	if value == "" {
		value = p.Default
	}
	if value == "" {
		if p.Required {
			return fail("a value is needed")
		}
		return "", nil
	}
	most := MaxText
	if p.Kind == ParamChoices {
		most = maxChoiceText
	}
	if len(value) > most {
		return fail("longer than %d bytes", most)
	}
	switch p.Kind {
	case ParamText:
		if strings.ContainsAny(value, "\r\n") {
			return fail("only one line is allowed")
		}
	case ParamNumber:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || Number(f).Kind() == None || strings.ContainsAny(value, "xX_") {
			return fail("%q is not a number", value)
		}
		if p.Min < p.Max && (f < p.Min || f > p.Max) {
			return fail("%s is not between %s and %s", value, Number(p.Min), Number(p.Max))
		}
		return Number(f).String(), nil
	case ParamBool:
		switch strings.ToLower(value) {
		case "true", "1", "on", "yes":
			return "true", nil
		case "false", "0", "off", "no":
			return "false", nil
		}
		return fail("%q is neither true nor false", value)
	case ParamChoice, ParamChoices:
		return p.checkChoices(value)
	}
	return value, nil
}

func (p Param) checkChoices(value string) (string, error) {
	var choices, picked []string
	if p.Choices != nil {
		choices = p.Choices()
	}
	words := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) > maxChoices {
		return "", &ParamError{p.Name, fmt.Sprintf("at most %d values are allowed", maxChoices)}
	}
	if p.Kind == ParamChoice && len(words) > 1 {
		return "", &ParamError{p.Name, "only one value is allowed"}
	}
	has := make(map[string]bool)
	for _, w := range words {
		found := false
		for _, c := range choices {
			if c == w || p.Glob && Match(w, c) {
				found = true
				if !has[c] {
					has[c] = true
					picked = append(picked, c)
				}
			}
		}
		if !found {
			text := fmt.Sprintf("there is no %q", w)
			if near := Nearest(w, choices); near != "" {
				text += fmt.Sprintf(", did you mean %q?", near)
			}
			return "", &ParamError{p.Name, text}
		}
	}
	if p.Kind == ParamChoice && len(picked) > 1 {
		return "", &ParamError{p.Name, "only one value is allowed"}
	}
	return strings.Join(picked, " "), nil
}

// Nearest returns the candidate that a mistyped word most likely meant: one
// that starts with it or has it as its field, or the closest by edit distance when that is at most a
// third of the word's length (at least 1, at most 3). "" when none is near.
func Nearest(word string, candidates []string) string {
	best, dist := "", max(1, min(3, len(word)/3))+1
	for _, c := range candidates {
		if len(word) >= 2 && dist > 1 && (strings.HasPrefix(c, word) || strings.HasSuffix(c, "."+word)) {
			best, dist = c, 1
		}
		if d := distance(word, c); d < dist {
			best, dist = c, d
		}
	}
	return best
}

// distance is the edit distance in which a swap of neighbours counts as one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return 64
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
