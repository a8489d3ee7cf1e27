package alarm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

// A Standing is how things stand with one rule.
type Standing struct {
	Rule     string
	Level    agent.Level
	Phase    rule.Phase
	Number   uint64    // of the last firing; 0: it never fired
	Since    time.Time // it fired, or the phase began
	By       string    // who acknowledged it
	Silenced time.Time // until then; zero: not
	Flaps    int       // firings since it is flapping; 0: it is not
	Now      string    // what its readings say
}

// Standings returns all rules: those that fire first, the worst first.
func (p *Pager) Standings() []Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Standing, 0, len(p.desks))
	for _, d := range p.desks {
		inc := d.machine.Incident()
		s := Standing{d.Name, d.Level, inc.Phase, inc.Number, inc.Since, inc.By, inc.Silenced, inc.Flaps, p.readings(d)}
		if inc.Active() {
			s.Since = inc.Fired
		}
		list = append(list, s)
	}
	active := func(s Standing) int {
		if s.Phase == rule.Firing || s.Phase == rule.Acked {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(active(b), active(a)), cmp.Compare(b.Level, a.Level), cmp.Compare(a.Rule, b.Rule))
	})
	return list
}

// Ack notes that who sees to a firing. which is its number or the name of its
// rule; when it is empty, re is the id of an alert that was answered, or else
// the only firing is meant. The error is a *agent.ParamError.
func (p *Pager) Ack(who, which, re string) (Standing, error) {
	return p.change(which, re, rule.Firing, func(d *desk, now time.Time) []rule.Event { return d.machine.Ack(who, now) })
}

// Unack takes an Ack back.
func (p *Pager) Unack(who, which, re string) (Standing, error) {
	return p.change(which, re, rule.Acked, func(d *desk, now time.Time) []rule.Event { return d.machine.Unack(who, now) })
}

// Silence lets nobody be told of a rule for a time, at most rule.MaxSilence. which
// may also be "all". It returns the rules that are silenced.
func (p *Pager) Silence(who, which, re string, long time.Duration) ([]Standing, error) {
	return p.each(which, re, func(d *desk, now time.Time) []rule.Event { return d.machine.Silence(who, now.Add(long), now) })
}

// Unsilence ends a silence; which may be "all".
func (p *Pager) Unsilence(who, which, re string) ([]Standing, error) {
	return p.each(which, re, func(d *desk, now time.Time) []rule.Event { return d.machine.Unsilence(who, now) })
}

// change does something with one firing, which must be in a phase.
func (p *Pager) change(which, re string, want rule.Phase, do func(*desk, time.Time) []rule.Event) (Standing, error) {
	p.mu.Lock()
	now := time.Now()
	d, err := p.find(which, re, want)
	if err == nil {
		p.handle(d, do(d, now), now)
		p.show()
	}
	p.mu.Unlock()
	p.in.ring() // what is due has changed
	if err != nil {
		return Standing{}, err
	}
	return p.standing(d.Name), nil
}

func (p *Pager) each(which, re string, do func(*desk, time.Time) []rule.Event) (list []Standing, err error) {
	p.mu.Lock()
	now := time.Now()
	desks := p.desks
	if which != "all" {
		var d *desk
		if d, err = p.findRule(which, re); err == nil {
			desks = []*desk{d}
		}
	}
	if err == nil {
		for _, d := range desks {
			p.handle(d, do(d, now), now)
		}
		p.show()
	}
	p.mu.Unlock()
	p.in.ring()
	if err != nil {
		return nil, err
	}
	for _, d := range desks {
		list = append(list, p.standing(d.Name))
	}
	return list, nil
}

func (p *Pager) standing(name string) Standing {
	for _, s := range p.Standings() {
		if s.Rule == name {
			return s
		}
	}
	return Standing{}
}

// find returns the firing that somebody means.
func (p *Pager) find(which, re string, want rule.Phase) (*desk, error) {
	if which == "" && re == "" {
		return p.only(want)
	}
	d, err := p.findRule(which, re)
	if err != nil {
		return nil, err
	}
	inc := d.machine.Incident()
	switch {
	case inc.Phase == want:
		return d, nil
	case inc.Phase == rule.Acked:
		return nil, wrong("%s #%d was acknowledged by %s already", d.Name, inc.Number, shortName(inc.By))
	case inc.Phase == rule.Firing:
		return nil, wrong("nobody has acknowledged %s #%d", d.Name, inc.Number)
	}
	return nil, wrong("%s does not fire", d.Name)
}

// only returns the one firing that can be meant when nothing is said.
func (p *Pager) only(want rule.Phase) (only *desk, err error) {
	for _, d := range p.desks {
		if d.machine.Incident().Phase != want {
			continue
		}
		if only != nil {
			return nil, wrong("more than one is meant: say which number, see alerts")
		}
		only = d
	}
	if only == nil && want == rule.Firing {
		return nil, wrong("no alert waits for somebody to acknowledge it")
	}
	if only == nil {
		return nil, wrong("no alert is acknowledged")
	}
	return only, nil
}

// findRule returns a rule by its name, by the number of its last firing, or by
// the id of an alert of that firing.
func (p *Pager) findRule(which, re string) (*desk, error) {
	number := agent.FiringOf(re)
	if which != "" {
		number, _ = strconv.ParseUint(which, 10, 64)
	}
	var names []string
	for _, d := range p.desks {
		if names = append(names, d.Name); which == d.Name {
			return d, nil
		}
		if number > 0 && d.machine.Incident().Number == number {
			return d, nil
		}
	}
	switch near := agent.Nearest(which, names); {
	case number > 0:
		return nil, wrong("#%d is over", number)
	case which == "":
		return nil, wrong("that message is no alert of a rule: say which number, see alerts")
	case near != "":
		return nil, wrong("there is no rule %q, did you mean %q?", which, near)
	}
	return nil, wrong("there is no rule %q; alerts has them all", which)
}

func wrong(format string, args ...any) error {
	return &agent.ParamError{Text: fmt.Sprintf(format, args...)}
}

// Test tells those who are told first of a rule, or of none in particular, that
// this is a test. It goes out in quiet hours, too. It returns whom it told. The
// error says that nobody is there to be told, or is a *agent.ParamError.
func (p *Pager) Test(who, which string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &desk{}
	if which != "" {
		var err error
		if d, err = p.findRule(which, ""); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	to := p.first(d)
	if len(to) == 0 {
		return nil, errors.New("there is nobody to tell: see [people], and the targets of [alerts] and of the rule")
	}
	var alerts []agent.Alert
	for _, jid := range to {
		text := line("info", "test", "an alert would look like this; "+shortName(who)+" asked for it at "+clock(now, now), 0)
		alerts = append(alerts, agent.Alert{Time: now, Level: agent.Info, Text: text, To: jid, Room: p.isRoom(jid)})
	}
	p.raise(alerts)
	return to, nil
}
