package xmpp

import (
	"context"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/wire"
)

// sendMessages sends what Agent.Tell says, in order, until ctx ends. The stream
// takes care of a message from then on: it goes out again under the same id
// when the connection was lost before the server had it. Who may not talk to
// the device any more is told nothing.
func (s *session) sendMessages(ctx context.Context) error {
	a := s.link.agent
	for {
		m, err := a.Messages.Next(ctx)
		if err != nil {
			return nil
		}
		if a.Role(m.To) == agent.Stranger {
			s.link.log.Info("a message was dropped", "to", m.To, "reason", "not one of the people any more")
		} else if err := s.stream.Send(chatMessage(m, a.Clock.Sane() && time.Since(m.Time) > lateAfter)); err != nil {
			return err
		}
		s.link.chat.Sent(m.To, m.ID, time.Now())
		a.Messages.Sent(m.ID)
	}
}

// chatMessage is a message of the device's own accord: to the bare JID, so that
// the server picks the devices and archives it (XEP-0359, XEP-0334), and marked
// as written by a program, so that no other program answers it (RFC 3834).
func chatMessage(m agent.Message, late bool) []byte {
	b := wire.Attr([]byte("<message type='chat'"), "id", m.ID)
	b = wire.Attr(b, "to", m.To)
	b = append(b, "><body>"...)
	b = wire.Escape(b, m.Text)
	b = append(b, "</body><origin-id xmlns='urn:xmpp:sid:0'"...)
	b = wire.Attr(b, "id", m.ID)
	b = append(b, "/><store xmlns='urn:xmpp:hints'/>"+
		"<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-generated</header></headers>"...)
	if late {
		b = append(b, "<delay xmlns='urn:xmpp:delay'"...)
		b = wire.Attr(b, "stamp", agent.Stamp(m.Time))
		b = append(b, "/>"...)
	}
	return append(b, "</message>"...)
}
