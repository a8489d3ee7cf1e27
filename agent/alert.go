package agent

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Level tells how much an alert matters. Greater is worse.
type Level uint8

const (
	Info     Level = iota // all is well again, or nothing has to be done
	Warning               // see to it today
	Critical              // see to it now
)

var levels = [...]string{"info", "warning", "critical"}

// String returns the word of the config.
func (l Level) String() string {
	if int(l) < len(levels) {
		return levels[l]
	}
	return "level(" + strconv.Itoa(int(l)) + ")"
}

// ParseLevel reads a level of the config: info, warning or critical.
func ParseLevel(s string) (Level, error) {
	if i := slices.Index(levels[:], s); i >= 0 {
		return Level(i), nil
	}
	return Info, fmt.Errorf("%q is no level: use info, warning or critical", s)
}

// An Alert is a message to people. Use NewAlert.
type Alert struct {
	ID    string // unique, and the same however often the alert is sent: it becomes the id of the message and its origin-id (XEP-0359)
	Time  time.Time
	Level Level
	Name  string // what it is about: "store"; "": Text is the whole line
	Text  string // one line for people, at most MaxText bytes

	To       string     // normalised bare JID of a person, or of a room; "": every owner
	Room     bool       // To is a room
	Rule     string     // whose firing it tells, for "silence hot 1h"; ""
	Number   uint64     // of the firing of a rule, for "ack 17"; 0: nothing to acknowledge
	State    AlertState // of that firing
	Replaces string     // ID of an alert that this one brings up to date; "": none
}

// AlertState is how things stand with what an alert tells.
type AlertState uint8

const (
	Note     AlertState = iota // something that happened; nobody has to acknowledge it
	Firing                     // and nobody has acknowledged it
	Acked                      // somebody sees to it
	Resolved                   // it is over
)

// Body returns the alert as people read it.
func (a Alert) Body() string {
	if a.Name == "" {
		return a.Text
	}
	return "[" + a.Level.String() + "] " + a.Name + ": " + a.Text
}

// NewAlert returns an alert of this moment with an ID of its own. The text is
// made one line of at most MaxText bytes.
func NewAlert(name string, level Level, text string) Alert {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	return Alert{ID: rand.Text(), Time: time.Now(), Level: level, Name: cut(name, MaxName), Text: cut(strings.Join(words, " "), MaxText)}
}

// An AlertEntry is an alert with its place among the alerts.
type AlertEntry struct {
	Pos uint64 // greater than 0, and greater than those before it
	Alert
}

// Alerts keeps alerts until every link has delivered them, in the order of
// AppendAlert, and knows how far each link has come. Its methods may be called
// from any goroutine. A link is a name that stays the same: "xmpp". One that is
// known misses none; a new one begins with what is kept.
type Alerts interface {
	// AppendAlert adds an alert. It is on disk when AppendAlert returns nil;
	// when the disk fails it is kept in memory, and the error says so. It waits
	// for the disk, so what senses or publishes must not wait for it.
	AppendAlert(Alert) error
	// PendingAlerts waits until there are alerts behind the link's position,
	// or ctx ends, and returns at most 256, oldest first. It does not wait for
	// the disk: an alert is there as soon as AppendAlert was called.
	PendingAlerts(ctx context.Context, link string) ([]AlertEntry, error)
	// AlertDone says that the link has delivered everything up to pos, which
	// PendingAlerts has given it. That is in force at once, and on disk when
	// AlertDone returns nil. It waits for the disk.
	AlertDone(link string, pos uint64) error
}

// FiringID returns the id of an alert of a firing with this number; rest makes it
// unique.
func FiringID(number uint64, rest string) string { return fmt.Sprintf("alert-%d-%s", number, rest) }

// FiringOf returns the number of the firing that an alert of this id tells, 0 for
// the id of anything else.
func FiringOf(id string) (number uint64) {
	rest, ok := strings.CutPrefix(id, "alert-")
	digits, _, found := strings.Cut(rest, "-")
	if !ok || !found {
		return 0
	}
	number, _ = strconv.ParseUint(digits, 10, 64)
	return number
}

// AlertEvents is told what became of alerts. Its methods must not block.
type AlertEvents interface {
	// Delivered says that a device of a person has the alert (XEP-0184).
	Delivered(id, to string)
	// Unreachable says that a server returned the alert: nobody has it.
	Unreachable(id, to, reason string)
}

// Alert tells every owner something; see Raise.
func (a *Agent) Alert(name string, level Level, text string) {
	if err := a.Raise(NewAlert(name, level, text)); err != nil {
		a.log().Error("an alert is in memory only; a power cut would lose it", "error", err)
	}
}

// Raise logs an alert and appends it to Alerts. An empty ID and a zero Time are
// filled in; the text is made one line of at most MaxText bytes. It may wait for
// the disk, so it is not for the path of a reading. The error says that the
// alert is in memory only.
func (a *Agent) Raise(alert Alert) error {
	made := NewAlert(alert.Name, alert.Level, alert.Text)
	alert.Name, alert.Text = made.Name, made.Text
	if alert.ID == "" {
		alert.ID = made.ID
	}
	if alert.Time.IsZero() {
		alert.Time = made.Time
	}
	severity := [...]slog.Level{slog.LevelInfo, slog.LevelWarn, slog.LevelError}[min(alert.Level, Critical)]
	a.log().Log(context.Background(), severity, "alert", "name", alert.Name, "text", alert.Text, "to", alert.To, "id", alert.ID)
	if a.Alerts == nil {
		return nil
	}
	return a.Alerts.AppendAlert(alert)
}
