package xmpp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/muc"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	maxTold   = 64              // alerts that a room remembers
	alertWait = 5 * time.Second // for a room that the device is in to repeat an alert
	amendFor  = time.Hour       // after that a message is not corrected any more (XEP-0308)
)

// A told alert was repeated by the room to all. People name it by the id that
// the room gave it (XEP-0359).
type told struct{ id, stanzaID string }

// roomAlert tells an alert to the room a.To, once for each a.ID. One that
// replaces our newest message there corrects it (XEP-0308). It does not wait for
// the network; what the room cannot take now waits in memory until it can. The
// error says that the alert will not be told there.
func (l *Link) roomAlert(a agent.Alert) error {
	r := l.roomOf(a.To)
	if r == nil {
		return fmt.Errorf("there is no [room] with the jid %s in the config", a.To)
	}
	first, ok := r.expect(a)
	if !ok {
		return nil // it was told, or is about to be
	}
	m := muc.Message{ID: a.ID, Body: a.Body()}
	if first != "" {
		m.Extra = wire.Attr([]byte("<replace xmlns='urn:xmpp:message-correct:0'"), "id", first)
		m.Extra = append(m.Extra, "/>"...)
	}
	m.Extra = append(m.Extra, automatic...)
	err := r.send(m, first)
	if err != nil {
		r.done(a.ID, "", err)
	}
	return err
}

// expect notes an alert that is about to be sent. corrects is the id of the
// message that it takes the place of, "" for none; ok is false when the alert is
// known.
func (r *room) expect(a agent.Alert) (corrects string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := func(t told) bool { return t.id == a.ID }
	if slices.Contains(r.pending, a.ID) || slices.ContainsFunc(r.told, known) {
		return "", false
	}
	r.pending = append(r.pending, a.ID)
	if a.Replaces != "" && a.Replaces == r.newest.id && time.Since(r.newest.at) < amendFor {
		corrects = a.Replaces
	}
	return corrects, true
}

// done takes note of what became of a message of ours; see muc.Config.Done.
func (r *room) done(id, stanzaID string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.pending, id)
	if i < 0 {
		return // an answer
	}
	r.pending = slices.Delete(r.pending, i, i+1)
	if err == nil {
		r.told = append(r.told[max(0, len(r.told)-maxTold+1):], told{id, stanzaID})
	}
	if len(r.pending) == 0 && r.settled != nil {
		close(r.settled)
		r.settled = nil
	}
}

// awaitRooms waits until the rooms that the device is in have repeated all
// alerts, but not for long: people are told after that.
func (l *Link) awaitRooms(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, alertWait)
	defer cancel()
	for _, r := range l.rooms {
		if !r.muc.Joined() {
			continue
		}
		select {
		case <-r.quiet():
		case <-ctx.Done():
			l.log.Info("a room has not repeated an alert yet", "room", r.cfg.JID)
		}
	}
}

// quiet returns a channel that is closed when no alert waits for the room.
func (r *room) quiet() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if r.settled == nil {
		r.settled = make(chan struct{})
	}
	return r.settled
}

// alertOf returns the id of the alert that a message of the room answers
// (XEP-0461), "" when it answers none.
func (r *room) alertOf(m *stanza.Stanza) string {
	var v struct {
		Reply struct {
			ID string `xml:"id,attr"`
		} `xml:"urn:xmpp:reply:0 reply"`
	}
	if m.Decode(&v) != nil || v.Reply.ID == "" {
		return ""
	}
	return r.toldAs(v.Reply.ID)
}

// toldAs returns the id of the alert that the room gave a stanza id, "" for none.
func (r *room) toldAs(stanzaID string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.told {
		if t.stanzaID == stanzaID {
			return t.id
		}
	}
	return ""
}
