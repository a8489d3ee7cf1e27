package xmpp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/stanza"
)

// A yesServer answers every request with a result, from its own goroutine as a
// connection does.
type yesServer struct{ requests chan []byte }

func (y yesServer) Send(raw []byte) error {
	y.requests <- raw
	return nil
}

func (y yesServer) answer(ctx context.Context, r *stanza.Router) {
	for {
		select {
		case raw := <-y.requests:
			_, rest, _ := bytes.Cut(raw, []byte(" id='"))
			id, _, _ := bytes.Cut(rest, []byte("'"))
			r.Receive("iq", fmt.Appendf(nil, "<iq to='pi@example.org/pipit' id='%s' type='result'><pubsub xmlns='"+pubsub.NS+"'><publish node='pipit/x'><item id='1'/></publish></pubsub></iq>", id))
		case <-ctx.Done():
			return
		}
	}
}

// BenchmarkBacklog is what the layers above the connection take for an item.
func BenchmarkBacklog(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	server := yesServer{make(chan []byte, 2*inFlight)}
	router := stanza.NewRouter(server, "pi@example.org/pipit", func(string) bool { return false }, log)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { router.Run(ctx) })
	wg.Go(func() { server.answer(ctx, router) })
	record := newFakeRecord()
	for f := range 32 {
		name := fmt.Sprintf("sensor%d.field", f)
		entries := make([]agent.Entry, b.N/32+1)
		for i := range entries {
			entries[i] = agent.Entry{Pos: uint64(i + 1), Reading: agent.Reading{Name: name, Unit: "°C", Value: agent.Number(21.5), Time: time.Unix(int64(i), 0)}}
		}
		record.fields[name] = entries
	}
	l := New(Config{JID: "pi@example.org", Access: "presence"}, &agent.Agent{}, log)
	s := newBacklog(l, record, func(r agent.Reading) *pubsub.Node {
		return &pubsub.Node{Conn: router, Name: l.readingName(r.Name), Access: "presence"}
	})
	b.ReportAllocs()
	b.ResetTimer()
	wg.Go(func() { s.run(ctx) })
	for {
		left := false
		record.mu.Lock()
		for name, entries := range record.fields {
			left = left || record.done[name] < uint64(len(entries))
		}
		record.mu.Unlock()
		if !left {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	cancel()
	wg.Wait()
}
