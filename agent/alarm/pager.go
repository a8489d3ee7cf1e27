package alarm

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

// State keeps what rules did over a restart. Set and Delete may wait for a disk.
type State interface {
	Set(space, key string, value []byte) error
	Get(space, key string) (value []byte, ok bool)
	Delete(space, key string) error
	List(space string) []string
}

// A Room is a room that alerts can be told in.
type Room struct {
	Name  string      // of [room.NAME]
	JID   string      // bare
	Level agent.Level // alerts of this level and worse are told here, whatever a rule's to says; above Critical: none are
}

// Config is what a Pager works with. All but State, Offline, Show and Log must
// be set.
type Config struct {
	Rules   []Rule
	Plan    Plan
	Rooms   []Room
	Agent   *agent.Agent
	Raise   func(agent.Alert) error // keeps an alert until it is delivered; may wait for the disk
	State   State                   // nil: all is forgotten at the end
	Offline func() time.Time        // since when nobody can be told, the zero time while they can; nil: always
	// Show is told how things stand, whenever that changes: whether a rule of
	// level warning or worse fires, whether all that do are silenced, or all
	// rules, and what the worst of them says. It must not block. nil: nobody wants to know.
	Show func(fires, silenced bool, text string)
	// Changed is told when Standings may return something else. It must not block.
	// nil: nobody wants to know.
	Changed func()
	Log     *slog.Logger // nil: silent

	// Going says that this Pager takes the place of another one in the same
	// process: what its rules did is not done again.
	Going bool
}

// A Pager runs all rules. See, Delivered and Unreachable never block; the other
// methods may wait for the disk. All may be called from any goroutine.
type Pager struct {
	Config
	in      inbox
	actions actions

	mu     sync.Mutex
	desks  []*desk
	seen   map[string]agent.Reading // the newest of each name that counts
	number uint64                   // of the last firing of any rule
	held   map[string][]heldPage    // by bare JID: what quiet hours hold back
	shown  standing
}

// A desk is one rule with its state and with those who were told.
type desk struct {
	Rule
	machine *rule.Machine
	page    page
	resume  bool // it fired before the start: what it does is done again
}

// New returns a Pager that goes on where the state ends. It returns at once;
// nothing happens before Run.
func New(cfg Config) *Pager {
	p := &Pager{Config: cfg, seen: make(map[string]agent.Reading), held: make(map[string][]heldPage)}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	names := make(map[string]bool)
	for _, r := range cfg.Rules {
		p.desks = append(p.desks, &desk{Rule: r})
		for _, n := range r.names() {
			names[n] = true
		}
	}
	p.in.init(names)
	p.actions.wake = make(chan struct{}, 1)
	p.load(time.Now())
	return p
}

// names returns the readings that a rule looks at, each once.
func (r *Rule) names() []string {
	names := r.When.Names()
	if r.Clear != nil {
		for _, n := range r.Clear.Names() {
			if !contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// See takes a reading that the board took. It never blocks: when more than
// maxInbox wait, the oldest of the same name makes room, or the oldest of all.
func (p *Pager) See(r agent.Reading) { p.in.see(r) }

// Delivered says that a device of a person has an alert (XEP-0184).
func (p *Pager) Delivered(id, to string) { p.in.note(receipt{id: id, to: to}) }

// Unreachable says that the server has nobody to give an alert to.
func (p *Pager) Unreachable(id, to, reason string) {
	p.in.note(receipt{id: id, to: to, failed: true, reason: reason})
}

// recheck is how often a rule that is pending looks at the board: readings within a
// dead-band come there without being told to anybody.
const recheck = 5 * time.Second

// Run judges readings, tells people and does what rules do, until ctx ends.
func (p *Pager) Run(ctx context.Context) error {
	var doing sync.WaitGroup
	doing.Go(func() { p.act(ctx) })
	defer doing.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.in.wake:
		case <-timer.C:
		}
		if next := p.work(time.Now()); !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		} else {
			timer.Stop()
		}
	}
}

// work does all that is due, and returns when there is something to do again, the
// zero time for never.
func (p *Pager) work(now time.Time) (next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	readings, receipts := p.in.take()
	for _, r := range readings {
		p.sample(r, now)
	}
	p.lookAgain(now)
	for _, r := range receipts {
		p.receipt(r, now)
	}
	for _, d := range p.desks {
		p.handle(d, d.machine.Tick(now), now)
		p.chase(d, now)
	}
	p.release(now)
	p.show()
	return p.next(now)
}

// next returns when work is due without a new reading.
func (p *Pager) next(now time.Time) (next time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, d := range p.desks {
		sooner(d.machine.Next())
		sooner(d.page.Next)
		sooner(d.page.Receipt)
		if d.machine.Incident().Phase == rule.Pending {
			sooner(now.Add(recheck))
		}
	}
	for jid := range p.held {
		sooner(p.Plan.Quiet[jid].end(now))
	}
	return next
}

// sample takes a reading to every rule that looks at it.
func (p *Pager) sample(r agent.Reading, now time.Time) {
	before, known := p.seen[r.Name]
	p.seen[r.Name] = r
	changed := func(name string) bool {
		return name == r.Name && known && before.OK() && r.OK() && before.Value != r.Value
	}
	for _, d := range p.desks {
		if contains(d.names(), r.Name) {
			p.step(d, changed, now)
		}
	}
}

// lookAgain gives the rules that are pending the samples that only the board has.
func (p *Pager) lookAgain(now time.Time) {
	for _, d := range p.desks {
		if d.machine.Incident().Phase != rule.Pending {
			continue
		}
		newer := false
		for _, name := range d.names() {
			if r, ok := p.Agent.Board.Get(name); ok && r.Time.After(p.seen[name].Time) {
				p.seen[name] = r
				newer = true
			}
		}
		if newer {
			p.step(d, nil, now)
		}
	}
}

func (p *Pager) step(d *desk, changed func(string) bool, now time.Time) {
	result := d.Eval(p.get, changed)
	p.handle(d, d.machine.Step(now, result), now)
	inc := d.machine.Incident()
	if d.resume && result.When != rule.Unknown {
		d.resume = false
		if inc.Active() {
			p.do(d, d.Do)
		}
	}
}

func (p *Pager) get(name string) (agent.Reading, bool) {
	r, ok := p.seen[name]
	return r, ok
}

// A standing is what Show was told last.
type standing struct {
	fires, silenced bool
	text            string
}

func (p *Pager) show() {
	if p.Show == nil {
		return
	}
	var now standing
	worst := agent.Info
	now.silenced = true
	quiet := len(p.desks) > 0 // all of them
	for _, d := range p.desks {
		inc := d.machine.Incident()
		quiet = quiet && !inc.Silenced.IsZero()
		if !inc.Active() || d.Level < agent.Warning {
			continue
		}
		now.fires = true
		now.silenced = now.silenced && !inc.Silenced.IsZero()
		if d.Level > worst {
			worst, now.text = d.Level, d.page.Text
		}
	}
	now.silenced = now.silenced && now.fires || quiet
	if now != p.shown {
		p.shown = now
		p.Show(now.fires, now.silenced, now.text)
	}
}
