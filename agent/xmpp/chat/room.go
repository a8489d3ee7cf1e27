package chat

import (
	"context"
	"strings"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

// A RoomLine is what an occupant of a room said to the device (XEP-0045).
type RoomLine struct {
	From   string    // real bare JID, normalised; "" for ViaGuest
	Via    agent.Via // ViaRoom or ViaGuest
	Room   string    // bare JID
	Text   string    // without what addresses the device
	Call   string    // what addresses it, "pi: "; "" in private
	Re     string    // id of the alert that it answers (XEP-0461), ""
	Stanza *stanza.Stanza
	Answer func(text string)        // to where the line was said
	File   func(f *agent.File) bool // the same for a file; see Responder.File
}

// fromRoom is what a message of a room has besides.
type fromRoom struct {
	room   string // bare JID, "" for any other message
	order  string // Text of the line
	call   string
	answer func(text string)
	send   func(f *agent.File) bool
}

// Line takes a line of a room as Message takes a message. Lines of one room must
// come one after the other. Who may do nothing, what is no command and what was
// encrypted gets no answer: the others in the room would have to read it.
func (r *Responder) Line(ctx context.Context, l RoomLine) {
	in, why := r.ofRoom(l)
	if why != "" {
		r.log().Debug("line of a room ignored", "from", l.Stanza.From, "reason", why)
		return
	}
	r.handle(ctx, in)
}

// ofRoom returns the message of a line, or why it is ignored.
func (r *Responder) ofRoom(l RoomLine) (in *message, ignored string) {
	own := l.From != "" && l.From == r.Bare(r.Self())
	if own || len(r.Agent.CommandsFor(l.From, l.Via)) == 0 {
		return nil, "not from one of the people"
	}
	in, err := decode(l.Stanza, l.From)
	if err != nil {
		return nil, err.Error()
	}
	in.via, in.re = l.Via, l.Re
	in.fromRoom = fromRoom{room: l.Room, order: strings.TrimFunc(l.Text, blank), call: l.Call, answer: l.Answer, send: l.File}
	switch why := in.notWritten(); {
	case why != "":
		return nil, why
	case in.encrypted():
		return nil, "encrypted"
	case !strings.HasSuffix(in.written(), in.order):
		return nil, "a quote" // marked as one (XEP-0428)
	}
	return in, ""
}
