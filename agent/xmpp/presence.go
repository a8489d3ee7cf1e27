package xmpp

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/wire"
)

const (
	presenceEvery = time.Minute // at most one change of the status in this time
	showEvery     = 5 * time.Second
	maxStatus     = 120 // characters
	firstFew      = 3   // readings in the status when the config names none
)

// keepPresence sends a new presence when its text has changed, at most once a
// minute: each one goes to every contact. What the device shows beside the text,
// that an alarm fires for instance, goes out at once, but at most every five seconds.
func (s *session) keepPresence(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	board := make(chan struct{}, 1)
	wg.Go(func() {
		for range s.link.agent.Board.Watch(ctx) {
			select {
			case board <- struct{}{}:
			default:
			}
		}
	})
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time // of a presence that was sent here
	for ctx.Err() == nil {
		_, mood := s.link.agent.Moods.Watch()
		switch wait := s.presenceDue(last); {
		case wait < 0:
			timer.Stop()
		case wait > 0:
			timer.Reset(wait)
		default:
			if err := s.sendPresence(); err != nil {
				return err
			}
			s.link.refreshRooms()
			last = time.Now()
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-board:
		case <-mood:
		case <-timer.C:
		}
	}
	return nil
}

// presenceDue returns how long to wait before a presence is sent, less than 0
// when there is nothing new.
func (s *session) presenceDue(last time.Time) time.Duration {
	show, text := s.link.presenceText()
	every := presenceEvery
	switch {
	case show != s.sentShow:
		every = showEvery
	case text == s.sent:
		return -1
	}
	if last.IsZero() {
		return 0
	}
	return max(0, time.Until(last.Add(every)))
}

// presenceText is show and status, to see whether anything changed.
func (l *Link) presenceText() (show, status string) {
	all := l.agent.Board.All()
	mood, _ := l.agent.Moods.Watch()
	return showOf(mood, all), statusOf(mood, summary(all, l.cfg.Summary))
}

func (s *session) sendPresence() error {
	s.sentShow, s.sent = s.link.presenceText()
	b := append([]byte("<presence><priority>0</priority>"), s.link.presenceBody()...)
	return s.stream.Send(append(b, "</presence>"...))
}

// presenceBody is what contacts and rooms see of the device.
func (l *Link) presenceBody() (b []byte) {
	show, status := l.presenceText()
	if show != "" {
		b = append(b, "<show>"+show+"</show>"...)
	}
	if status != "" {
		b = append(b, "<status>"...)
		b = wire.Escape(b, status)
		b = append(b, "</status>"...)
	}
	info := discoInfo(l.agent)
	return info.AppendCaps(b, Software)
}

// showOf is "dnd" while an alarm fires, "xa" while somebody has silenced it or is at
// work, and else what the sensors say.
func showOf(mood agent.Mood, all []agent.Reading) string {
	switch {
	case mood.Silenced:
		return "xa"
	case mood.Fires:
		return "dnd"
	}
	return show(all)
}

// statusOf puts what fires before the readings.
func statusOf(mood agent.Mood, summary string) string {
	if !mood.Fires || mood.Text == "" {
		return summary
	}
	return shorten(mood.Text + ", " + summary)
}

func shorten(s string) string {
	text := []rune(s)
	if len(text) > maxStatus {
		text = append(text[:maxStatus-1], '…')
	}
	return string(text)
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
	return shorten(strings.Join(words, ", "))
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
