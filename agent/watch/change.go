package watch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pipit/agent"
)

// List returns the watches of a person (bare JID), oldest first. silent is
// when the person is told something again, the zero time unless MaxHour
// messages were too many.
func (w *Watcher) List(jid string) (list []Watch, silent time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.people[jid]
	if p == nil {
		return nil, silent
	}
	for _, e := range p.entries {
		list = append(list, e.Watch)
	}
	if p.silence(time.Now()) > 0 {
		silent = p.silent
	}
	return list, silent
}

// Add lets a person (normalised bare JID) watch something; a watch of the same
// name is replaced. What the board shows now counts as told. An error that wraps
// ErrNotKept says that it is watched until the process ends.
func (w *Watcher) Add(jid string, watch Watch) error {
	watch, err := watch.check()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.people[jid]
	if p == nil {
		p = &person{jid: jid}
	}
	old := p.find(watch.Name)
	if old == nil {
		if err := w.room(p); err != nil {
			return err
		}
		w.watches.Add(1) // before the board is read: no reading falls between
	}
	e, err := w.begin(p, old, watch)
	if err != nil {
		if old == nil {
			w.watches.Add(-1)
		}
		return err
	}
	if old != nil {
		*old = *e
	} else {
		p.entries = append(p.entries, e)
	}
	w.people[jid] = p
	return notKept(w.save(p), "%s is watched until the next restart only, try again later", watch.Name)
}

// begin makes the entry that takes the place of old, which may be nil.
func (w *Watcher) begin(p *person, old *entry, watch Watch) (*entry, error) {
	e := newEntry(watch)
	for _, r := range w.agent.Board.All() {
		if agent.Match(watch.Name, r.Name) {
			e.told[r.Name] = tell(r)
		}
	}
	others := p.readings()
	if old != nil {
		others -= len(old.told)
	}
	if n := len(e.told); others+n > MaxReadings {
		return nil, fmt.Errorf("%s stands for %d readings, and you watch %d others: at most %d are possible", watch.Name, n, others, MaxReadings)
	}
	return e, nil
}

// room tells whether there is room for one more watch of p.
func (w *Watcher) room(p *person) error {
	if len(p.entries) >= MaxWatches {
		return fmt.Errorf("you have %d watches, the most that are possible: unwatch one first", MaxWatches)
	}
	if w.watches.Load() < MaxAll {
		return nil
	}
	for _, other := range w.people {
		if w.agent.Role(other.jid) == agent.Stranger {
			w.drop(other)
		}
	}
	if w.watches.Load() < MaxAll {
		return nil
	}
	return fmt.Errorf("all people together have %d watches, the most that are possible", MaxAll)
}

// Remove ends the watches of a person (bare JID) for which which is true and
// returns them. An error that wraps ErrNotKept says that the disk has them
// still: they return with the next start of the process.
func (w *Watcher) Remove(jid string, which func(Watch) bool) (gone []Watch, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.people[jid]
	if p == nil {
		return nil, nil
	}
	p.entries = slices.DeleteFunc(p.entries, func(e *entry) bool {
		if which(e.Watch) {
			gone = append(gone, e.Watch)
			return true
		}
		return false
	})
	w.watches.Add(-int64(len(gone)))
	if len(gone) == 0 && !p.unsaved {
		return nil, nil
	}
	return gone, notKept(w.save(p), "unwatched until the next restart only, try again later")
}

func notKept(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errors.Join(ErrNotKept, err))
}
