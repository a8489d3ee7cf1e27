package config

import (
	"fmt"
	"slices"
	"strings"

	"pipit/agent"
)

const maxRooms = 16

// Room is one [room.NAME].
type Room struct {
	Name             string      `toml:"-"`
	JID              string      `toml:"jid"`           // bare, normalised
	Nick             string      `toml:"nick"`          // wanted, normalised; never ""
	Password         Secret      `toml:"password"`      // from whichever source; empty: the room has none
	PasswordFile     string      `toml:"password_file"` // where Password was read, "" when it stands in the config
	Level            agent.Level `toml:"-"`             // alerts of this level and worse are told there; above Critical: none are
	Commands         bool        `toml:"commands"`      // people may ask for something there
	AnonymousViewers bool        `toml:"anonymous_viewers"`
}

// rooms reads every [room.NAME]. device is the device's name.
func (l *loader) rooms(s section, device string) (rooms []Room) {
	names := s.keys()
	if len(names) > maxRooms {
		s.r.fail(s.path, "there are %d rooms, at most %d are possible", len(names), maxRooms)
		return nil
	}
	for _, name := range names {
		at := s.sub(name, "[room.NAME]")
		if at.table == nil {
			continue // not a table: reported
		}
		if err := agent.CheckName(name); err != nil || strings.Contains(name, ".") || len(name) > maxSensorName {
			s.fail(name, "a room's name is made of a-z, 0-9, _ and -, at most %d of them, such as %q", maxSensorName, sensorName(name))
		}
		r := l.room(at, name, device)
		if i := slices.IndexFunc(rooms, func(o Room) bool { return o.JID == r.JID }); i >= 0 && r.JID != "" {
			at.fail("jid", "this is the same room as room.%s in line %d", rooms[i].Name, s.r.index.line(s.at(rooms[i].Name)))
		}
		rooms = append(rooms, r)
	}
	return rooms
}

func (l *loader) room(s section, name, device string) Room {
	r := Room{Name: name, Nick: device, Commands: true}
	s.decode(&r, "alerts")
	l.roomAddress(s, &r)
	r.Level = roomLevel(s)
	l.givenPassword(s, &r.Password, &r.PasswordFile)
	if r.AnonymousViewers && !r.Commands {
		s.warn("anonymous_viewers", "it changes nothing with commands = false")
	}
	return r
}

// roomAddress normalises the room's address and the nick.
func (l *loader) roomAddress(s section, r *Room) {
	if !s.has("jid") {
		s.r.fail(s.path, `there is no jid: write jid = "room@conference.example.org"`)
	}
	if !s.given("jid") {
		r.JID = ""
		return
	}
	jid, err := l.person(r.JID)
	if err != nil {
		s.fail("jid", "%s", err)
		r.JID = ""
		return
	}
	r.JID = jid
	if s.has("nick") && !s.given("nick") {
		return
	}
	full, err := l.env.ParseAccount(jid + "/" + r.Nick)
	if _, nick, ok := strings.Cut(full, "/"); err == nil && ok && nick != "" && nick == strings.TrimSpace(nick) {
		r.Nick = nick
		return
	}
	at, hint := s.at("nick"), ""
	if !s.has("nick") {
		at, hint = s.path, `: write nick = "..."`
	}
	s.r.fail(at, "%q cannot be a nick%s", r.Nick, hint)
}

// roomLevel reads the least level of alerts that a room is told.
func roomLevel(s section) agent.Level {
	keys := struct {
		Alerts string `toml:"alerts"`
	}{agent.Warning.String()}
	s.pick(&keys)
	words := []string{"none"}
	for level := agent.Info; level <= agent.Critical; level++ {
		words = append(words, level.String())
	}
	s.oneOf("alerts", keys.Alerts, words...)
	if level, err := agent.ParseLevel(keys.Alerts); err == nil {
		return level
	}
	return agent.Critical + 1
}

func (r Room) describe() string {
	text := fmt.Sprintf("%s, %s as %s", r.Name, r.JID, r.Nick)
	if r.Level <= agent.Critical {
		text += ", alerts of level " + r.Level.String()
		if r.Level < agent.Critical {
			text += " and worse"
		}
	}
	switch {
	case r.Commands && r.AnonymousViewers:
		text += ", commands, those of viewers for everybody whose JID it hides"
	case r.Commands:
		text += ", commands"
	}
	return text
}
