// Package agent holds Pipit's words and its middle: readings, the board of
// present state, the schedule of sensors, commands, and who may run them. It
// imports the standard library only; everything else imports it.
//
//	sensors ──Reading─> Poller ─┬─> Fields ─> Agent.Put ─> Clock ─┬─> Board ──Watch──> links: snapshot, presence
//	topics of other devices ────┘                ^                ├─> Record ──After─> links: an item for each reading
//	                                             │                └─> Seers: rules ─┬─> Alerts ─> links: to people and rooms
//	Outputs ──────── what was read back ─────────┘                    watches       └─> lines of "do" ─> Agent.Do
//	   ^
//	   └─ Command.Run <─ Agent.Do <─Request─ people: chat line, room, ad-hoc form, topic
//	                               the Answer goes back as the return value
//
// Readings go forward by value. A request is a function call that returns.
// State (the Board) is conflated; the Record keeps every accepted reading in
// order, and each link goes on from its own position in it. The Clock stands
// before both: no reading is recorded with a time that is known to be false.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An Agent is one device. Set the fields before the first call of a method and
// leave them alone afterwards; the methods may be called from any goroutine.
type Agent struct {
	Name     string // for people
	Location string // for people, may be ""
	Version  string
	Started  time.Time

	Board    Board
	Record   Record          // nil: nothing is recorded
	Clock    *Clock          // nil: the time of day is always believed
	Alerts   Alerts          // nil: alerts are only logged
	People   map[string]Role // by normalised bare JID; not asked when Staff is set
	Staff    *People         // who may do what at run time; nil: People, which never changes
	MQTT     Role            // what anybody may do who writes to the command topics; Stranger: nothing
	Commands []Command       // the one table, in the order of help, until SetCommands
	Messages Messages        // what Tell says, until the link has sent it
	Moods    Moods           // what the rules let contacts see
	Events   AlertEvents     // nil: nobody is told what became of an alert
	Seers    []func(Reading) // told of each reading that the board took; must not block
	Codes    *TOTP           // what ConfirmTOTP asks; nil: it is never confirmed
	Audit    *Audit          // nil: nobody remembers who asked for what
	Limits   *Limits         // nil: people may ask as often as they like
	Outside  *Strangers      // told what strangers try; nil: nobody is
	Loops    Loops           // those that must never stop; a link says that it moves
	Log      *slog.Logger    // nil: silent

	confirmations confirmations
	exchanged     atomic.Pointer[[]Command] // what SetCommands was given

	full sync.Once // logs that the board is full
}

// Put accepts a reading: it becomes the state of the board and is appended to
// the record, once the clock is believed. A stale reading repeats a recorded
// one, so it only changes the board. A reading with a bad name is dropped, and
// so is a new name when the board is full.
func (a *Agent) Put(r Reading) {
	if err := CheckName(r.Name); err != nil {
		a.log().Warn("reading dropped", "error", err)
		return
	}
	if r.Quality >= Fault {
		r.Value = Value{}
	} else if r.Value.Kind() == None {
		r.Quality, r.Reason = Fault, noNumber
	}
	a.Clock.put(a, r)
}

const noNumber = "the sensor gave no number" // the reason of a reading that should have a value

// Refresh puts a newer value and its time on the board without telling anybody:
// it is too near to the last one that was Put to be published. Only a reading
// whose quality is the one that the board shows is taken.
func (a *Agent) Refresh(r Reading) { a.Clock.refresh(a, r) }

// accept takes a reading to the board and, as recorded, to the record.
func (a *Agent) accept(shown, recorded Reading) {
	if a.show(shown) && a.records(recorded) {
		a.Record.Append(recorded)
	}
}

// show puts a reading on the board and reports false when that is full.
func (a *Agent) show(r Reading) bool {
	ok := a.Board.Put(r)
	if !ok {
		a.full.Do(func() { a.log().Error("board full, new names are dropped", "max", MaxReadings, "first", r.Name) })
		return false
	}
	for _, see := range a.Seers {
		see(r)
	}
	return true
}

// records tells whether a reading belongs into the record.
func (a *Agent) records(r Reading) bool { return a.Record != nil && r.Quality != Stale }

// Role returns what the person with this normalised bare JID may do. The empty
// JID is nobody, whatever People says.
func (a *Agent) Role(bareJID string) Role {
	if bareJID == "" {
		return Stranger
	}
	if a.Staff != nil {
		return a.Staff.Role(bareJID)
	}
	return a.People[bareJID]
}

// Persons returns the normalised bare JIDs of everybody who has a role now, sorted.
func (a *Agent) Persons() []string {
	if a.Staff == nil {
		return slices.Sorted(maps.Keys(a.People))
	}
	var jids []string
	for _, p := range a.Staff.List() {
		jids = append(jids, p.JID)
	}
	return jids
}

// Owners returns the normalised bare JIDs of all owners of now, sorted.
func (a *Agent) Owners() []string {
	return slices.DeleteFunc(a.Persons(), func(p string) bool { return a.Role(p) != Owner })
}

// PeopleChanged returns a channel that is closed when what Persons or Role return
// has changed; nil when that never happens.
func (a *Agent) PeopleChanged() <-chan struct{} {
	_, changed := a.Staff.Watch()
	return changed
}

