package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	peopleSpace = "people" // of the state: a grant for each bare JID
	maxPeople   = 256      // of the config and granted together
)

// PeopleState keeps grants over a restart. Set and Delete may wait for a disk.
type PeopleState interface {
	Set(space, key string, value []byte) error
	Get(space, key string) (value []byte, ok bool)
	Delete(space, key string) error
	List(space string) []string
}

// A Person is somebody who may do something, and where that comes from.
type Person struct {
	JID  string // normalised, bare
	Role Role
	By   string    // who granted it: a bare JID or "local"; "" for a person of the config
	At   time.Time // of the grant, zero for a person of the config
}

// People tells who may do what: the people of the config, whose roles are
// fixed, and those whom an owner added at run time. Its methods may be called
// from any goroutine. Role and List never wait for a disk.
type People struct {
	normal func(string) (string, error)
	state  PeopleState // nil: grants end with the process

	changing sync.Mutex // held over a whole change, with the disk

	mu      sync.RWMutex
	people  map[string]Person
	changed chan struct{} // closed at the next change
}

type grant struct {
	Role string    `json:"role"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// NewPeople joins the people of the config with the grants of the state.
// normal returns the normalised bare JID of an account (RFC 7622). The error
// tells which grants were left out; the People are usable all the same.
func NewPeople(config map[string]Role, state PeopleState, normal func(string) (string, error)) (*People, error) {
	p := &People{normal: normal, state: state, people: make(map[string]Person), changed: make(chan struct{})}
	for jid, role := range config {
		p.people[jid] = Person{JID: jid, Role: role}
	}
	if state == nil {
		return p, nil
	}
	var errs []error
	for _, jid := range state.List(peopleSpace) {
		if err := p.load(jid); err != nil {
			errs = append(errs, fmt.Errorf("grant of %s left out: %w", jid, err))
		}
	}
	return p, errors.Join(errs...)
}

// load takes one grant of the state. One for a person of the config is
// forgotten, so that it does not return when the config drops that person.
func (p *People) load(jid string) error {
	if _, ok := p.people[jid]; ok {
		return p.state.Delete(peopleSpace, jid)
	}
	if len(p.people) >= maxPeople {
		return fmt.Errorf("more than %d people", maxPeople)
	}
	value, _ := p.state.Get(peopleSpace, jid)
	var g grant
	if err := json.Unmarshal(value, &g); err != nil {
		return err
	}
	role, err := ParseRole(g.Role)
	if err != nil {
		return err
	}
	if same, err := p.normal(jid); err != nil || same != jid {
		return errors.New("not a normalised bare JID")
	}
	p.people[jid] = Person{jid, role, cmp.Or(g.By, "local"), g.At}
	return nil
}

// Replace exchanges the people of the config; grants stay. Who has neither has no
// role any more when it returns. The error says which grants the disk could not
// forget, of people who are in the config now: they count all the same.
func (p *People) Replace(config map[string]Role) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	next := make(map[string]Person)
	for jid, role := range config {
		next[jid] = Person{JID: jid, Role: role}
	}
	var errs []error
	for jid, who := range p.people {
		if _, ok := next[jid]; who.By == "" || ok {
			if who.By != "" && p.state != nil {
				errs = append(errs, p.state.Delete(peopleSpace, jid))
			}
		} else if len(next) < maxPeople {
			next[jid] = who
		}
	}
	if !maps.Equal(next, p.people) {
		p.change(func() { p.people = next })
	}
	return errors.Join(errs...)
}

// Role returns what the person with this normalised bare JID may do.
func (p *People) Role(bareJID string) Role {
	if p == nil || bareJID == "" {
		return Stranger
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.people[bareJID].Role
}

// List returns all people by JID.
func (p *People) List() []Person {
	list, _ := p.Watch()
	return list
}

// Watch returns all people by JID, and a channel that is closed when that
// list is no longer true.
func (p *People) Watch() ([]Person, <-chan struct{}) {
	if p == nil {
		return nil, nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	list := slices.SortedFunc(maps.Values(p.people), func(a, b Person) int { return cmp.Compare(a.JID, b.JID) })
	return list, p.changed
}

// Grant gives a person a role. It is on disk before it counts. by is the bare
// JID of who asks, "" for this process. It does not check what by may do.
func (p *People) Grant(by, jid string, role Role) (Person, error) {
	jid, err := p.normal(jid)
	if err != nil {
		return Person{}, err
	}
	if role <= Stranger || role > Owner {
		return Person{}, fmt.Errorf("%s is no role to grant: use owner, operator or viewer", role)
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	if err := p.mayGrant(jid, role); err != nil {
		return Person{}, err
	}
	who := Person{jid, role, cmp.Or(by, "local"), time.Now().UTC().Truncate(time.Second)}
	if err := p.keep(who); err != nil {
		return Person{}, err
	}
	p.change(func() { p.people[jid] = who })
	return who, nil
}

// Revoke takes away what was granted. Access is gone at once, also when an
// error says that the disk could not forget the grant.
func (p *People) Revoke(jid string) (Person, error) {
	jid, err := p.normal(jid)
	if err != nil {
		return Person{}, err
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	who, ok := p.people[jid]
	switch {
	case !ok && !p.isKept(jid): // it is, after a revoke that the disk refused
		return Person{}, fmt.Errorf("%s has no role here; people lists who has", jid)
	case ok && who.By == "":
		return Person{}, fromConfig(jid)
	case p.lastOwner(who):
		return Person{}, isLastOwner(jid)
	}
	who.JID = jid
	p.change(func() { delete(p.people, jid) })
	if p.state == nil {
		return who, nil
	}
	if err := p.state.Delete(peopleSpace, jid); err != nil {
		return who, fmt.Errorf("%s is revoked until the next restart only, revoke it again: %w", jid, err)
	}
	return who, nil
}

func (p *People) isKept(jid string) bool {
	if p.state == nil {
		return false
	}
	_, ok := p.state.Get(peopleSpace, jid)
	return ok
}

// mayGrant is called by the only one who changes.
func (p *People) mayGrant(jid string, role Role) error {
	who, ok := p.people[jid]
	switch {
	case ok && who.By == "":
		return fromConfig(jid)
	case !ok && len(p.people) >= maxPeople:
		return fmt.Errorf("there are %d people, the most that are possible: revoke one first", maxPeople)
	case ok && role != Owner && p.lastOwner(who):
		return isLastOwner(jid)
	}
	return nil
}

func (p *People) lastOwner(who Person) bool {
	for jid, other := range p.people {
		if jid != who.JID && other.Role == Owner {
			return false
		}
	}
	return who.Role == Owner
}

func (p *People) keep(who Person) error {
	if p.state == nil {
		return nil
	}
	value, err := json.Marshal(grant{who.Role.String(), who.By, who.At})
	if err != nil {
		return err
	}
	return p.state.Set(peopleSpace, who.JID, value)
}

func (p *People) change(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
	close(p.changed)
	p.changed = make(chan struct{})
}

func fromConfig(jid string) error {
	return fmt.Errorf("%s is in [people] of the config: change it there and reload the config", jid)
}

func isLastOwner(jid string) error {
	return fmt.Errorf("%s is the last owner: grant the role owner to somebody else first", jid)
}
