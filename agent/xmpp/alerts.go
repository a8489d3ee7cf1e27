package xmpp

import (
	"context"
	"errors"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
)

const (
	lateAfter    = 10 * time.Second // the age from which an alert says when it came about (XEP-0203)
	correctFor   = time.Hour        // after that a message is not corrected any more (XEP-0308)
	oldAfter     = time.Minute      // the age from which alerts are summed up
	mostOldOnes  = 3                // that somebody gets one by one
	newLineAfter = "-new"           // at the end of the id of an alert that is said anew
)

// A letter is an alert for one person, or what several of them come to.
type letter struct {
	to     string
	alerts []agent.Alert // one, or those of a digest
}

// sendAlerts sends alerts, oldest first, until ctx ends. An alert is done when
// the server has acknowledged it; until then it stays on disk, and goes out
// again under the same id.
func (s *session) sendAlerts(ctx context.Context) error {
	a := s.link.agent
	if a.Alerts == nil {
		return nil
	}
	for ctx.Err() == nil {
		pending, err := a.Alerts.PendingAlerts(ctx, linkName)
		if err != nil || len(pending) == 0 {
			return nil
		}
		now := time.Now()
		for _, l := range letters(s.addressed(pending), a.Clock.Sane(), now) {
			if err := s.sendLetter(l, now); err != nil {
				return err
			}
		}
		if err := s.sync(ctx); err != nil {
			return err
		}
		s.link.awaitRooms(ctx)
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

// addressed returns each alert for each person who gets it, as of now: who has
// no role any more gets nothing.
func (s *session) addressed(pending []agent.AlertEntry) (list []letter) {
	for _, e := range pending {
		to := []string{e.To}
		switch {
		case e.To == "":
			to = s.link.agent.Owners()
		case !e.Room && s.link.agent.Role(e.To) == agent.Stranger:
			s.link.log.Info("an alert was dropped", "id", e.ID, "to", e.To, "reason", "not one of the people any more")
			continue
		}
		for _, t := range to {
			list = append(list, letter{t, []agent.Alert{e.Alert}})
		}
	}
	return list
}

// letters puts what is old into one letter for each who would get more than
// mostOldOnes at once; it comes before what is new.
func letters(list []letter, sane bool, now time.Time) []letter {
	old := make(map[string][]agent.Alert)
	isOld := func(a agent.Alert) bool { return sane && now.Sub(a.Time) > oldAfter }
	for _, l := range list {
		if isOld(l.alerts[0]) {
			old[l.to] = append(old[l.to], l.alerts[0])
		}
	}
	var out []letter
	for _, l := range list {
		switch all := old[l.to]; {
		case len(all) <= mostOldOnes || !isOld(l.alerts[0]):
			out = append(out, l)
		case all[0].ID == l.alerts[0].ID:
			out = append(out, letter{l.to, all})
		}
	}
	return out
}

// sendLetter sends what somebody is told.
func (s *session) sendLetter(l letter, now time.Time) error {
	a := l.alerts[0]
	switch {
	case a.Room:
		s.tellRoom(l)
		return nil
	case len(l.alerts) > 1:
		id := digestID(l.alerts)
		s.link.returned.digest(id, l.alerts)
		s.link.chat.Sent(l.to, id, now)
		return s.stream.SendOnce(digestMessage(id, l.to, l.alerts))
	}
	if a.Replaces == "" {
		return s.sendAlert(a, l.to, "", now)
	}
	newest := s.link.chat.Newest(l.to)
	if newest.ID != a.Replaces || now.Sub(newest.At) > correctFor {
		return s.sendAlert(a, l.to, "", now)
	}
	if err := s.stream.SendOnce(s.alertMessage(a, l.to, a.Replaces, now)); err != nil {
		return err
	}
	if a.State != agent.Resolved || a.Level != agent.Critical {
		return nil
	}
	a.ID += newLineAfter // a correction wakes no phone
	return s.sendAlert(a, l.to, "", now)
}

// tellRoom tells a room; what it cannot take now waits in memory.
func (s *session) tellRoom(l letter) {
	a := l.alerts[0]
	if len(l.alerts) > 1 {
		a = agent.Alert{ID: digestID(l.alerts), To: l.to, Text: digest(l.alerts)}
	}
	if err := s.link.roomAlert(a); err != nil {
		s.link.log.Warn("an alert was not told in a room", "id", a.ID, "error", err)
	}
}

// sendAlert sends an alert that begins something new in a chat.
func (s *session) sendAlert(a agent.Alert, to, replaces string, now time.Time) error {
	s.link.chat.Sent(to, a.ID, now)
	return s.stream.SendOnce(s.alertMessage(a, to, replaces, now))
}
