package agent

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// MaxReadings bounds the names a Board holds: a flood of new names cannot grow memory.
const MaxReadings = 4096

// A Board is the present state: the newest reading of each name. It is state,
// not a record: who watches slowly sees only the newest. The zero Board is
// ready; all methods may be called from any goroutine and never block for long.
type Board struct {
	mu      sync.Mutex
	byName  map[string]Reading
	changed map[*watch]struct{}
}

type watch struct {
	names map[string]struct{} // changed since the watcher last looked
	wake  chan struct{}       // holds one
}

// Put sets the newest reading of its name. It reports false when the board is
// full and the name is new.
func (b *Board) Put(r Reading) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, old := b.byName[r.Name]; !old && len(b.byName) >= MaxReadings {
		return false
	}
	if b.byName == nil {
		b.byName = make(map[string]Reading)
	}
	b.byName[r.Name] = r
	b.tell(r.Name)
	return true
}

// Refresh sets the newest reading of a name that has one of the same quality,
// without waking those who watch; they see it when anything else does.
func (b *Board) Refresh(r Reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.byName[r.Name]; ok && old.Quality == r.Quality {
		b.byName[r.Name] = r
	}
}

// Remove takes a name off the board: the field does not exist any more.
func (b *Board) Remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.byName[name]; ok {
		delete(b.byName, name)
		b.tell(name)
	}
}

func (b *Board) tell(name string) {
	for w := range b.changed {
		w.names[name] = struct{}{}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Get returns the newest reading of a name.
func (b *Board) Get(name string) (Reading, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.byName[name]
	return r, ok
}

// All returns the newest readings, sorted by name.
func (b *Board) All() []Reading {
	b.mu.Lock()
	all := slices.Collect(maps.Values(b.byName))
	b.mu.Unlock()
	slices.SortFunc(all, func(x, y Reading) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// Watch yields the names that have changed, at first all of them, and then
// waits for more until ctx ends. Names that change again before the watcher
// looks are told once. One yielded slice is sorted and never empty.
func (b *Board) Watch(ctx context.Context) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		w := &watch{names: make(map[string]struct{}), wake: make(chan struct{}, 1)}
		b.mu.Lock()
		for n := range b.byName {
			w.names[n] = struct{}{}
		}
		if len(w.names) > 0 {
			w.wake <- struct{}{}
		}
		if b.changed == nil {
			b.changed = make(map[*watch]struct{})
		}
		b.changed[w] = struct{}{}
		b.mu.Unlock()
		defer func() {
			b.mu.Lock()
			delete(b.changed, w)
			b.mu.Unlock()
		}()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
			b.mu.Lock()
			names := slices.Sorted(maps.Keys(w.names))
			clear(w.names)
			b.mu.Unlock()
			if len(names) > 0 && !yield(names) {
				return
			}
		}
	}
}

// Match tells whether a reading's name matches a glob in which * stands for
// any run of characters, dots included. A bare sensor name matches its fields
// too: "outside" matches "outside.temperature".
func Match(glob, name string) bool {
	if sensor, _, ok := strings.Cut(name, "."); ok && sensor == glob {
		return true
	}
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
