package alarm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

const (
	maxHeld  = 20 // firings that are held back from one person
	maxLines = 10 // that are told of them
)

// A heldPage is what somebody was not told.
type heldPage struct {
	rule   string
	number uint64
	level  agent.Level
	text   string
	at     time.Time
}

// in tells whether t is within the quiet hours.
func (q Quiet) in(t time.Time) bool {
	day := sinceMidnight(t)
	if q.From <= q.To {
		return q.From <= day && day < q.To
	}
	return day >= q.From || day < q.To
}

// end returns when the quiet hours that t is in end.
func (q Quiet) end(t time.Time) time.Time {
	if !q.in(t) {
		return t
	}
	l := t.Local()
	end := func(days int) time.Time {
		return time.Date(l.Year(), l.Month(), l.Day()+days, 0, 0, 0, 0, time.Local).Add(q.To)
	}
	if at := end(0); at.After(t) {
		return at
	}
	return end(1)
}

func sinceMidnight(t time.Time) time.Duration {
	l := t.Local()
	return time.Duration(l.Hour())*time.Hour + time.Duration(l.Minute())*time.Minute + time.Duration(l.Second())*time.Second
}

// holds tells whether somebody is not told now.
func (p *Pager) holds(jid string, level agent.Level, now time.Time) bool {
	q, ok := p.Plan.Quiet[jid]
	return ok && level < q.Except && q.in(now)
}

// hold notes that somebody was not told. Of one firing it is noted once, as it
// began.
func (p *Pager) hold(jid string, d *desk, a agent.Alert, now time.Time) {
	list := p.held[jid]
	inc := d.machine.Incident()
	same := func(h heldPage) bool { return h.rule == d.Name && h.number == inc.Number }
	if len(list) == maxHeld || slices.ContainsFunc(list, same) {
		return
	}
	p.held[jid] = append(list, heldPage{d.Name, inc.Number, a.Level, a.Text, now})
}

// release tells those whose quiet hours are over what they missed: what still
// fires as an alert, what is over in one message.
func (p *Pager) release(now time.Time) {
	for jid, list := range p.held {
		if p.Plan.Quiet[jid].in(now) {
			continue
		}
		delete(p.held, jid)
		if p.Agent.Role(jid) == agent.Stranger {
			continue
		}
		p.raise(p.missed(jid, list, now))
	}
}

func (p *Pager) missed(jid string, list []heldPage, now time.Time) (alerts []agent.Alert) {
	level := agent.Info
	var lines []string
	for _, h := range list {
		d, phase := p.incident(h)
		switch {
		case phase != rule.Firing:
			level = max(level, h.level)
			lines = append(lines, fmt.Sprintf("%s %s (%s)", clock(h.at, now), h.text, ended(d, phase)))
		case !contains(d.page.Told, jid):
			a := p.firing(d)
			a.Text = p.stillLine(d, now)
			alerts = append(alerts, p.tell(d, []string{jid}, a, now)...)
			p.save(d)
		}
	}
	if len(lines) == 0 {
		return alerts
	}
	more := ""
	if n := len(lines) - maxLines; n > 0 {
		lines, more = lines[:maxLines], fmt.Sprintf("; and %d more", n)
	}
	text := "In your quiet hours: " + strings.Join(lines, "; ") + more
	return append(alerts, agent.Alert{Time: now, Level: level, Text: text, To: jid})
}

// incident returns the rule of which somebody was not told, and how things stand
// with that firing: Idle when it is over.
func (p *Pager) incident(h heldPage) (*desk, rule.Phase) {
	for _, d := range p.desks {
		if inc := d.machine.Incident(); d.Name == h.rule && inc.Number == h.number && inc.Active() {
			return d, inc.Phase
		}
	}
	return nil, rule.Idle
}

func ended(d *desk, phase rule.Phase) string {
	if phase == rule.Acked {
		return "acked by " + shortName(d.machine.Incident().By)
	}
	return "over"
}
