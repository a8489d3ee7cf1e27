package alarm

import (
	"slices"
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

// A Sample is what readings are at a time after the start; it may have none, when
// only the time goes on.
type Sample struct {
	At       time.Duration
	Readings []agent.Reading
}

// An Outcome is what a rule did at a time after the start.
type Outcome struct {
	At    time.Duration
	When  rule.State // of the condition
	Phase rule.Phase
	Tells []agent.Alert // To is a bare JID, or a target that stands for several
	Does  []string      // command lines
}

// Try shows what a rule would do with samples, in the order of time, that begin
// at start. Nothing is sent, run or kept. Everybody named counts as reachable; a
// role stands for those who have it.
func Try(r Rule, plan Plan, start time.Time, samples []Sample) (outcomes []Outcome) {
	var told []agent.Alert
	people := make(map[string]agent.Role)
	targets := slices.Concat(r.To, plan.To, plan.Escalate)
	var rooms []Room
	for _, t := range append(targets, "owners") {
		if role, ok := map[string]agent.Role{"owners": agent.Owner, "operators": agent.Operator, "viewers": agent.Viewer}[t]; ok {
			people[t] = role
		} else if len(t) > 5 && t[:5] == "room." {
			rooms = append(rooms, Room{Name: t[5:], JID: t, Level: agent.Critical + 1})
		} else if people[t] == agent.Stranger {
			people[t] = agent.Role(255) // somebody, of no role that is named
		}
	}
	p := New(Config{
		Rules: []Rule{r}, Plan: plan, Rooms: rooms, Agent: &agent.Agent{People: people},
		Raise: func(a agent.Alert) error { told = append(told, a); return nil },
	})
	d := p.desks[0]
	d.machine = rule.New(d.rule(), rule.Incident{}, start, p.count)
	step := func(at time.Duration) {
		told = nil
		p.work(start.Add(at))
		o := Outcome{At: at, When: d.Eval(p.get, nil).When, Phase: d.machine.Incident().Phase, Tells: told}
		for _, a := range p.actions.list {
			o.Does = append(o.Does, a.line)
		}
		p.actions.list = nil
		outcomes = append(outcomes, o)
	}
	last := time.Duration(0)
	for _, s := range samples {
		for { // what is due before
			next := p.due(start.Add(last))
			if next.IsZero() || !next.Before(start.Add(s.At)) {
				break
			}
			last = max(last+1, next.Sub(start))
			step(last)
		}
		for _, reading := range s.Readings {
			p.See(reading)
		}
		last = s.At
		step(s.At)
	}
	return outcomes
}

// due returns when something happens by time alone.
func (p *Pager) due(now time.Time) time.Time {
	d := p.desks[0]
	next := d.machine.Next()
	for _, t := range []time.Time{d.page.Next, d.page.Receipt} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}
