package xmpptest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const maxInbox = 1 << 16

// An inbox holds the stanzas that somebody has received, until a test takes
// them, and why there will be no more.
type inbox struct {
	mu      sync.Mutex
	stanzas []string
	ended   string        // why, "" while more may come
	news    chan struct{} // holds one when the fields above have changed
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1)} }

func (b *inbox) change(f func()) {
	b.mu.Lock()
	f()
	b.mu.Unlock()
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// put adds a stanza. Of too many it keeps the newest.
func (b *inbox) put(stanza string) {
	b.change(func() { b.stanzas = append(b.stanzas[max(0, len(b.stanzas)+1-maxInbox):], stanza) })
}

// end says that nothing more will come. The first reason stands.
func (b *inbox) end(why string) {
	b.change(func() {
		if b.ended == "" {
			b.ended = why
		}
	})
}

// take removes the oldest stanza that matches.
func (b *inbox) take(match func(string) bool) (stanza string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.stanzas, match)
	if i < 0 {
		return "", false
	}
	stanza = b.stanzas[i]
	b.stanzas = slices.Delete(b.stanzas, i, i+1)
	return stanza, true
}

// wait waits for ok and ends the test when it cannot come.
func (b *inbox) wait(t testing.TB, who, what string, timeout time.Duration, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for {
		b.mu.Lock()
		ended := b.ended
		b.mu.Unlock()
		if ok() {
			return
		}
		if ended != "" {
			t.Fatalf("%s ended while the test waited for it %s: %s\n%s", who, what, ended, b)
		}
		select {
		case <-b.news:
		case <-limit.C:
			t.Fatalf("%s: waited %v for it %s\n%s", who, timeout, what, b)
		}
	}
}

// expect waits for a stanza and takes it.
func (b *inbox) expect(t testing.TB, who string, match func(string) bool, timeout time.Duration) (stanza string) {
	t.Helper()
	b.wait(t, who, "to receive a stanza", timeout, func() bool {
		var ok bool
		stanza, ok = b.take(match)
		return ok
	})
	return stanza
}

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.stanzas)
}

// empty removes all stanzas.
func (b *inbox) empty() (stanzas []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	stanzas, b.stanzas = b.stanzas, nil
	return stanzas
}

func (b *inbox) String() string {
	all := b.all()
	return fmt.Sprintf("it has received %d other stanzas:\n%s", len(all), strings.Join(all, "\n"))
}

// Has returns a match for stanzas that hold all of these texts.
func Has(texts ...string) func(xml string) bool {
	return func(xml string) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(xml, s) })
	}
}
