package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"pipit/agent"
)

const (
	maxAlerts     = 1000
	maxAlertBytes = 512 << 10 // of memory; of the file an eighth of MaxSize, if that is less
	alertsAtOnce  = 256
	maxJID        = 2047 // bytes of a bare JID (RFC 7622)
)

// An alertQueue holds the alerts that a link has not delivered yet. All of it
// is in memory, the file has a copy: a failing disk hides no alert, and a new
// file gets them all. It is used under mu.
type alertQueue struct {
	list    []agent.AlertEntry // oldest first
	size    int                // bytes, see alertCost
	last    uint64             // position of the newest ever
	links   map[string]*alertLink
	told    []string // damaged files that an alert was made for
	version uint64   // grows with each change
	written uint64   // version on disk
	saved   uint64   // entries up to here are on disk
	rang    chan struct{}
}

// An alertLink has delivered all up to pos. What was not offered to it since the
// positions last changed their meaning cannot be done.
type alertLink struct{ pos, offered uint64 }

// AppendAlert adds an alert. It is on disk when AppendAlert returns nil; when the
// disk fails, the error says that it is in memory only, from where it is written
// as soon as the disk is back. PendingAlerts gives it at once: a slow disk holds
// no alert up. AppendAlert waits for a commit under way and for the disk. At
// most 1000 alerts (512 KB) are kept: the oldest make room and are counted.
func (s *Store) AppendAlert(a agent.Alert) error {
	if a.ID == "" {
		return errors.New("keep an alert: it has no id")
	}
	s.mu.Lock()
	s.addAlert(a)
	s.mu.Unlock()
	if err := s.saveAlerts(); err != nil {
		return fmt.Errorf("keep alert %s: it is in memory only: %w", a.ID, err)
	}
	return nil
}

// PendingAlerts waits until there are alerts behind a link's position and
// returns the first of them, at most 256. Links are known by name; one that is not
// known yet begins with the oldest alert. It does not wait for the disk. When ctx
// ends it returns its cause.
func (s *Store) PendingAlerts(ctx context.Context, link string) ([]agent.AlertEntry, error) {
	for {
		s.mu.Lock()
		list := s.alerts.offer(link)
		rang := waitFor(&s.alerts.rang)
		s.mu.Unlock()
		if len(list) > 0 {
			return list, nil
		}
		select {
		case <-rang:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// AlertDone tells that a link has delivered all alerts up to pos, which
// PendingAlerts gave it. It is in force at once and on disk when AlertDone
// returns nil; else with the next commit that works. A position never goes back.
// An alert that all known links have delivered is deleted.
func (s *Store) AlertDone(link string, pos uint64) error {
	s.mu.Lock()
	s.alerts.done(link, pos)
	s.mu.Unlock()
	if err := s.saveAlerts(); err != nil {
		return fmt.Errorf("note that %s has delivered alert %d: %w", link, pos, err)
	}
	return nil
}

// addAlert is called under mu.
func (s *Store) addAlert(a agent.Alert) {
	a.Time = time.UnixMilli(a.Time.UnixMilli()).UTC()
	for _, text := range []*string{&a.ID, &a.Name, &a.Text, &a.Rule, &a.Replaces} {
		*text = agent.Text(*text).String() // bounded
	}
	a.To = a.To[:min(len(a.To), maxJID)]
	q := &s.alerts
	q.last++
	q.list = append(q.list, agent.AlertEntry{Pos: q.last, Alert: a})
	q.size += alertCost(a)
	s.boundAlerts()
	q.version++
	ring(&q.rang)
}

// boundAlerts drops the oldest alerts that are too many. It is called under mu.
func (s *Store) boundAlerts() {
	q, most := &s.alerts, min(maxAlertBytes, int(s.opt.MaxSize/8))
	for len(q.list) > maxAlerts || q.size > most && len(q.list) > 1 {
		q.drop()
		s.counters.AlertsDropped++
	}
}

func alertCost(a agent.Alert) int {
	return 96 + len(a.ID) + len(a.Name) + len(a.Text) + len(a.To) + len(a.Rule) + len(a.Replaces)
}

// drop takes the oldest alert off.
func (q *alertQueue) drop() {
	q.size -= alertCost(q.list[0].Alert)
	if q.list = q.list[1:]; len(q.list) == 0 {
		q.list = nil
	}
}

// first is the position of the oldest alert that is kept, or will be.
func (q *alertQueue) first() uint64 {
	if len(q.list) > 0 {
		return q.list[0].Pos
	}
	return q.last + 1
}

// link returns a link, a new one if need be.
func (q *alertQueue) link(name string) *alertLink {
	l := q.links[name]
	if l == nil {
		l = &alertLink{}
		q.links[name] = l
		q.version++
	}
	return l
}

// offer returns what is next for a link.
func (q *alertQueue) offer(name string) []agent.AlertEntry {
	l := q.link(name)
	i, _ := slices.BinarySearchFunc(q.list, l.pos+1, func(e agent.AlertEntry, pos uint64) int { return cmp.Compare(e.Pos, pos) })
	list := slices.Clone(q.list[i:min(i+alertsAtOnce, len(q.list))])
	if n := len(list); n > 0 {
		l.offered = max(l.offered, list[n-1].Pos)
	}
	return list
}

// done moves a link's position and deletes what all have delivered.
func (q *alertQueue) done(name string, pos uint64) {
	l := q.links[name]
	if l == nil || min(pos, l.offered) <= l.pos {
		return
	}
	l.pos = min(pos, l.offered)
	q.version++
	q.prune()
}

func (q *alertQueue) prune() {
	if len(q.links) == 0 {
		return
	}
	all := uint64(math.MaxUint64)
	for _, l := range q.links {
		all = min(all, l.pos)
	}
	for len(q.list) > 0 && q.list[0].Pos <= all {
		q.drop()
	}
}

// waitFor returns a channel that the next ring closes.
func waitFor(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

func ring(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
