package agent

import (
	"strings"
	"time"
)

// hold finds out whether the output has to be safe.
func (o *output) hold() {
	was := o.held
	o.held = o.condition(time.Now())
	switch {
	case o.held != "" && was == "":
		o.due, o.tries, o.retryAt = nil, 0, time.Time{}
		o.wakeUp()
	case o.held == "" && was != "" && !o.isSafe():
		o.redo(o.Safe) // it has failed so far
	}
}

func (o *output) isSafe() bool { return o.known && o.same(o.got, o.Safe) }

// condition returns the condition of safe_when that is met, "" for none.
func (o *output) condition(now time.Time) string {
	if o.SafeOffline > 0 && o.all.Offline != nil {
		if since := o.all.Offline(); !since.IsZero() && now.Sub(since) >= o.SafeOffline {
			return "offline for " + rough(now.Sub(since))
		}
	}
	for _, name := range o.SafeStale {
		if why := o.all.stale(name, now.Sub(o.began) < staleGrace); why != "" {
			return why
		}
	}
	return ""
}

// stale tells what is wrong with a reading, or with any of a sensor's
// readings; grace says that it need not be there yet.
func (p *Outputs) stale(name string, grace bool) string {
	found := false
	if p.Board != nil {
		if r, ok := p.Board.Get(name); ok {
			return notOK(r)
		}
		if !strings.Contains(name, ".") {
			for _, r := range p.Board.All() {
				if !Match(name, r.Name) {
					continue
				}
				if found = true; notOK(r) != "" {
					return notOK(r)
				}
			}
		}
	}
	if found || grace {
		return ""
	}
	return "there is no reading of " + name
}

func notOK(r Reading) string {
	if r.OK() {
		return ""
	}
	why := r.Name + " is " + r.Quality.String()
	if r.Quality == Fault {
		why = r.Name + " has a fault"
	}
	if r.Reason != "" {
		why += " (" + r.Reason + ")"
	}
	return why
}
