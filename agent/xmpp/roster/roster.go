// Package roster keeps the device's contact list (RFC 6121 sections 2 and 3)
// equal to its people: with each of them the device asks for and
// grants presence, because PEP notifications flow only where both sides are
// subscribed. To everybody else it says nothing.
package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// NS is the namespace of roster management.
const NS = "jabber:iq:roster"

// Group marks the entries that the device made itself; only those are taken
// out again when somebody leaves the config.
const Group = "Pipit"

const maxStrangers = 32 // logged in a day: anybody can have any number of addresses

// Conn is what the roster needs of a connection.
type Conn interface {
	stanza.Requester
	stanza.Sender
}

// A Roster holds the state of the subscriptions of one connection.
type Roster struct {
	conn   Conn
	self   string            // own bare JID
	people func() []string   // normalised bare JIDs, as of now
	person func(string) bool // whether somebody is one of them
	stray  func(string)      // told who else asks to see the device
	log    *slog.Logger

	mu        sync.Mutex
	contacts  map[string]contact // people, and what Load found in Group
	strangers map[string]time.Time
}

// A contact is an entry of the roster.
type contact struct {
	sees bool // we see them, or have asked to
	ours bool // the device made the entry
}

type item struct {
	JID          string   `xml:"jid,attr"`
	Subscription string   `xml:"subscription,attr"`
	Ask          string   `xml:"ask,attr"`
	Groups       []string `xml:"group"`
}

func (i item) contact() contact { return contact{i.sees(), slices.Contains(i.Groups, Group)} }

// sees tells whether we receive the contact's presence, or have asked for it.
func (i item) sees() bool {
	return i.Subscription == "to" || i.Subscription == "both" || i.Ask == "subscribe"
}

// New returns the roster of a connection. people returns the normalised bare
// JIDs of those who may see the device now, and person tells whether somebody is
// one of them; stray is told who else asks. None of them may block.
func New(conn Conn, selfBare string, people func() []string, person func(string) bool, stray func(string), log *slog.Logger) *Roster {
	return &Roster{conn: conn, self: selfBare, people: people, person: person, stray: stray, log: log,
		contacts: make(map[string]contact), strangers: make(map[string]time.Time)}
}

