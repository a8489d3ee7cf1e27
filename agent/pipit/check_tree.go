package main

import (
	"slices"
	"strings"
	"sync"
)

// States of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailed  = "failed"
	stateSkipped = "skipped" // not tried, or not in the config
)

// A finding is one node of what check has found.
type finding struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	State  string `json:"state"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"` // what to do
}

// name is what stands of the ID below the parent.
func (f finding) name() string { return strings.TrimPrefix(strings.TrimPrefix(f.ID, f.Parent), "/") }

// A tree holds findings in the order in which they were made, parents first. It
// may be filled from one goroutine and read from another.
type tree struct {
	mu   sync.Mutex
	list []finding
}

func (t *tree) add(f finding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, f)
}

// findings returns what there is so far.
func (t *tree) findings() []finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.list)
}

// rest adds those of some nodes that the tree does not have yet.
func (t *tree) rest(nodes string, f finding) {
	have := t.findings()
	for id := range strings.FieldsSeq(nodes) {
		if slices.ContainsFunc(have, func(f finding) bool { return f.ID == id }) {
			continue
		}
		f.ID, f.Parent = id, ""
		if i := strings.LastIndexByte(id, '/'); i > 0 {
			f.Parent = id[:i]
		}
		t.add(f)
	}
}

// A branch is where nodes are added to a tree: below parent, "" for the roots.
type branch struct {
	tree   *tree
	parent string
}

func (b branch) under(name string) branch { return branch{b.tree, b.id(name)} }

func (b branch) id(name string) string { return strings.TrimPrefix(b.parent+"/"+name, "/") }

func (b branch) add(name, state, text, hint string) {
	b.tree.add(finding{b.id(name), b.parent, state, text, hint})
}

func (b branch) ok(name, text string)         { b.add(name, stateOK, text, "") }
func (b branch) warn(name, text, hint string) { b.add(name, stateWarning, text, hint) }
func (b branch) fail(name, text, hint string) { b.add(name, stateFailed, text, hint) }
func (b branch) skip(name, text string)       { b.add(name, stateSkipped, text, "") }

// worst makes each finding that is ok as bad as the worst below it. Parents
// stand before their children.
func worst(list []finding) {
	for _, child := range slices.Backward(list) {
		bad := child.State == stateFailed || child.State == stateWarning
		i := slices.IndexFunc(list, func(f finding) bool { return f.ID == child.Parent })
		if bad && i >= 0 && list[i].State != stateFailed {
			list[i].State = child.State
		}
	}
}

// ordered puts children behind their parents.
func ordered(list []finding, parent string) (sorted []finding) {
	for _, f := range list {
		if f.Parent == parent {
			sorted = append(append(sorted, f), ordered(list, f.ID)...)
		}
	}
	return sorted
}

// count returns how many findings have a state and are no sum of others.
func count(list []finding, state string) (n int) {
	for _, f := range list {
		sum := slices.ContainsFunc(list, func(c finding) bool { return c.Parent == f.ID && c.State == state })
		if f.State == state && !sum {
			n++
		}
	}
	return n
}
