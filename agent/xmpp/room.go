package xmpp

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/chat"
	"pipit/agent/xmpp/muc"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/upload"
)

// A Room is a chat room to be in (XEP-0045).
type Room struct {
	Name     string // of [room.NAME]
	JID      string // bare, normalised
	Nick     string // wanted
	Password string // of the room, "" for none
	Commands bool   // people may ask for something there
	// AnonymousViewers lets everybody whose JID the room hides do what a viewer may.
	AnonymousViewers bool
}

// automatic marks what a program wrote, so that no other program answers it
// (RFC 3834, by XEP-0131).
const automatic = "<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-replied</header></headers>"

// A room outlives connections: what it has to say waits for the next one.
type room struct {
	cfg  Room
	link *Link
	muc  *muc.Room

	mu      sync.Mutex
	newest  spoken        // our last message to all
	pending []string      // ids of alerts that the room has not repeated
	told    []told        // alerts that it has, oldest first
	settled chan struct{} // closed when pending has become empty; nil while nobody waits
}

// A spoken message may be corrected while nothing followed it.
type spoken struct {
	id string // of its first version
	at time.Time
}

func (l *Link) newRooms() (rooms []*room) {
	for _, c := range l.cfg.Rooms {
		r := &room{cfg: c, link: l}
		r.muc = muc.New(muc.Config{
			JID: c.JID, Nick: c.Nick, Password: c.Password, Presence: l.presenceBody, Done: r.done,
			Tell: func(text string) { l.agent.Alert("room."+c.Name, agent.Warning, text) },
		}, l.log)
		rooms = append(rooms, r)
	}
	return rooms
}

// roomOf returns the room that a stanza comes from, nil for any other sender.
func (l *Link) roomOf(from string) *room {
	bare, _, _ := strings.Cut(from, "/")
	for _, r := range l.rooms {
		if r.cfg.JID == bare {
			return r
		}
	}
	return nil
}

// refreshRooms sends the presence of the device to its rooms: they do not get
// the one that contacts get.
func (l *Link) refreshRooms() {
	for _, r := range l.rooms {
		r.muc.Refresh()
	}
}

func (l *Link) roomStatus() (lines []string) {
	for _, r := range l.rooms {
		lines = append(lines, "room "+r.cfg.Name+": "+r.muc.Status())
	}
	return lines
}

// roomLoops keeps the device in its rooms as long as the session lives. A stream
// that is resumed is the same session, so nothing is joined again.
func (s *session) roomLoops() (loops []func(context.Context) error) {
	conn := struct {
		stanza.Starter
		*stream.Managed
	}{s.router, s.stream}
	for _, r := range s.link.rooms {
		loops = append(loops, func(ctx context.Context) error { return r.muc.Run(ctx, conn) })
	}
	return loops
}

// refused takes note of a stanza that was dropped because too much came. Who is
// in a room is not certain without each of its presences.
func (s *session) refused(st *stanza.Stanza) {
	if st.Name != "presence" {
		return
	}
	if r := s.link.roomOf(st.From); r != nil {
		r.muc.Lost()
	}
}

// message runs what somebody in the room asks of the device. Who they are is
// what the room says about their JID, never their nick.
func (r *room) message(ctx context.Context, m *stanza.Stanza) {
	line, ok := r.muc.Message(ctx, m)
	if !ok || !r.cfg.Commands {
		return
	}
	ask := chat.RoomLine{
		From: line.From.RealJID, Via: agent.ViaRoom, Room: r.cfg.JID, Text: line.Text, Re: r.alertOf(m), Stanza: m,
		Answer: func(text string) { r.answer(line, text) },
		File:   func(f *agent.File) bool { return r.link.sendFile(parcel{room: r, line: line, file: f}) },
	}
	if ask.Text == "" && ask.From != "" {
		r.link.chat.Reaction(ctx, ask, r.toldAs)
	}
	if ask.Text == "" || !line.Addressed && ask.Re == "" {
		return
	}
	if !line.Private {
		ask.Call = r.muc.Nick() + ": "
	}
	if ask.From == "" {
		if !r.cfg.AnonymousViewers {
			return
		}
		ask.Via = agent.ViaGuest
	}
	if r.link.agent.Role(ask.From) != agent.Stranger {
		r.link.last.Touch()
	}
	r.link.chat.Line(ctx, ask)
}

// answer says something to who asked: in the room, or in private as they did.
func (r *room) answer(line muc.Line, text string) {
	if !line.Private {
		text = call(line.From.Nick, text)
	}
	m := line.Reply(rand.Text(), text)
	m.Extra = append(m.Extra, automatic...)
	if err := r.send(m, ""); err != nil {
		r.link.log.Warn("answer not sent", "room", r.cfg.JID, "error", err)
	}
}

// post sends the link of a file, or what is to be said instead, to who asked.
func (r *room) post(line muc.Line, url, text string) error {
	if url == "" {
		r.answer(line, text)
		return nil
	}
	m := line.Reply(rand.Text(), url)
	m.Extra = append(upload.AppendLink(m.Extra, url), automatic...)
	return r.send(m, "")
}

// call puts the nick of somebody before a text, so that their client tells them.
func call(nick, text string) string {
	if strings.HasPrefix(text, "```") { // a block begins a line (XEP-0393)
		return nick + ":\n" + text
	}
	return nick + ": " + text
}

// send queues a message; corrects is the id of the one that it takes the place
// of, "" for none.
func (r *room) send(m muc.Message, corrects string) error {
	if err := r.muc.Send(m); err != nil { // may call done
		return err
	}
	if private := m.To.Nick != ""; private || corrects != "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = spoken{m.ID, time.Now()}
	return nil
}
