package xmpp

import (
	"context"
	"errors"
	"slices"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// lateAfter is the age from which an alert says when it came about (XEP-0203).
const lateAfter = 10 * time.Second

// sendAlerts sends alerts to the owners, oldest first, until ctx ends. An alert
// is done when the server has acknowledged it; until then it stays on disk, and
// goes out again under the same id.
func (s *session) sendAlerts(ctx context.Context) error {
	a := s.link.agent
	if a.Alerts == nil || len(s.link.owners()) == 0 {
		return nil
	}
	for ctx.Err() == nil {
		pending, err := a.Alerts.PendingAlerts(ctx, linkName)
		if err != nil || len(pending) == 0 {
			return nil
		}
		for _, e := range pending {
			late := a.Clock.Sane() && time.Since(e.Time) > lateAfter
			for _, to := range s.link.owners() { // as of now: a revoked owner gets no more
				if err := s.stream.SendOnce(alertMessage(e.Alert, to, late)); err != nil {
					return err
				}
			}
		}
		if err := s.sync(ctx); err != nil {
			return err
		}
		if err := a.Alerts.AlertDone(linkName, pending[len(pending)-1].Pos); err != nil {
			s.link.log.Debug("an alert that was sent may come again after a restart", "error", err)
		}
	}
	return nil
}

// sync waits until the server has all that was sent before. Without stream
// management a ping says so; one that is not answered must not make the alerts
// go out again, so it is repeated by itself.
func (s *session) sync(ctx context.Context) error {
	if s.stream.Acknowledges() {
		return s.stream.Sync(ctx)
	}
	for {
		_, err := s.router.Request(ctx, jid.Domain(s.link.cfg.JID), "get", []byte("<ping xmlns='"+entity.NSPing+"'/>"))
		switch {
		case isAnswer(err):
			return nil // a refusal came after the alert as well
		case !errors.Is(err, stanza.ErrNoAnswer):
			return err
		}
	}
}

func (l *Link) owners() []string {
	return slices.DeleteFunc(l.agent.Persons(), func(p string) bool {
		return l.agent.Role(p) != agent.Owner
	})
}

// alertMessage is an alert as people's clients get it: to the bare JID, so that
// the server picks the devices, archives it and wakes phones (XEP-0359,
// XEP-0184, XEP-0333, XEP-0334).
func alertMessage(a agent.Alert, to string, late bool) []byte {
	b := wire.Attr([]byte("<message type='chat'"), "id", a.ID)
	b = wire.Attr(b, "to", to)
	b = append(b, "><body>"...)
	b = wire.Escape(b, "["+a.Level.String()+"] "+a.Name+": "+a.Text)
	b = append(b, "</body><origin-id xmlns='urn:xmpp:sid:0'"...)
	b = wire.Attr(b, "id", a.ID)
	b = append(b, "/><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/><store xmlns='urn:xmpp:hints'/>"...)
	if late {
		b = append(b, "<delay xmlns='urn:xmpp:delay'"...)
		b = wire.Attr(b, "stamp", agent.Stamp(a.Time))
		b = append(b, "/>"...)
	}
	return append(b, "</message>"...)
}
