package xmpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/stanza"
)

// A fakeRecord is a record in memory of one link.
type fakeRecord struct {
	mu     sync.Mutex
	fields map[string][]agent.Entry
	done   map[string]uint64
	grew   chan struct{}
}

func newFakeRecord() *fakeRecord {
	return &fakeRecord{fields: map[string][]agent.Entry{}, done: map[string]uint64{}, grew: make(chan struct{})}
}

func (f *fakeRecord) Append(r agent.Reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fields[r.Name] = append(f.fields[r.Name], agent.Entry{Pos: uint64(len(f.fields[r.Name]) + 1), Reading: r})
	close(f.grew)
	f.grew = make(chan struct{})
}

func (f *fakeRecord) Pending(ctx context.Context, _ string) ([]string, error) {
	for {
		f.mu.Lock()
		var names []string
		for n, entries := range f.fields {
			if uint64(len(entries)) > f.done[n] {
				names = append(names, n)
			}
		}
		grew := f.grew
		f.mu.Unlock()
		if slices.Sort(names); len(names) > 0 {
			return names, nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *fakeRecord) After(_, field string, limit int) []agent.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := f.fields[field][f.done[field]:]
	return slices.Clone(left[:min(len(left), limit)])
}

func (f *fakeRecord) Done(_, field string, pos uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[field] = max(f.done[field], pos)
}

// A fakeServer takes publish requests; answer decides about each by node and
// item id, nil takes it.
type fakeServer struct {
	answer func(node, id string) error
	slow   string // a node that takes 25 s

	mu    sync.Mutex
	items map[string][]string // ids by node, in order
	most  int                 // requests at the same time
	now   int
	open  map[string]bool // nodes with a publish request
	twice string          // a node that had two at the same time
}

func (f *fakeServer) Request(ctx context.Context, _, _ string, payload []byte) (*stanza.Stanza, error) {
	s, err := stanza.Parse([]byte("<iq>" + string(payload) + "</iq>"))
	if err != nil {
		return nil, err
	}
	var v struct {
		Publish struct {
			Node string `xml:"node,attr"`
			Item struct {
				ID string `xml:"id,attr"`
			} `xml:"item"`
		} `xml:"pubsub>publish"`
	}
	if err := s.Decode(&v); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.now++
	f.most = max(f.most, f.now)
	node := v.Publish.Node
	if f.open[node] && node != "" {
		f.twice = node
	}
	f.open[node] = true
	f.mu.Unlock()
	trip := 10 * time.Millisecond
	if node != "" && node == f.slow {
		trip = 25 * time.Second
	}
	time.Sleep(trip)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[node] = false
	f.now--
	if v.Publish.Node != "" {
		if f.answer != nil {
			if err := f.answer(v.Publish.Node, v.Publish.Item.ID); err != nil {
				return nil, err
			}
		}
		f.items[v.Publish.Node] = append(f.items[v.Publish.Node], v.Publish.Item.ID)
	}
	return stanza.Parse([]byte("<iq type='result'/>"))
}

// An asyncServer is a fakeServer that answers without the caller waiting.
type asyncServer struct{ *fakeServer }

func (a asyncServer) Start(to, typ string, payload []byte, done func(*stanza.Stanza, error)) error {
	go func() {
		s, err := a.Request(context.Background(), to, typ, payload)
		var refusal *stanza.Error
		if errors.As(err, &refusal) {
			s, err = stanza.Parse(append(refusal.Append([]byte("<iq type='error'>")), "</iq>"...))
		}
		done(s, err)
	}()
	return nil
}

// got returns what was published so far.
func (f *fakeServer) got() map[string][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	items := map[string][]string{}
	for node, ids := range f.items {
		items[node] = slices.Clone(ids)
	}
	return items
}

// bothWays runs a test with a server that answers requests only, and with one
// that answers later, too.
func bothWays(t *testing.T, test func(t *testing.T, later bool)) {
	for name, later := range map[string]bool{"requests": false, "later": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, later) })
		})
	}
}

func newTestBacklog(f *fakeServer, later bool, record agent.Record) *backlog {
	f.items, f.open = map[string][]string{}, map[string]bool{}
	var conn stanza.Requester = f
	if later {
		conn = asyncServer{f}
	}
	l := New(Config{JID: "pi@example.org", Access: "presence"}, &agent.Agent{}, slog.New(slog.DiscardHandler))
	return newBacklog(l, record, func(r agent.Reading) *pubsub.Node {
		return &pubsub.Node{Conn: conn, Name: nodePrefix + r.Name, Access: "presence"}
	})
}

func fill(record agent.Record, field string, n int) (ids []string) {
	for i := range n {
		r := agent.Reading{Name: field, Value: agent.Number(float64(i)), Time: time.Unix(int64(i), 0)}
		record.Append(r)
		ids = append(ids, agent.Stamp(r.Time))
	}
	return ids
}

