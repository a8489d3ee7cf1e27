package alarm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

const maxTold = 64 // people and rooms that one firing is told to

// A page is who was told of a firing, and who will be.
type page struct {
	Told     []string  `json:"told,omitempty"`    // bare JIDs of people and rooms
	Gone     []string  `json:"gone,omitempty"`    // those of them that no server knows, or none that can be reached
	Stage    int       `json:"stage,omitzero"`    // how many of Plan.Escalate were told
	Owners   bool      `json:"owners,omitzero"`   // every owner was told, as nobody else could be reached
	Received bool      `json:"received,omitzero"` // a device of somebody has it
	Next     time.Time `json:"next,omitzero"`     // when the next are told, if nobody acknowledges
	Receipt  time.Time `json:"receipt,omitzero"`  // when the next are told, if no device has it
	Text     string    `json:"text,omitempty"`    // what it said
}

// handle acts on the events of a rule and tells them. What a rule does comes
// first, and the state is kept before anybody is told.
func (p *Pager) handle(d *desk, events []rule.Event, now time.Time) {
	if len(events) == 0 {
		return
	}
	var alerts []agent.Alert
	for _, e := range events {
		switch e.Kind {
		case rule.Fired:
			d.resume = false
			p.do(d, d.Do)
		case rule.Resolved:
			p.do(d, d.OnClear)
		}
		p.Log.Info("rule", "rule", e.Rule, "event", string(e.Kind), "number", e.Number, "by", e.By, "quiet", e.Quiet)
		if !e.Quiet {
			alerts = append(alerts, p.compose(d, e, now)...)
		}
		if e.Kind == rule.Resolved {
			d.page = page{}
		}
	}
	if inc := d.machine.Incident(); !inc.Active() || inc.Phase == rule.Acked {
		d.page.Next, d.page.Receipt = time.Time{}, time.Time{}
	}
	p.save(d)
	p.raise(alerts)
}

// raise hands alerts over. A disk that fails is told by who keeps them.
func (p *Pager) raise(alerts []agent.Alert) {
	for _, a := range alerts {
		if err := p.Raise(a); err != nil {
			p.Log.Warn("an alert is in memory only", "id", a.ID, "error", err)
		}
	}
}

// compose returns what people are told of an event, and notes in the page who
// they are.
func (p *Pager) compose(d *desk, e rule.Event, now time.Time) []agent.Alert {
	switch e.Kind {
	case rule.Fired:
		return p.open(d, now)
	case rule.Repeated:
		if len(d.page.Told) == 0 { // it could not be told as it fired
			return p.open(d, now)
		}
		return p.tell(d, d.page.Told, agent.Alert{Level: e.Level, State: agent.Firing, Text: p.stillLine(d, now)}, now)
	case rule.Resolved:
		a := agent.Alert{Level: e.Level, State: agent.Resolved, Text: p.resolvedLine(d, e, now)}
		return p.correct(d, d.page.Told, a, now)
	case rule.Flapping:
		d.page.Text = flappingLine(e)
		return p.tell(d, p.first(d), agent.Alert{Level: e.Level, State: agent.Firing, Text: d.page.Text}, now)
	case rule.Calmed:
		return p.tell(d, p.first(d), agent.Alert{Level: agent.Info, Text: calmedLine(e)}, now)
	}
	return p.personal(d, e, now)
}

// personal returns what people are told of what one of them did.
func (p *Pager) personal(d *desk, e rule.Event, now time.Time) []agent.Alert {
	a := agent.Alert{Level: e.Level, State: agent.Firing}
	switch e.Kind {
	case rule.WasAcked:
		a.State, a.Text = agent.Acked, fmt.Sprintf("%s – acked by %s %s", d.page.Text, shortName(e.By), clock(now, now))
	case rule.WasUnacked:
		p.schedule(d, now)
		a.Text = fmt.Sprintf("%s – %s took the ack back %s", d.page.Text, shortName(e.By), clock(now, now))
	case rule.Silenced:
		inc := d.machine.Incident()
		if d.page.Next = (time.Time{}); !inc.Active() {
			return nil
		}
		a.State, a.Text = agent.Acked, fmt.Sprintf("%s – silenced until %s by %s", d.page.Text, clock(e.Until, now), shortName(e.By))
	default: // Unsilenced
		if inc := d.machine.Incident(); inc.Phase == rule.Firing {
			p.schedule(d, now)
		}
		return nil
	}
	return p.correct(d, d.page.Told, a, now)
}

