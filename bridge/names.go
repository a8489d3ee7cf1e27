package bridge

import (
	"slices"
	"sync"

	"pipit/agent"
)

// names is a set of reading names that somebody waits for. The zero value is
// empty. It holds at most what a board does.
type names struct {
	mu   sync.Mutex
	set  map[string]bool
	news chan struct{} // holds one when there are some
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.set == nil {
		n.set = make(map[string]bool)
	}
	if len(n.set) < agent.MaxReadings {
		n.set[name] = true
	}
	select {
	case n.wait() <- struct{}{}:
	default:
	}
}

// wait returns the channel; n is locked.
func (n *names) wait() chan struct{} {
	if n.news == nil {
		n.news = make(chan struct{}, 1)
	}
	return n.news
}

// waiting returns a channel that yields when take has something.
func (n *names) waiting() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wait()
}

// take empties the set and returns what was in it, sorted.
func (n *names) take() (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.set {
		list = append(list, name)
	}
	clear(n.set)
	slices.Sort(list)
	return list
}
