package xmpp

import (
	"context"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/wire"
)

const (
	presenceEvery = time.Minute // at most one change of the status in this time
	maxStatus     = 120         // characters
	firstFew      = 3           // readings in the status when the config names none
)

// keepPresence sends a new presence when its text has changed, at most once a
// minute: each one goes to every contact.
func (s *session) keepPresence(ctx context.Context) error {
	for range s.link.agent.Board.Watch(ctx) {
		text := s.link.presenceText()
		if text == s.sent {
			continue
		}
		if err := s.sendPresence(); err != nil {
			return err
		}
		s.link.refreshRooms()
		if !sleep(ctx, presenceEvery) {
			return nil
		}
	}
	return nil
}

// presenceText is show and status together, to see whether anything changed.
func (l *Link) presenceText() string {
	all := l.agent.Board.All()
	return show(all) + " " + summary(all, l.cfg.Summary)
}

func (s *session) sendPresence() error {
	s.sent = s.link.presenceText()
	b := append([]byte("<presence><priority>0</priority>"), s.link.presenceBody()...)
	return s.stream.Send(append(b, "</presence>"...))
}

// presenceBody is what contacts and rooms see of the device.
func (l *Link) presenceBody() (b []byte) {
	all := l.agent.Board.All()
	if v := show(all); v != "" {
		b = append(b, "<show>"+v+"</show>"...)
	}
	if v := summary(all, l.cfg.Summary); v != "" {
		b = append(b, "<status>"...)
		b = wire.Escape(b, v)
		b = append(b, "</status>"...)
	}
	info := discoInfo(l.agent)
	return info.AppendCaps(b, Software)
}

// show is "away" while a sensor that should work does not: hardware that is
// not there is no trouble.
func show(all []agent.Reading) string {
	for _, r := range all {
		if r.Quality == agent.Fault || r.Quality == agent.Stale {
			return "away"
		}
	}
	return ""
}

// summary is the status line: the readings that the config names, or else the
// first few that have a value, facts first.
func summary(all []agent.Reading, globs []string) string {
	picked := pick(all, globs)
	words := make([]string, 0, len(picked)+1)
	for _, r := range picked {
		words = append(words, label(r.Name, picked)+" "+r.Display())
	}
	if n := countFailed(all); n > 0 {
		words = append(words, plural(n, "reading")+" failed")
	}
	text := []rune(strings.Join(words, ", "))
	if len(text) > maxStatus {
		text = append(text[:maxStatus-1], '…')
	}
	return string(text)
}

func pick(all []agent.Reading, globs []string) []agent.Reading {
	var picked []agent.Reading
	if len(globs) == 0 {
		for _, r := range all {
			if r.OK() && len(picked) < firstFew {
				picked = append(picked, r)
			}
		}
		return picked
	}
	for _, g := range globs {
		for _, r := range all {
			if agent.Match(g, r.Name) && r.Quality != agent.Missing && !slices.Contains(picked, r) {
				picked = append(picked, r)
			}
		}
	}
	return picked
}

func countFailed(all []agent.Reading) (n int) {
	for _, r := range all {
		if r.Quality == agent.Fault || r.Quality == agent.Stale {
			n++
		}
	}
	return n
}

// label is a reading's name for people: the field alone where no other picked
// reading has the same, with spaces for the marks.
func label(name string, among []agent.Reading) string {
	_, field, ok := strings.Cut(name, ".")
	if ok {
		for _, r := range among {
			if _, f, _ := strings.Cut(r.Name, "."); r.Name != name && f == field {
				field = name
			}
		}
		name = field
	}
	return strings.NewReplacer("_", " ", ".", " ").Replace(name)
}
