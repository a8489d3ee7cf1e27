package muc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent/xmpp/stanza"
)

const room = "lab@rooms.example.org"

// A fake is a connection of which a test says how it answers.
type fake struct {
	mu      sync.Mutex
	sent    []string
	replies map[string]string // by a part of the request; "" never answers, "slow ..." late
	broken  error
}

func (f *fake) SendOnce(raw []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, string(raw))
	return f.broken
}

func (f *fake) Start(to, typ string, payload []byte, done func(*stanza.Stanza, error)) error {
	f.mu.Lock()
	f.sent = append(f.sent, typ+" "+to+" "+string(payload))
	reply := "<iq type='result'/>"
	for part, r := range f.replies {
		if strings.Contains(string(payload), part) {
			reply = r
		}
	}
	f.mu.Unlock()
	if reply == "" {
		time.AfterFunc(30*time.Second, func() { done(nil, stanza.ErrNoAnswer) })
		return nil
	}
	reply, slow := strings.CutPrefix(reply, "slow ")
	s, err := stanza.Parse([]byte(reply))
	if err != nil {
		return err
	}
	if slow {
		time.AfterFunc(20*time.Second, func() { done(s, nil) })
		return nil
	}
	done(s, nil)
	return nil
}

func (f *fake) answer(part, reply string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies[part] = reply
}

func iqError(condition string) string {
	return "<iq type='error'><error type='cancel'><" + condition + " xmlns='" + stanza.NSError + "'/></error></iq>"
}

// A world is a room with a scripted service, in a bubble of synctest.
type world struct {
	*Room
	t     *testing.T
	f     *fake
	pen   sync.Mutex // for what was noted
	told  []string   // of owners
	ended []string   // messages
	end   context.CancelFunc
	err   error // of Run, after end
	over  chan struct{}
}

// inWorld runs a test of a room in which Run has sent its first join.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f(t, w)
		w.stop()
	})
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, f: &fake{replies: map[string]string{}}}
	w.Room = New(Config{
		JID: room, Nick: "pi", Tell: func(s string) { w.note(&w.told, s) },
		Done: func(id, stanzaID string, err error) { w.note(&w.ended, outcome(id, stanzaID, err)) },
	}, slog.New(slog.DiscardHandler))
	w.session()
	return w
}

// session begins a session.
func (w *world) session() {
	ctx, end := context.WithCancel(w.t.Context())
	w.end, w.over = end, make(chan struct{})
	go func() {
		defer close(w.over)
		w.err = w.Run(ctx, w.f)
	}()
	synctest.Wait()
}

// stop ends a session.
func (w *world) stop() {
	w.end()
	<-w.over
	synctest.Wait()
}

func outcome(id, stanzaID string, err error) string {
	if err != nil {
		return id + " failed: " + err.Error()
	}
	return strings.TrimSpace(id + " " + stanzaID)
}

func (w *world) note(list *[]string, s string) {
	w.pen.Lock()
	defer w.pen.Unlock()
	*list = append(*list, s)
}

// taken empties a list.
func (w *world) taken(list *[]string) []string {
	w.pen.Lock()
	defer w.pen.Unlock()
	got := *list
	*list = nil
	return got
}

// wantEnded wants what was said of messages, each by a part.
func (w *world) wantEnded(want ...string) {
	w.t.Helper()
	got := w.taken(&w.ended)
	ok := len(want) == len(got)
	for i := range min(len(want), len(got)) {
		ok = ok && strings.Contains(got[i], want[i])
	}
	if !ok {
		w.t.Errorf("done %q, want %q", got, want)
	}
}

// post sends a text to all.
func (w *world) post(body, id string) error { return w.Send(Message{ID: id, Body: body}) }

func (w *world) mustPost(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		if err := w.post(id, id); err != nil {
			w.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// joined is inWorld with the device in the room and no stanza noted.
func joined(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		w.enter("pi")
		f(t, w)
	})
}

func (w *world) enter(nick string) {
	w.t.Helper()
	w.presence(nick, "", item("none", "participant")+status("110"))
	if !w.Joined() {
		w.t.Fatal("not joined: " + w.Status())
	}
	w.take()
}

// settle lets time pass until everything that is due has been done.
func (w *world) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// in feeds a stanza as a router would, and returns what was said.
func (w *world) in(xml string) (Line, bool) {
	w.t.Helper()
	s, err := stanza.Parse([]byte(xml))
	if err != nil {
		w.t.Fatal(err)
	}
	defer synctest.Wait()
	if s.Name == "message" {
		return w.Message(w.t.Context(), s)
	}
	if !w.Presence(w.t.Context(), s) {
		w.t.Errorf("not taken: %s", xml)
	}
	return Line{}, false
}

func (w *world) presence(nick, typ, x string) {
	w.t.Helper()
	w.in("<presence type='" + typ + "' from='" + room + "/" + nick + "'>" + user(x) + "</presence>")
}

func (w *world) refuse(nick, condition string) {
	w.t.Helper()
	w.in("<presence type='error' from='" + room + "/" + nick + "'><error type='cancel'><" + condition + " xmlns='" + stanza.NSError + "'/></error></presence>")
}

// bounce returns a message that the device has sent.
func (w *world) bounce(id, condition string) {
	w.t.Helper()
	w.in("<message type='error' id='" + id + "' from='" + room + "'><error type='cancel'><" + condition + " xmlns='" + stanza.NSError + "'/></error></message>")
}

func (w *world) say(nick, id, more string) (Line, bool) {
	w.t.Helper()
	return w.in("<message type='groupchat' id='" + id + "' from='" + room + "/" + nick + "'>" + more + "</message>")
}

// take returns what was sent since the last call, shortened.
func (w *world) take() []string {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	sent := w.f.sent
	w.f.sent = nil
	for i, s := range sent {
		sent[i] = short(s)
	}
	return sent
}

// short names a stanza that the room sends in as few words as tests need.
func short(s string) string {
	_, to, _ := strings.Cut(s, room+"/")
	nick, _, _ := strings.Cut(to, "'")
	nick, _, _ = strings.Cut(nick, " ")
	switch {
	case strings.Contains(s, "type='unavailable'"):
		return "leave " + nick
	case strings.Contains(s, "<history maxstanzas='0'/>"):
		return "join " + nick
	case strings.HasPrefix(s, "<presence"):
		return "rename " + nick
	case strings.Contains(s, "urn:xmpp:ping"):
		return "ping " + nick
	case strings.Contains(s, "disco#info"):
		return "info"
	case strings.Contains(s, nsOwner):
		return "unlock"
	case strings.HasPrefix(s, "<message"):
		_, text, _ := strings.Cut(s, "<body>")
		text, _, _ = strings.Cut(text, "<")
		return "say " + text
	}
	return s
}

func user(x string) string { return "<x xmlns='" + nsUser + "'>" + x + "</x>" }

func item(affiliation, role string) string {
	return fmt.Sprintf("<item affiliation='%s' role='%s'/>", affiliation, role)
}

func status(codes ...string) string {
	b := ""
	for _, c := range codes {
		b += "<status code='" + c + "'/>"
	}
	return b
}

var errBroken = errors.New("the line is cut")