func TestBacklogIsSentInOrder(t *testing.T) {
	bothWays(t, func(t *testing.T, later bool) {
		f, record := &fakeServer{}, newFakeRecord()
		b := newTestBacklog(f, later, record)
		want := map[string][]string{}
		for i := range 30 {
			field := fmt.Sprintf("f%02d", i)
			want[nodePrefix+field] = fill(record, field, 60)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.run(ctx) }()
		time.Sleep(time.Minute)
		want[nodePrefix+"late"] = fill(record, "late", 1)
		time.Sleep(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want, f.got()); d != "" {
			t.Error(d)
		}
		if f.most != inFlight {
			t.Errorf("%d requests at once, want %d", f.most, inFlight)
		}
		if f.twice != "" {
			t.Errorf("two requests at once on %s", f.twice)
		}
	})
}

func TestBacklogWaitsForOneFieldOnly(t *testing.T) {
	bothWays(t, func(t *testing.T, later bool) {
		record := newFakeRecord()
		tries := 0
		f := &fakeServer{answer: func(node, _ string) error {
			if node == nodePrefix+"slow" {
				if tries++; tries <= 4 {
					return &stanza.Error{Type: "wait", Condition: "internal-server-error"}
				}
			}
			return nil
		}}
		b := newTestBacklog(f, later, record)
		slow, quick := fill(record, "slow", 3), fill(record, "quick", 3)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.run(ctx) }()
		time.Sleep(900 * time.Millisecond)
		if d := cmp.Diff(map[string][]string{nodePrefix + "quick": quick}, f.got()); d != "" {
			t.Errorf("while the other waits: %s", d)
		}
		time.Sleep(5 * time.Second) // pauses of 1 s, 2 s, 4 s
		f.mu.Lock()
		if tries < 2 || tries > 4 {
			t.Errorf("%d tries within 6 s", tries)
		}
		f.mu.Unlock()
		time.Sleep(time.Minute)
		if d := cmp.Diff(slow, f.got()[nodePrefix+"slow"]); d != "" {
			t.Error(d)
		}
		cancel()
		<-done
	})
}

func TestBacklogSkipsWhatIsRefused(t *testing.T) {
	bothWays(t, func(t *testing.T, later bool) {
		record := newFakeRecord()
		f := &fakeServer{answer: func(node, _ string) error {
			if node == nodePrefix+"bad" {
				return &stanza.Error{Type: "cancel", Condition: "not-allowed"}
			}
			return nil
		}}
		b := newTestBacklog(f, later, record)
		fill(record, "bad", 5)
		good := fill(record, "good", 5)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.run(ctx); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(map[string][]string{nodePrefix + "good": good}, f.got()); d != "" {
			t.Error(d)
		}
		status := strings.Join(b.link.Status(), "\n")
		if !strings.Contains(status, "5 readings refused by the server") || !strings.Contains(status, "1 node refused by the server, for example pipit/bad: ") {
			t.Errorf("status: %s", status)
		}
		if len(record.After("", "bad", 9)) != 0 {
			t.Error("the refused readings are still pending")
		}
	})
}

func TestBacklogKeepsItsPositionWhenTheConnectionEnds(t *testing.T) {
	bothWays(t, func(t *testing.T, later bool) {
		record := newFakeRecord()
		ids := fill(record, "a", 10)
		cut := errors.New("the connection ended")
		f := &fakeServer{}
		f.answer = func(node, _ string) error {
			if len(f.items[node]) == 4 {
				return cut
			}
			return nil
		}
		b := newTestBacklog(f, later, record)
		if err := b.run(t.Context()); !errors.Is(err, cut) {
			t.Errorf("got %v", err)
		}
		f.answer = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := newBacklog(b.link, record, b.node).run(ctx); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(ids, f.got()[nodePrefix+"a"]); d != "" {
			t.Error(d)
		}
	})
}

func TestBacklogEndsWithItsContext(t *testing.T) {
	bothWays(t, func(t *testing.T, later bool) {
		record := newFakeRecord()
		fill(record, "a", 3)
		ctx, cancel := context.WithCancel(t.Context())
		f := &fakeServer{answer: func(string, string) error {
			cancel() // another part of the session has ended
			return context.Canceled
		}}
		b := newTestBacklog(f, later, record)
		if err := b.run(ctx); err != nil {
			t.Error(err)
		}
		if len(record.After("", "a", 9)) != 3 {
			t.Error("the position has moved")
		}
	})
}

func TestBacklogGoesOnBesideASlowNode(t *testing.T) {
	bothWays(t, func(t *testing.T, later bool) {
		f, record := &fakeServer{slow: nodePrefix + "slow"}, newFakeRecord()
		b := newTestBacklog(f, later, record)
		fill(record, "slow", 2)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.run(ctx) }()
		time.Sleep(time.Second)
		quick := fill(record, "quick", 3)
		time.Sleep(2 * lookEvery)
		if d := cmp.Diff(map[string][]string{nodePrefix + "quick": quick}, f.got()); d != "" {
			t.Error(d)
		}
		cancel()
		<-done
	})
}
