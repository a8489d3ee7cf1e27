package alarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pipit/agent/rule"
)

const (
	space       = "rule" // of the state: a desk for each rule, by name
	numberSpace = "alarm"
	numberKey   = "number" // the greatest of the rules that are gone
)

// A kept desk is how a rule goes to disk.
type kept struct {
	Incident rule.Incident `json:"incident"`
	Page     page          `json:"page"`
}

// load gives each rule its incident and forgets those of rules that are gone.
func (p *Pager) load(now time.Time) {
	incidents := make(map[string]kept)
	if p.State != nil {
		if v, ok := p.State.Get(numberSpace, numberKey); ok {
			p.number, _ = strconv.ParseUint(string(v), 10, 64)
		}
		for _, name := range p.State.List(space) {
			p.loadOne(name, incidents)
		}
	}
	for _, d := range p.desks {
		k := incidents[d.Name]
		d.machine = rule.New(d.rule(), k.Incident, now, p.count)
		inc := d.machine.Incident()
		if d.page = k.Page; !inc.Active() {
			d.page = page{}
		}
		d.resume = inc.Active() && !p.Going
	}
}

func (d *desk) rule() rule.Rule { return d.Rule.Rule }

func (p *Pager) loadOne(name string, incidents map[string]kept) {
	value, _ := p.State.Get(space, name)
	k, err := unmarshal(value)
	if err != nil {
		p.Log.Warn("the state of a rule is lost", "rule", name, "error", err)
	}
	p.number = max(p.number, k.Incident.Number)
	for _, d := range p.desks {
		if d.Name == name {
			incidents[name] = k
			return
		}
	}
	err = p.State.Set(numberSpace, numberKey, strconv.AppendUint(nil, p.number, 10))
	if err = errors.Join(err, p.State.Delete(space, name)); err != nil {
		p.Log.Warn("a rule that is gone is still in the state", "rule", name, "error", err)
	}
}

// unmarshal reads what marshal wrote. The zero value comes with an error.
func unmarshal(value []byte) (kept, error) {
	var raw struct {
		Incident json.RawMessage `json:"incident"`
		Page     page            `json:"page"`
	}
	if err := json.Unmarshal(value, &raw); err != nil {
		return kept{}, err
	}
	inc, err := rule.Unmarshal(raw.Incident)
	if err != nil {
		return kept{}, err
	}
	if err := raw.Page.check(); err != nil {
		return kept{}, err
	}
	return kept{inc, raw.Page}, nil
}

// save keeps a desk. People are told all the same when the disk fails: twice is
// better than never.
func (p *Pager) save(d *desk) {
	if p.Changed != nil {
		p.Changed()
	}
	if p.State == nil {
		return
	}
	value, err := json.Marshal(kept{d.machine.Incident(), d.page})
	if err == nil {
		err = p.State.Set(space, d.Name, value)
	}
	if err != nil {
		p.Log.Warn("the state of a rule is in memory only: people may be told twice after a restart", "rule", d.Name, "error", err)
	}
}

// count numbers the firings of all rules. p is locked, or being made.
func (p *Pager) count() uint64 {
	p.number++
	return p.number
}

func (g *page) check() error {
	if len(g.Told) > maxTold || len(g.Gone) > maxTold || g.Stage < 0 {
		return fmt.Errorf("a page with %d people and stage %d", len(g.Told), g.Stage)
	}
	return nil
}