// open begins the page of a firing.
func (p *Pager) open(d *desk, now time.Time) []agent.Alert {
	d.page = page{Text: p.firedLine(d, now)}
	alerts := p.tell(d, p.first(d), p.firing(d), now)
	p.schedule(d, now)
	if p.Plan.ReceiptAfter > 0 && d.Level == agent.Critical && d.Escalate {
		d.page.Receipt = now.Add(p.Plan.ReceiptAfter)
	}
	return alerts
}

func (p *Pager) firing(d *desk) agent.Alert {
	return agent.Alert{Level: d.Level, State: agent.Firing, Text: d.page.Text}
}

// first returns who is told first: whom the rule names, or else the plan, and
// the rooms of the level. Where that is nobody any more, it is every owner.
func (p *Pager) first(d *desk) []string {
	to := p.resolve(d.targets(&p.Plan))
	if len(to) == 0 {
		to = p.resolve([]string{"owners"})
	}
	for _, r := range p.Rooms {
		if d.Level >= r.Level && !contains(to, r.JID) {
			to = append(to, r.JID)
		}
	}
	return to
}

func (d *desk) targets(plan *Plan) []string {
	switch {
	case d.To != nil:
		return d.To
	case plan.To != nil:
		return plan.To
	}
	return []string{"owners"}
}

// resolve returns the bare JIDs behind targets, each once. Who has no role is left
// out: nothing goes to strangers.
func (p *Pager) resolve(targets []string) (jids []string) {
	add := func(jid string) {
		if !contains(jids, jid) {
			jids = append(jids, jid)
		}
	}
	for _, t := range targets {
		role, isRole := map[string]agent.Role{"owners": agent.Owner, "operators": agent.Operator, "viewers": agent.Viewer}[t]
		name, isRoom := strings.CutPrefix(t, "room.")
		switch {
		case isRole:
			for _, jid := range p.Agent.Persons() {
				if p.Agent.Role(jid) == role {
					add(jid)
				}
			}
		case isRoom:
			for _, r := range p.Rooms {
				if r.Name == name {
					add(r.JID)
				}
			}
		case p.Agent.Role(t) != agent.Stranger:
			add(t)
		}
	}
	return jids
}

// tell addresses an alert to people and rooms, and notes who they are. It is held
// back from whom it finds in quiet hours.
func (p *Pager) tell(d *desk, to []string, a agent.Alert, now time.Time) (alerts []agent.Alert) {
	for _, jid := range to {
		if p.holds(jid, a.Level, now) {
			p.hold(jid, d, a, now)
			continue
		}
		if a.State == agent.Firing && !contains(d.page.Told, jid) && len(d.page.Told) < maxTold {
			d.page.Told = append(slices.Clip(d.page.Told), jid)
		}
		alerts = append(alerts, p.address(d, jid, a, now))
	}
	return alerts
}

// correct addresses an alert that takes the place of the one that was told at first.
func (p *Pager) correct(d *desk, to []string, a agent.Alert, now time.Time) (alerts []agent.Alert) {
	for _, jid := range to {
		if p.holds(jid, a.Level, now) {
			p.hold(jid, d, a, now)
			continue
		}
		c := p.address(d, jid, a, now)
		c.Replaces = p.firstID(d, jid)
		alerts = append(alerts, c)
	}
	return alerts
}

func (p *Pager) address(d *desk, jid string, a agent.Alert, now time.Time) agent.Alert {
	inc := d.machine.Incident()
	a.Time, a.To, a.Room = now, jid, p.isRoom(jid)
	a.Number, a.Rule = inc.Number, d.Name
	a.ID = p.firstID(d, jid)
	if a.Text != d.page.Text {
		a.ID = newID(inc.Number, jid, d.Name, strconv.Itoa(int(a.State)), now.UTC().Format(time.RFC3339Nano))
	}
	return a
}

func (p *Pager) isRoom(jid string) bool {
	return slices.ContainsFunc(p.Rooms, func(r Room) bool { return r.JID == jid })
}

// firstID is the id of what somebody was told first of a firing. It is the same
// after a restart.
func (p *Pager) firstID(d *desk, jid string) string {
	inc := d.machine.Incident()
	return newID(inc.Number, jid, d.Name, strconv.FormatInt(inc.Fired.UnixMilli(), 10))
}

// newID returns the id of an alert: the number of the firing, to find it by, and
// what nobody else can guess or has.
func newID(number uint64, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return agent.FiringID(number, hex.EncodeToString(sum[:12]))
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