// Allowed is the one authoriser. Every way in asks it for every command, each
// time: who (bare JID, hence the role), which way, which command. A guest of a
// room is nobody that could confirm.
func (a *Agent) Allowed(from string, via Via, c Command) bool {
	if via == ViaGuest && c.Confirm != ConfirmNone {
		return false
	}
	role := a.role(from, via)
	return role != Stranger && role >= c.Needs
}

// role returns what somebody may do who asks in this way.
func (a *Agent) role(from string, via Via) Role {
	switch {
	case via == ViaLocal && from == "":
		return Owner
	case via == ViaRule && from == "":
		return Operator
	case via == ViaGuest && from == "":
		return Viewer
	case via == ViaMQTT && from == "":
		return a.MQTT
	}
	return a.Role(from)
}

// SetCommands exchanges the table of commands. What is being run goes on.
func (a *Agent) SetCommands(list []Command) { a.exchanged.Store(&list) }

func (a *Agent) commands() []Command {
	if list := a.exchanged.Load(); list != nil {
		return *list
	}
	return a.Commands
}

// CommandsFor returns the commands that somebody may run, in the order of the table.
func (a *Agent) CommandsFor(from string, via Via) []Command {
	var list []Command
	for _, c := range a.commands() {
		if a.Allowed(from, via, c) {
			list = append(list, c)
		}
	}
	return list
}

// Command returns a command by name if the asker may run it.
func (a *Agent) Command(from string, via Via, name string) (Command, bool) {
	for _, c := range a.commands() {
		if c.Name == name && a.Allowed(from, via, c) {
			return c, true
		}
	}
	return Command{}, false
}

// Do authorises a request, checks its arguments and runs the command. It
// returns ErrUnknown for a command that does not exist or that the asker may
// not run, a *RateError for too many requests, a *ParamError for a bad argument,
// an error that wraps ErrForbidden for arguments that need a greater role, a
// *ConfirmError or an *UnconfirmedError when it has to be confirmed, or the
// command's own error. A panic in a command becomes an error. Every request is
// logged, and audited, with who asked; of too many only the first.
func (a *Agent) Do(ctx context.Context, req Request) (ans Answer, err error) {
	name := cut(req.Name, MaxName) // it comes from outside
	defer func() {
		if p := recover(); p != nil {
			a.log().Error("command panicked", "command", name, "panic", p, "stack", string(debug.Stack()))
			ans, err = Answer{}, fmt.Errorf("%s failed inside the device; the log has the details", name)
		}
		a.note(req, err)
	}()
	if err = a.Limits.admit(req, time.Now()); err != nil {
		return Answer{}, err
	}
	c, ok := a.Command(req.From, req.Via, req.Name)
	if !ok {
		return Answer{}, ErrUnknown
	}
	args, err := c.CheckArgs(req.Args)
	if err != nil {
		return Answer{}, err
	}
	req.Args = args
	if c.NeedsFor != nil && a.role(req.From, req.Via) < c.NeedsFor(req.Args) {
		return Answer{}, fmt.Errorf("%w: that is for %ss", ErrForbidden, c.NeedsFor(req.Args))
	}
	if err = a.confirm(c, req); err != nil {
		return Answer{}, err
	}
	return c.Run(ctx, req)
}

// Refuse counts and audits a request of somebody that names no command they may
// run, for a way in that finds this out before it has one to give to Do. It runs
// nothing. The error is ErrUnknown or a *RateError. Talk in a room is no request
// unless it names a command.
func (a *Agent) Refuse(req Request) error {
	if req.Room != "" && !a.has(req.Name) {
		return ErrUnknown
	}
	err := a.Limits.admit(req, time.Now())
	if err == nil {
		err = ErrUnknown
	}
	a.note(req, err)
	return err
}

// noCommand stands in log and audit for a word that is no command: it may be a
// password or a code that went astray.
const noCommand = "(no command)"

// note logs and audits what became of a request. Of a flood it does so once, so
// that nobody drives out of the audit what they did before.
func (a *Agent) note(req Request, err error) {
	var rate *RateError
	if errors.As(err, &rate) && rate.Again {
		return
	}
	level := slog.LevelInfo
	if !a.has(req.Name) {
		req.Name, req.Args, level = noCommand, nil, slog.LevelDebug
	} else if errors.Is(err, ErrUnknown) {
		err = ErrForbidden // to the asker it is unknown, so that names do not leak
	}
	a.log().Log(context.Background(), level, "command", "from", req.From, "via", string(req.Via), "command", req.Name, "error", err)
	a.Audit.Add(req, err)
}

func (a *Agent) has(name string) bool {
	return slices.ContainsFunc(a.commands(), func(c Command) bool { return c.Name == name })
}

// CheckArgs validates all arguments of a command, fills in defaults and
// returns them in normal form. An argument that the command does not have is
// an error. The error is a *ParamError.
func (c Command) CheckArgs(args map[string]string) (map[string]string, error) {
	checked := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		v, err := p.Check(args[p.Name])
		if err != nil {
			return nil, err
		}
		checked[p.Name] = v
	}
	for name := range args {
		if _, ok := checked[name]; !ok {
			return nil, &ParamError{name, "this command has no such argument"}
		}
	}
	return checked, nil
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (a *Agent) log() *slog.Logger {
	if a.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Log
}
