package alarm

import (
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

// after is how long nobody may acknowledge before the next are told; 0: for ever.
func (p *Pager) after(d *desk) time.Duration {
	switch {
	case !d.Escalate:
		return 0
	case d.Level == agent.Critical:
		return p.Plan.CriticalAfter
	case d.Level == agent.Warning:
		return p.Plan.WarningAfter
	}
	return 0
}

// schedule sets when the next are told, if there are any.
func (p *Pager) schedule(d *desk, now time.Time) {
	d.page.Next = time.Time{}
	if wait := p.after(d); wait > 0 && d.page.Stage < len(p.Plan.Escalate) {
		d.page.Next = now.Add(wait)
	}
}

// chase tells the next when it is time: nobody acknowledged, or no device has it.
// While nobody can be told at all, it waits.
func (p *Pager) chase(d *desk, now time.Time) {
	inc := d.machine.Incident()
	if inc.Phase != rule.Firing || !inc.Silenced.IsZero() || inc.Flaps > 0 {
		d.page.Next, d.page.Receipt = time.Time{}, time.Time{}
		return
	}
	late, lost := due(d.page.Next, now), due(d.page.Receipt, now)
	if !late && !lost {
		return
	}
	if p.Offline != nil && !p.Offline().IsZero() {
		if late {
			d.page.Next = now.Add(p.after(d))
		}
		if lost {
			d.page.Receipt = now.Add(p.Plan.ReceiptAfter)
		}
		return
	}
	d.page.Receipt = time.Time{}
	p.escalate(d, now)
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// escalate tells the next of the plan that are not told yet. Where there are none
// and nobody can be reached, it is every owner.
func (p *Pager) escalate(d *desk, now time.Time) {
	var next []string
	for len(next) == 0 && d.page.Stage < len(p.Plan.Escalate) {
		next = p.untold(d, p.resolve(p.Plan.Escalate[d.page.Stage:d.page.Stage+1]))
		d.page.Stage++
	}
	if len(next) == 0 && !d.page.Owners && !d.page.Received && p.allGone(d) {
		d.page.Owners = true
		next = p.untold(d, p.resolve([]string{"owners"}))
	}
	p.schedule(d, now)
	alerts := p.tell(d, next, p.firing(d), now)
	p.save(d)
	p.raise(alerts)
}

func (p *Pager) untold(d *desk, jids []string) (list []string) {
	for _, jid := range jids {
		if !contains(d.page.Told, jid) {
			list = append(list, jid)
		}
	}
	return list
}

// allGone tells whether no person of those told can be reached. A room is not a
// person: who is in it may not look.
func (p *Pager) allGone(d *desk) bool {
	for _, jid := range d.page.Told {
		if !p.isRoom(jid) && !contains(d.page.Gone, jid) {
			return false
		}
	}
	return true
}

// receipt takes what became of an alert.
func (p *Pager) receipt(r receipt, now time.Time) {
	number := agent.FiringOf(r.id)
	for _, d := range p.desks {
		inc := d.machine.Incident()
		if number == 0 || inc.Number != number || !inc.Active() || !contains(d.page.Told, r.to) {
			continue
		}
		if !r.failed {
			d.page.Received, d.page.Receipt = true, time.Time{}
			continue
		}
		p.Log.Warn("somebody cannot be told", "rule", d.Name, "to", r.to, "reason", r.reason)
		if !contains(d.page.Gone, r.to) && len(d.page.Gone) < maxTold {
			d.page.Gone = append(d.page.Gone, r.to)
		}
		if inc.Phase == rule.Firing && p.allGone(d) {
			p.escalate(d, now)
		}
	}
}