// Load fetches the roster. Call it before the initial presence, so that the
// server sends roster pushes and presences.
func (r *Roster) Load(ctx context.Context) error {
	items, err := r.fetch(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range items {
		if r.isPerson(i.JID) || slices.Contains(i.Groups, Group) {
			r.contacts[i.JID] = i.contact()
		}
	}
	return nil
}

func (r *Roster) fetch(ctx context.Context) ([]item, error) {
	reply, err := r.conn.Request(ctx, "", "get", []byte("<query xmlns='"+NS+"'/>"))
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return parse(reply)
}

// Viewers asks the server who sees the device's presence, and hence may see what
// it publishes: the people, and whom somebody let in by hand. By bare JID.
func (r *Roster) Viewers(ctx context.Context) (map[string]bool, error) {
	items, err := r.fetch(ctx)
	if err != nil {
		return nil, err
	}
	viewers := map[string]bool{r.self: true}
	for _, i := range items {
		if i.Subscription == "from" || i.Subscription == "both" {
			viewers[i.JID] = true
		}
	}
	return viewers, nil
}

func parse(s *stanza.Stanza) ([]item, error) {
	var v struct {
		Query struct {
			Items []item `xml:"item"`
		} `xml:"jabber:iq:roster query"`
	}
	if err := s.Decode(&v); err != nil {
		return nil, err
	}
	list := v.Query.Items[:0]
	for _, i := range v.Query.Items {
		if i.JID = jid.Bare(i.JID); i.JID != "" {
			list = append(list, i)
		}
	}
	return list, nil
}

// Reconcile makes the subscriptions fit the people of now, those who lost their
// role first. Call it after the initial presence, and when the people have
// changed; not twice at once. What failed for one of them is tried again the next
// time, and does not keep it from the others.
func (r *Roster) Reconcile(ctx context.Context) error {
	r.mu.Lock()
	contacts := maps.Clone(r.contacts)
	r.mu.Unlock()
	var errs []error
	for j, c := range contacts {
		if !r.isPerson(j) {
			errs = append(errs, r.dismiss(ctx, j, c))
		}
	}
	for _, p := range r.people() {
		c, known := contacts[p]
		errs = append(errs, r.invite(ctx, p, c, known))
	}
	return errors.Join(errs...)
}

// invite makes the entry of one of the people, if there is none, and asks to see them.
func (r *Roster) invite(ctx context.Context, p string, c contact, known bool) error {
	if !known {
		if err := r.welcome(ctx, p); err != nil {
			return err
		}
	}
	if c.sees || p == r.self {
		return nil
	}
	return r.presence("subscribe", p)
}

// welcome makes an entry for somebody, and grants what they may have asked for
// before they were one of the people. The entry is noted before the server
// pushes it: they may be none of the people any more by then.
func (r *Roster) welcome(ctx context.Context, p string) error {
	if err := r.set(ctx, p, ""); err != nil {
		return err
	}
	r.mu.Lock()
	if _, pushed := r.contacts[p]; !pushed {
		r.contacts[p] = contact{ours: true}
	}
	r.mu.Unlock()
	return r.presence("subscribed", p)
}

// dismiss takes away from somebody what people may see. An entry that was made
// by hand stays, without the subscriptions.
func (r *Roster) dismiss(ctx context.Context, j string, c contact) error {
	r.log.Info("not one of the people any more: subscriptions ended", "jid", j)
	if err := r.part(ctx, j, c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.contacts, j)
	return nil
}

func (r *Roster) part(ctx context.Context, j string, c contact) error {
	if c.ours {
		return r.set(ctx, j, "remove")
	}
	if err := r.presence("unsubscribed", j); err != nil {
		return err
	}
	return r.presence("unsubscribe", j)
}

// set adds or removes an entry. Removal cancels both subscriptions.
func (r *Roster) set(ctx context.Context, j, subscription string) error {
	b := []byte("<query xmlns='" + NS + "'><item")
	b = wire.Attr(b, "jid", j)
	b = wire.Attr(b, "subscription", subscription)
	b = append(b, '>')
	if subscription != "remove" {
		b = append(b, "<group>"+Group+"</group>"...)
	}
	b = append(b, "</item></query>"...)
	if _, err := r.conn.Request(ctx, "", "set", b); err != nil {
		return fmt.Errorf("roster entry of %s: %w", j, err)
	}
	return nil
}

func (r *Roster) presence(typ, to string) error {
	b := []byte("<presence")
	b = wire.Attr(b, "type", typ)
	b = wire.Attr(b, "to", to)
	return r.conn.Send(append(b, "/>"...))
}

// Push handles a roster push (RFC 6121 section 2.1.6). One from anybody but
// the own account is answered as if rosters were not served here.
func (r *Roster) Push(_ context.Context, iq *stanza.Stanza) ([]byte, error) {
	if iq.From != "" && jid.Bare(iq.From) != r.self {
		return nil, stanza.ServiceUnavailable
	}
	items, err := parse(iq)
	if err != nil || len(items) != 1 {
		return nil, stanza.BadRequest
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch i := items[0]; {
	case i.Subscription == "remove":
		delete(r.contacts, i.JID)
	case r.isPerson(i.JID): // of others there may be any number
		r.contacts[i.JID] = i.contact()
	}
	return nil, nil
}

// Presence handles the presence types of subscription management. It reports
// whether the stanza was one of them.
func (r *Roster) Presence(_ context.Context, p *stanza.Stanza) bool {
	switch p.Type {
	case "subscribe":
		r.subscribe(jid.Bare(p.From))
	case "unsubscribed":
		if from := jid.Bare(p.From); r.isPerson(from) {
			r.log.Warn("one of the people does not let the device see their presence; readings do not reach them as PubSub events", "jid", from)
		}
	case "subscribed", "unsubscribe":
	default:
		return false
	}
	return true
}

func (r *Roster) isPerson(bare string) bool { return bare != "" && r.person(bare) }

// subscribe answers a request to see the device: yes, and the same in return,
// for people; nothing for anybody else.
func (r *Roster) subscribe(from string) {
	if !r.isPerson(from) {
		r.stranger(from)
		return
	}
	r.mu.Lock()
	seen := r.contacts[from].sees
	r.mu.Unlock()
	err := r.presence("subscribed", from)
	if err == nil && !seen {
		err = r.presence("subscribe", from)
	}
	if err != nil {
		r.log.Debug("subscription not answered", "jid", from, "error", err)
	}
}

// stranger logs who asked, once a day each and at most maxStrangers of them.
func (r *Roster) stranger(from string) {
	r.stray(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.strangers, func(_ string, at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
	if _, known := r.strangers[from]; known || len(r.strangers) >= maxStrangers {
		return
	}
	r.strangers[from] = now
	r.log.Warn("subscription request of somebody who is not one of the people, not answered", "jid", from)
}
