package alarm

import (
	"slices"
	"sync"

	"pipit/agent"
)

const (
	maxInbox    = 1024 // readings that wait
	maxReceipts = 256  // receipts and errors that wait; more are dropped
)

// A receipt is what became of an alert.
type receipt struct {
	id, to, reason string
	failed         bool
}

// An inbox takes what comes from outside without ever blocking who brings it.
type inbox struct {
	wake  chan struct{}   // holds one
	names map[string]bool // that a rule looks at; never changes

	mu       sync.Mutex
	readings []agent.Reading
	receipts []receipt
}

func (in *inbox) init(names map[string]bool) {
	in.names, in.wake = names, make(chan struct{}, 1)
}

func (in *inbox) see(r agent.Reading) {
	if !in.names[r.Name] {
		return
	}
	in.mu.Lock()
	if len(in.readings) == maxInbox {
		i := max(0, slices.IndexFunc(in.readings, func(old agent.Reading) bool { return old.Name == r.Name }))
		in.readings = slices.Delete(in.readings, i, i+1)
	}
	in.readings = append(in.readings, r)
	in.mu.Unlock()
	in.ring()
}

func (in *inbox) note(r receipt) {
	in.mu.Lock()
	if len(in.receipts) < maxReceipts {
		in.receipts = append(in.receipts, r)
	}
	in.mu.Unlock()
	in.ring()
}

func (in *inbox) ring() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *inbox) take() (readings []agent.Reading, receipts []receipt) {
	in.mu.Lock()
	defer in.mu.Unlock()
	readings, receipts = in.readings, in.receipts
	in.readings, in.receipts = nil, nil
	return readings, receipts
}
