package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pipit/agent"
)

const (
	space    = "watch"  // of the state: the watches of each bare JID
	version  = 1        // of what is written; a reader takes what it knows of a later one
	maxState = 16 << 10 // bytes of one person
)

type keptPerson struct {
	Version int         `json:"version"`
	Sent    []time.Time `json:"sent,omitempty"`
	Silent  time.Time   `json:"silent,omitzero"`
	Watches []keptWatch `json:"watches"`
}

type keptWatch struct {
	Name  string        `json:"name"`
	By    float64       `json:"by,omitempty"`
	Every string        `json:"every"`
	At    time.Time     `json:"at,omitzero"`
	Told  []keptReading `json:"told,omitempty"`
}

type keptReading struct {
	Name   string   `json:"name"`
	State  string   `json:"state"`
	Number *float64 `json:"number,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Shown  string   `json:"shown,omitempty"`
	Sum    uint32   `json:"sum,omitempty"`
}

// load takes what the state has.
func (w *Watcher) load() error {
	if w.state == nil {
		return nil
	}
	var errs []error
	for _, jid := range w.state.List(space) {
		if w.watches.Load() >= MaxAll {
			errs = append(errs, fmt.Errorf("watches of %s left out: there are %d already", jid, MaxAll))
			continue
		}
		value, _ := w.state.Get(space, jid)
		p, err := decode(jid, value)
		if err != nil {
			errs = append(errs, fmt.Errorf("watches of %s left out: %w", jid, err))
			continue
		}
		if len(p.entries) == 0 {
			continue
		}
		p.entries = p.entries[:min(len(p.entries), MaxAll-int(w.watches.Load()))]
		w.people[jid] = p
		w.watches.Add(int64(len(p.entries)))
	}
	return errors.Join(errs...)
}

// save writes what the disk has to know of a person, and forgets one who
// watches nothing.
func (w *Watcher) save(p *person) (err error) {
	if w.state != nil {
		if len(p.entries) == 0 {
			err = w.state.Delete(space, p.jid)
		} else {
			err = w.set(p)
		}
	}
	p.unsaved = err != nil
	if len(p.entries) == 0 && !p.unsaved {
		delete(w.people, p.jid)
	}
	return err
}

func (w *Watcher) set(p *person) error {
	value, err := encode(p)
	if err != nil {
		return err
	}
	return w.state.Set(space, p.jid, value)
}

func encode(p *person) ([]byte, error) {
	k := keptPerson{Version: version, Sent: p.sent, Silent: p.silent}
	for _, e := range p.entries {
		kw := keptWatch{Name: e.Name, By: e.By, Every: e.Every.String(), At: e.Told}
		for _, name := range slices.Sorted(maps.Keys(e.told)) {
			t := e.told[name]
			kw.Told = append(kw.Told, keptReading{name, t.State.String(), t.Number, t.Unit, t.Shown, t.Sum})
		}
		k.Watches = append(k.Watches, kw)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // six bytes for one
	err := enc.Encode(k)
	return b.Bytes(), err
}

// decode reads what encode wrote, perhaps by a later version: what is not
// known or out of bounds is left out.
func decode(jid string, value []byte) (*person, error) {
	if len(value) > maxState {
		return nil, fmt.Errorf("%d bytes are more than %d", len(value), maxState)
	}
	var k keptPerson
	if err := json.Unmarshal(value, &k); err != nil {
		return nil, err
	}
	p := &person{jid: jid, silent: k.Silent}
	slices.SortFunc(k.Sent, time.Time.Compare)
	p.sent = k.Sent[max(0, len(k.Sent)-MaxHour):]
	for _, kw := range k.Watches {
		every, err := time.ParseDuration(kw.Every)
		if err != nil {
			continue
		}
		watch, err := Watch{Name: kw.Name, By: kw.By, Every: every, Told: kw.At}.check()
		if err != nil || p.find(watch.Name) != nil || len(p.entries) == MaxWatches {
			continue
		}
		e := newEntry(watch)
		p.entries = append(p.entries, e)
		for _, kr := range kw.Told {
			if p.readings() < MaxReadings {
				e.know(kr)
			}
		}
	}
	return p, nil
}

// know takes what was told of a reading.
func (e *entry) know(k keptReading) {
	state, ok := agent.ParseQuality(k.State)
	if !ok || state == agent.Uncertain || agent.CheckName(k.Name) != nil || !agent.Match(e.Name, k.Name) {
		return
	}
	e.told[k.Name] = told{State: state, Number: k.Number, Unit: brief(k.Unit, maxUnit), Shown: brief(k.Shown, maxShown), Sum: k.Sum}
}
