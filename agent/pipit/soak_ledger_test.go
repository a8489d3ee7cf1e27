package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// A span is a stretch of time whose readings may be lost: the last before a
// power cut.
type span struct{ from, to time.Time }

// A ledger compares what a device has read with what has arrived.
type ledger struct {
	every   time.Duration                // between two readings of a field
	reads   []read                       // in order for each field
	newest  map[string]int               // values that stand in the files, perhaps read a moment ago
	arrived map[string]map[string]string // field: id of the item: value
	spared  []span
}

// late is how much later than the file was read the device may date a reading:
// it depends on the scheduler of a busy machine alone.
const late = 5 * time.Second

// missing returns the readings that had to arrive and have not.
func (l *ledger) missing() (list []read) {
	there := map[string]map[string]bool{}
	for f, items := range l.arrived {
		there[f] = map[string]bool{}
		for _, v := range items {
			there[f][v] = true
		}
	}
	for _, r := range l.reads {
		if !there[r.field][strconv.Itoa(r.value)] && !l.isSpared(r) {
			list = append(list, r)
		}
	}
	return list
}

func (l *ledger) isSpared(r read) bool {
	return slices.ContainsFunc(l.spared, func(s span) bool { return s.holds(r) })
}

func (s span) holds(r read) bool { return !r.seen.Before(s.from) && !r.seen.After(s.to) }

// losses tells of the readings that were allowed to be lost, and were.
func (l *ledger) losses() string {
	lost, oldest := 0, time.Duration(0)
	all := *l
	all.spared = nil
	for _, r := range all.missing() {
		for _, s := range l.spared {
			if s.holds(r) {
				lost, oldest = lost+1, max(oldest, s.to.Sub(r.seen))
			}
		}
	}
	return fmt.Sprintf("%d kills have lost %d readings, the oldest %.2f s old", len(l.spared), lost, oldest.Seconds())
}

// wrong returns what is wrong with the items that have arrived: a value that
// was never read, a false time, a reading under two ids, or out of order.
func (l *ledger) wrong() (list []string) {
	truth := map[string]read{}
	for _, r := range l.reads {
		truth[r.field+strconv.Itoa(r.value)] = r
	}
	for _, f := range slices.Sorted(maps.Keys(l.arrived)) {
		items := l.arrived[f]
		var before int
		var last time.Time
		for _, id := range slices.Sorted(maps.Keys(items)) {
			value, err := strconv.Atoi(items[id])
			at, err2 := time.Parse(agent.TimeFormat, id)
			r, known := truth[f+items[id]]
			switch {
			case err != nil || err2 != nil:
				list = append(list, fmt.Sprintf("%s: item %s has the value %q", f, id, items[id]))
				continue
			case !known && value == l.newest[f]: // read just now
			case !known:
				list = append(list, fmt.Sprintf("%s: nobody has read the %d of item %s", f, value, id))
			case at.Before(r.set.Truncate(time.Millisecond)) || at.After(r.seen.Add(late)):
				list = append(list, fmt.Sprintf("%s: item %s has the value %d, which was read at %s", f, id, value, agent.Stamp(r.seen)))
			}
			switch {
			case value < before:
				list = append(list, fmt.Sprintf("%s: item %s has the value %d after %d", f, id, value, before))
			case value == before && at.Sub(last) < l.every/2: // else the test stalled, and the file was read twice
				list = append(list, fmt.Sprintf("%s: the value %d is there twice, last as item %s", f, value, id))
			}
			before, last = value, at
		}
	}
	return list
}

func TestLedger(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	id := func(s float64) string { return agent.Stamp(at(s)) }
	reads := []read{ // 1 s apart
		{"a", 1, at(0), at(1)}, {"a", 2, at(1), at(2)}, {"a", 3, at(2), at(3)}, {"a", 4, at(3), at(4)},
	}
	for _, c := range []struct {
		name    string
		arrived map[string]string
		spared  []span
		missing []int
		wrong   []string
	}{
		{name: "all", arrived: map[string]string{id(1): "1", id(2): "2", id(3.001): "3", id(4): "4"}},
		{name: "the value that stands there", arrived: map[string]string{id(1): "1", id(2): "2", id(3): "3", id(4): "4", id(5): "5"}},
		{name: "lost", arrived: map[string]string{id(1): "1", id(3): "3"}, missing: []int{2, 4}},
		{name: "lost in a power cut", arrived: map[string]string{id(1): "1", id(2): "2"}, spared: []span{{at(2.5), at(4)}}},
		{name: "never read", arrived: map[string]string{id(1): "1", id(2): "2", id(3): "3", id(4): "4", id(5): "9"},
			wrong: []string{"a: nobody has read the 9 of item " + id(5)}},
		{name: "dated before it was there", arrived: map[string]string{id(1): "1", id(1.999): "3", id(2): "2", id(4): "4"},
			wrong: []string{"a: item " + id(1.999) + " has the value 3, which was read at " + id(3), "a: item " + id(2) + " has the value 2 after 3"}},
		{name: "dated when it was sent", arrived: map[string]string{id(1): "1", id(2): "2", id(3): "3", id(9.5): "4"},
			wrong: []string{"a: item " + id(9.5) + " has the value 4, which was read at " + id(4)}},
		{name: "twice", arrived: map[string]string{id(1): "1", id(2): "2", id(2.1): "2", id(3): "3", id(4): "4"},
			wrong: []string{"a: the value 2 is there twice, last as item " + id(2.1)}},
		{name: "read twice", arrived: map[string]string{id(1): "1", id(2): "2", id(2.6): "2", id(3): "3", id(4): "4"}},
		{name: "no number", arrived: map[string]string{id(1): "1", id(2): "", id(3): "3", id(4): "4"}, missing: []int{2},
			wrong: []string{"a: item " + id(2) + ` has the value ""`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := ledger{every: time.Second, reads: reads, newest: map[string]int{"a": 5}, spared: c.spared,
				arrived: map[string]map[string]string{"a": c.arrived}}
			var missing []int
			for _, r := range l.missing() {
				missing = append(missing, r.value)
			}
			if diff := cmp.Diff(c.missing, missing); diff != "" {
				t.Errorf("missing: %s", diff)
			}
			if diff := cmp.Diff(c.wrong, l.wrong()); diff != "" {
				t.Errorf("wrong: %s", diff)
			}
		})
	}
}
