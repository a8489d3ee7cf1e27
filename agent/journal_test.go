package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// filled returns a journal of a size after n readings with the values 1 to n.
func filled(size, n int) *Journal {
	j := NewJournal(size)
	for i := range n {
		j.Append(Reading{Value: Number(float64(i + 1))})
	}
	return j
}

func TestJournalAfter(t *testing.T) {
	for _, c := range []struct {
		size, n     int
		pos         uint64
		limit       int
		first, last uint64
		lost        uint64
	}{
		{10, 3, 0, 100, 1, 3, 0},
		{10, 3, 2, 100, 3, 3, 0},
		{10, 3, 0, 2, 1, 2, 0},
		{10, 3, 0, 0, 1, 1, 0},
		{10, 3, 0, -5, 1, 1, 0},
		{10, 10, 0, 100, 1, 10, 0},
		{10, 11, 0, 100, 2, 11, 1},
		{10, 1000, 5, 4, 991, 994, 985},
		{10, 1000, 990, 4, 991, 994, 0},
		{1, 7, 0, 4, 7, 7, 6},
		{0, 7, 6, 4, 7, 7, 0},
	} {
		j := filled(c.size, c.n)
		entries, lost, err := j.After(t.Context(), c.pos, c.limit)
		if err != nil || lost != c.lost || len(entries) != int(c.last-c.first+1) {
			t.Errorf("%+v: %d entries, %d lost, %v", c, len(entries), lost, err)
			continue
		}
		for i, e := range entries {
			if e.Pos != c.first+uint64(i) || e.Value != Number(float64(e.Pos)) {
				t.Errorf("%+v: entry %d is %+v", c, i, e)
			}
		}
		if j.Last() != uint64(c.n) {
			t.Errorf("%+v: Last is %d", c, j.Last())
		}
	}
}

func TestJournalWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := filled(4, 2)
		var got []Entry
		go func() { got, _, _ = j.After(t.Context(), 2, 10) }()
		synctest.Wait()
		if got != nil {
			t.Errorf("an empty answer: %v", got)
		}
		j.Append(Reading{Name: "x"})
		synctest.Wait()
		if len(got) != 1 || got[0].Pos != 3 || got[0].Name != "x" {
			t.Errorf("after Append: %+v", got)
		}
	})
}

func TestJournalEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		end := errors.New("the link is down")
		var err error
		go func() { _, _, err = NewJournal(4).After(ctx, 0, 1) }()
		synctest.Wait()
		cancel(end)
		synctest.Wait()
		if !errors.Is(err, end) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestJournalConcurrent(t *testing.T) {
	const n = 2000
	j := NewJournal(64)
	go func() {
		for i := range n {
			j.Append(Reading{Value: Number(float64(i + 1))})
		}
	}()
	var pos, seen, missed uint64
	for pos < n {
		entries, lost, err := j.After(t.Context(), pos, 7)
		if err != nil || len(entries) == 0 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		for i, e := range entries {
			if e.Pos != pos+lost+1+uint64(i) || e.Value != Number(float64(e.Pos)) {
				t.Fatalf("behind %d, %d lost: %+v", pos, lost, e)
			}
		}
		seen, missed, pos = seen+uint64(len(entries)), missed+lost, entries[len(entries)-1].Pos
	}
	if seen+missed != n {
		t.Errorf("%d seen and %d lost of %d", seen, missed, n)
	}
}
