package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// afterSilence is how many messages a person may get at once after a silence
// at the least: so that a steady flow is not announced as the last each time.
const afterSilence = MaxHour / 2

// A person is somebody who watches.
type person struct {
	jid     string
	entries []*entry    // oldest first
	sent    []time.Time // the messages of the last hour, oldest first
	silent  time.Time   // nothing is told until then
	unsaved bool        // the disk has something else
}

func (p *person) find(name string) *entry {
	i := slices.IndexFunc(p.entries, func(e *entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return p.entries[i]
}

// mark notes which names an entry has to look at.
func (p *person) mark(names []string) {
	for _, e := range p.entries {
		for _, n := range names {
			if agent.Match(e.Name, n) {
				e.pending[n] = struct{}{}
			}
		}
	}
}

// rest returns how long p is told nothing yet; some is false when nothing waits.
func (p *person) rest(now time.Time) (rest time.Duration, some bool) {
	for _, e := range p.entries {
		if len(e.pending) == 0 {
			continue
		}
		if r := e.rest(now); !some || r < rest {
			rest = r
		}
		some = true
	}
	return max(rest, p.silence(now)), some
}

// silence returns how long the bound of messages keeps p from being told. A
// time of a clock that was wrong does not count.
func (p *person) silence(now time.Time) time.Duration {
	if rest := p.silent.Sub(now); rest <= time.Hour {
		return max(0, rest)
	}
	return 0
}

// readings counts the readings that the watches of p know.
func (p *person) readings() (n int) {
	for _, e := range p.entries {
		n += len(e.told)
	}
	return n
}

// full tells whether p knows as many readings as possible. Those that the
// board has no more are forgotten then.
func (p *person) full(board *agent.Board) bool {
	if p.readings() < MaxReadings {
		return false
	}
	for _, e := range p.entries {
		maps.DeleteFunc(e.told, func(name string, _ told) bool {
			_, there := board.Get(name)
			return !there
		})
	}
	return p.readings() >= MaxReadings
}

// news takes what waits and is due, and returns a line for each reading that p
// does not know so.
func (p *person) news(board *agent.Board, now time.Time) (lines []string) {
	for _, e := range p.entries {
		if e.rest(now) > 0 || len(e.pending) == 0 {
			continue
		}
		for _, r := range board.All() {
			if _, waits := e.pending[r.Name]; !waits {
				continue
			}
			if s := p.look(e, r, board, now); s != "" && !slices.Contains(lines, s) {
				lines = append(lines, s)
			}
		}
		clear(e.pending)
	}
	return lines
}

// look returns the line for a reading that is news to an entry, and notes it as told.
func (p *person) look(e *entry, r agent.Reading, board *agent.Board, now time.Time) string {
	before, known := e.told[r.Name]
	t := tell(r)
	switch {
	case !known && p.full(board):
		return ""
	case !known:
		e.told[r.Name], e.Told = t, now
		return line(r, nil, now)
	case !before.news(t, e.By):
		return ""
	}
	e.told[r.Name], e.Told = t, now
	return line(r, &before, now)
}

// maxLines bounds the lines of a message, in bytes.
const maxLines = 3000

// message writes a message and counts it. The last one of an hour says so.
func (p *person) message(lines []string, now time.Time) string {
	var b strings.Builder
	for i, s := range lines {
		if b.Len()+len(s) > maxLines {
			fmt.Fprintf(&b, "… and %d more have changed: ask with read\n", len(lines)-i)
			break
		}
		b.WriteString(s + "\n")
	}
	p.sent = append(slices.DeleteFunc(p.sent, func(t time.Time) bool {
		past := now.Sub(t)
		return past >= time.Hour || past < 0
	}), now)
	if over := len(p.sent) - MaxHour; over >= 0 {
		p.silent = p.sent[over+afterSilence-1].Add(time.Hour)
		fmt.Fprintf(&b, "That was message %d within an hour: I say no more until %s, then the newest values.", MaxHour, clock(p.silent, now))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
