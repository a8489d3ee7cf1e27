package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"pipit/agent"
)

const (
	atOnce = 1024             // messages without an acknowledgement
	lateBy = 10 * time.Second // a reading that is older and not the newest is history

	readingTopic = "/reading/"
	valueTopic   = "/value"
)

// reading is the payload of a reading.
type reading struct {
	Name    string          `json:"name"`
	Value   json.RawMessage `json:"value"`
	Unit    string          `json:"unit,omitempty"`
	Time    string          `json:"time"`
	Quality string          `json:"quality"`
	Reason  string          `json:"reason,omitempty"`
}

// encodeReading writes a reading; a value that there is not is null.
func encodeReading(r agent.Reading) []byte {
	value := []byte("null")
	switch r.Value.Kind() {
	case agent.IsNumber, agent.IsBool:
		value = []byte(r.Value.String())
	case agent.IsText:
		value = encode(r.Value.String())
	}
	return encode(reading{r.Name, value, r.Unit, agent.Stamp(r.Time), r.Quality.String(), r.Reason})
}

// encode writes JSON without escaping what only HTML would need.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil // our own types can be written
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// A sent is an entry on its way to the broker.
type sent struct {
	agent.Entry
	late   bool
	tokens []mqtt.Token
}

// sendRecord sends what the record holds behind the link's position: what was
// read while the broker was away as history, in the order of time, and what is
// new as the state of its reading. A position moves when the broker has the
// reading, never before.
func (s *session) sendRecord(ctx context.Context) error {
	record := s.cfg.Agent.Record
	if record == nil || !s.cfg.Agent.Clock.Settled(ctx) {
		return nil
	}
	flight := flight{session: s, record: record, sent: make(map[string]uint64)}
	for ctx.Err() == nil {
		if flight.wants() && !flight.fill(ctx) {
			return nil
		}
		if err := flight.land(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A flight is what the broker has not acknowledged, oldest first.
type flight struct {
	*session
	record agent.Record
	list   []sent
	sent   map[string]uint64 // the last position of each field that was sent
	dry    bool              // there was nothing more to send when it was last filled
}

// wants tells whether to look for more: while half of it is on its way, so that
// the broker always has something to do.
func (f *flight) wants() bool { return len(f.list) == 0 || !f.dry && len(f.list) <= atOnce/2 }

// fill sends more. While nothing is on its way it waits for something to send; it
// reports false when ctx has ended.
func (f *flight) fill(ctx context.Context) bool {
	look := ctx
	if len(f.list) > 0 {
		var cancel context.CancelFunc
		look, cancel = context.WithCancel(ctx)
		cancel() // so Pending looks, and does not wait
	}
	fields, err := f.record.Pending(look, linkName)
	if err != nil && len(f.list) == 0 {
		return false
	}
	batch := f.batch(fields)
	f.dry = len(batch) == 0
	for i := range batch {
		f.send(&batch[i])
	}
	f.list = append(f.list, batch...)
	return ctx.Err() == nil
}

// land waits for the oldest and moves the position of its field.
func (f *flight) land(ctx context.Context) error {
	if len(f.list) == 0 {
		return nil
	}
	e := f.list[0]
	if err := f.conn.waitAll(ctx, e.tokens); err != nil {
		return err
	}
	f.list = f.list[1:]
	f.record.Done(linkName, e.Name, e.Pos)
	return nil
}

// batch returns the next entries of all fields, oldest first.
func (f *flight) batch(fields []string) (batch []sent) {
	now := time.Now()
	for _, name := range fields {
		each := max(1, atOnce/len(fields))
		entries := f.record.After(linkName, name, each)
		for i, e := range entries {
			if e.Pos <= f.sent[name] {
				continue
			}
			f.sent[name] = e.Pos
			newest := i == len(entries)-1 && len(entries) < each
			late := !newest && (e.Time.Before(f.since) || now.Sub(e.Time) > lateBy)
			batch = append(batch, sent{Entry: e, late: late})
		}
	}
	slices.SortStableFunc(batch, func(a, b sent) int { return a.Time.Compare(b.Time) })
	return batch
}

func (s *session) send(e *sent) {
	if e.late {
		e.tokens = append(e.tokens, s.conn.send(s.base+"/history", encodeReading(e.Reading), false))
		return
	}
	e.tokens = s.state(e.Reading)
}

// state publishes a reading as the state of its name.
func (s *session) state(r agent.Reading) []mqtt.Token {
	topic := s.base + readingTopic + r.Name
	tokens := []mqtt.Token{s.conn.send(topic, encodeReading(r), true)}
	if s.cfg.Plain {
		tokens = append(tokens, s.conn.send(topic+valueTopic, []byte(r.Value.String()), true))
	}
	return tokens
}

// showBoard publishes the readings that stand and of which the record has
// nothing newer to send: the broker may have lost them. What is gone is cleared.
func (s *session) showBoard(ctx context.Context) error {
	if !s.cfg.Agent.Clock.Sane() {
		return nil
	}
	pending := s.pending()
	want := make(map[string]bool)
	var tokens []mqtt.Token
	for _, r := range s.cfg.Agent.Board.All() {
		topic := s.base + readingTopic + r.Name
		if want[topic] = true; s.cfg.Plain {
			want[topic+valueTopic] = true
		}
		if !slices.Contains(pending, r.Name) {
			tokens = append(tokens, s.state(r)...)
		}
	}
	old := s.gone(want)
	for _, topic := range old {
		tokens = append(tokens, s.conn.send(topic, nil, true))
	}
	if err := s.conn.waitAll(ctx, tokens); err != nil {
		return err
	}
	s.keep("readings", sortedKeys(want))
	return nil
}

// gone returns the retained topics of readings that the config has no more, and
// adds those that may come yet to want.
func (s *session) gone(want map[string]bool) (old []string) {
	for _, topic := range s.kept("readings") {
		name := strings.TrimSuffix(strings.TrimPrefix(topic, s.base+readingTopic), valueTopic)
		switch {
		case want[topic]:
		case s.cfg.Configured != nil && s.cfg.Configured(name) && strings.HasPrefix(topic, s.base+"/") && (s.cfg.Plain || !strings.HasSuffix(topic, valueTopic)):
			want[topic] = true
		default:
			old = append(old, topic)
		}
	}
	return old
}

// pending returns the fields that the record has something of.
func (s *session) pending() []string {
	if s.cfg.Agent.Record == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // so Pending looks, and does not wait
	fields, _ := s.cfg.Agent.Record.Pending(ctx, linkName)
	return fields
}

// sendStale publishes readings that became stale; the record has no such thing.
func (s *session) sendStale(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.stale.waiting():
		}
		for _, name := range s.stale.take() {
			r, ok := s.cfg.Agent.Board.Get(name)
			if !ok || r.Quality != agent.Stale {
				continue
			}
			if err := s.conn.waitAll(ctx, s.state(r)); err != nil {
				return err
			}
		}
	}
}

// sleep waits and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
