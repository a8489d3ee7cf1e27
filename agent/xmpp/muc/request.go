package muc

import (
	"errors"
	"time"

	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/stanza"
)

// ask returns what sends a request to the room or, with a nick, to an occupant.
// done is called with the lock and with an error reply as err, unless the room
// was joined anew meanwhile.
func (r *Room) ask(nick, typ, payload string, done func(now time.Time, reply *stanza.Stanza, err error)) func() error {
	round, to := r.round, r.cfg.JID
	if nick != "" {
		to += "/" + nick
	}
	return func() error {
		err := r.conn.Start(to, typ, []byte(payload), func(reply *stanza.Stanza, err error) {
			if err == nil && reply.Type == "error" {
				err = stanza.ErrorOf(reply)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.round == round && (r.phase == inside || r.phase == unlocking) {
				done(time.Now(), reply, err)
				r.wake()
			}
		})
		if errors.Is(err, stanza.ResourceConstraint) { // too many requests wait; later
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.round == round {
				done(time.Now(), nil, err)
			}
			return nil
		}
		return err
	}
}

// unlock takes a room that the device made into use, as its service wants it
// by default (XEP-0045 section 10.1.2).
func (r *Room) unlock() func() error {
	if !r.locked {
		return nil // asked
	}
	r.locked = false
	return r.ask("", "set", "<query xmlns='"+nsOwner+"'><x xmlns='jabber:x:data' type='submit'/></query>",
		func(_ time.Time, _ *stanza.Stanza, err error) {
			r.phase = inside
			if err != nil {
				r.tell("unlock", "I made the room, but cannot take it into use: %s", cut(err.Error()))
			}
		})
}

// askInfo asks what the room does for us.
func (r *Room) askInfo() func() error {
	r.askedInfo = true
	return r.ask("", "get", "<query xmlns='"+disco.NSInfo+"'/>", func(_ time.Time, reply *stanza.Stanza, err error) {
		var v struct {
			Features []struct {
				Var string `xml:"var,attr"`
			} `xml:"query>feature"`
		}
		if err == nil {
			err = reply.Decode(&v)
		}
		if err != nil {
			r.log.Debug("the room does not tell its features", "error", err)
			return
		}
		for _, f := range v.Features {
			r.ids = r.ids || f.Var == nsOccupant
			r.sids = r.sids || f.Var == nsStanzaID
		}
	})
}

// ping asks the room whether the device is in it (XEP-0410): only then does it
// pass the ping on, to the device itself.
func (r *Room) ping() func() error {
	r.pinging = true
	return r.ask(r.nick, "get", "<ping xmlns='"+entity.NSPing+"'/>", func(now time.Time, _ *stanza.Stanza, err error) {
		r.pinging = false
		var e *stanza.Error
		if err != nil && !errors.As(err, &e) {
			r.pingAt = now.Add(away)
			return
		}
		r.pinged(now, e)
	})
}

// pinged takes the answer to a self-ping, by the table of XEP-0410 section 3.
func (r *Room) pinged(now time.Time, e *stanza.Error) {
	condition := ""
	if e != nil {
		condition = e.Condition
	}
	if condition != "item-not-found" {
		r.strayPings = 0
	}
	switch condition {
	case "", "service-unavailable", "feature-not-implemented":
		r.heard(now)
		r.unheard(now)
	case "item-not-found": // in it, under a nick that the room is about to tell
		r.pingAt = now.Add(away)
		if r.strayPings++; r.strayPings > 1 {
			r.retry(now, firstWait, "the room knows me under another nick")
		}
	case "remote-server-not-found", "remote-server-timeout", "resource-constraint":
		r.pingAt = now.Add(away)
	case "not-acceptable":
		r.retry(now, firstWait, "the room no longer knows me")
	default:
		r.retry(now, firstWait, "the room answers a ping with "+cut(e.Error()))
	}
}
