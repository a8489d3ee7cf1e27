package stanza

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// counting starts a router that serves requests of both types and counts how
// often. The payload's name decides the answer.
func counting(t *testing.T) (r *Router, out sent, runs *atomic.Int32) {
	runs = new(atomic.Int32)
	r, out = start(t, func(r *Router) {
		serve := func(_ context.Context, s *Stanza) ([]byte, error) {
			n := runs.Add(1)
			switch {
			case strings.Contains(string(s.Raw), "<fail"):
				return nil, errors.New("broken")
			case strings.Contains(string(s.Raw), "<panic"):
				panic("boom")
			case strings.Contains(string(s.Raw), "<slow"):
				time.Sleep(30 * time.Second)
			case strings.Contains(string(s.Raw), "<big"):
				return []byte("<r>" + strings.Repeat("x", maxAnswered/3) + "</r>"), nil
			}
			return fmt.Appendf(nil, "<run n='%d'/>", n), nil
		}
		for _, name := range []string{"q", "fail", "panic", "slow", "big"} {
			r.Handle("get", "urn:a", name, serve)
			r.Handle("set", "urn:a", name, serve)
		}
	})
	return r, out, runs
}

func request(typ, id, from, payload string) string {
	return "<iq type='" + typ + "' id='" + id + "' from='" + from + "'>" + strings.Replace(payload, "/>", " xmlns='urn:a'/>", 1) + "</iq>"
}

func TestRepeatedRequests(t *testing.T) {
	const anna = "a@example.org/x"
	first := request("set", "1", anna, "<q/>")
	for name, c := range map[string]struct {
		first, second string
		wait          time.Duration
		runs          int32
	}{
		"the same":            {first, first, 0, 1},
		"just in time":        {first, first, repeatTime - 1, 1},
		"too late":            {first, first, repeatTime, 2},
		"an error":            {request("set", "1", anna, "<fail/>"), request("set", "1", anna, "<fail/>"), 0, 1},
		"a panic":             {request("set", "1", anna, "<panic/>"), request("set", "1", anna, "<panic/>"), 0, 1},
		"while it runs":       {request("set", "1", anna, "<slow/>"), request("set", "1", anna, "<slow/>"), 0, 1},
		"other content":       {first, request("set", "1", anna, "<q x='1'/>"), 0, 2},
		"other id":            {first, request("set", "2", anna, "<q/>"), 0, 2},
		"other sender":        {first, request("set", "1", "b@example.org/x", "<q/>"), 0, 2},
		"other resource":      {first, request("set", "1", "a@example.org/y", "<q/>"), 0, 2},
		"no id":               {request("set", "", anna, "<q/>"), request("set", "", anna, "<q/>"), 0, 2},
		"get":                 {request("get", "1", anna, "<q/>"), request("get", "1", anna, "<q/>"), 0, 2},
		"set after a get":     {request("get", "1", anna, "<q/>"), first, 0, 2},
		"strangers never run": {request("set", "1", "stranger@example.org", "<q/>"), request("set", "1", "stranger@example.org", "<q/>"), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, out, runs := counting(t)
				receive(r, c.first)
				var before string
				if c.wait > 0 {
					before = <-out.ch
					time.Sleep(c.wait)
				}
				receive(r, c.second)
				if c.wait == 0 {
					before = <-out.ch
				}
				after := <-out.ch
				if n := runs.Load(); n != c.runs {
					t.Errorf("ran %d times, want %d", n, c.runs)
				}
				if d := cmp.Diff(before, after); c.runs == 1 && d != "" {
					t.Errorf("the answer has changed: %s", d)
				}
				out.none(t)
			})
		})
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	// known sends n requests and tells how many of the last ones are remembered.
	known := func(t *testing.T, n int, payload string) (count int) {
		r, out, runs := counting(t)
		for i := range n {
			receive(r, request("set", fmt.Sprint(i), "a@example.org/x", payload))
			<-out.ch
		}
		synctest.Wait()
		if len(r.repeats.kept) > maxAnswers || r.repeats.size > maxAnswered {
			t.Errorf("%d answers of %d bytes are kept", len(r.repeats.kept), r.repeats.size)
		}
		for i := n - 1; i >= 0; i-- {
			receive(r, request("set", fmt.Sprint(i), "a@example.org/x", payload))
			<-out.ch
			if runs.Load() > int32(n) {
				break
			}
			count++
		}
		return count
	}
	synctest.Test(t, func(t *testing.T) {
		if n := known(t, maxAnswers+50, "<q/>"); n != maxAnswers {
			t.Errorf("%d answers are known, want %d", n, maxAnswers)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if n := known(t, 10, "<big/>"); n != 2 {
			t.Errorf("%d big answers are known, want 2", n)
		}
	})
}

// What is not asked for any more is let go.
func TestRepeatsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out, _ := counting(t)
		for i := range 10 {
			receive(r, request("set", fmt.Sprint(i), "a@example.org/x", "<q/>"))
			<-out.ch
		}
		time.Sleep(repeatTime)
		receive(r, request("set", "x", "a@example.org/x", "<q/>"))
		answer := <-out.ch
		synctest.Wait()
		if n := len(r.repeats.kept); n != 1 || r.repeats.size != len(answer) {
			t.Errorf("%d answers of %d bytes are kept, want one of %d", n, r.repeats.size, len(answer))
		}
	})
}

// An answer that is too big to keep costs the others nothing.
func TestHugeAnswerIsNotKept(t *testing.T) {
	r := new(repeats)
	small := &Stanza{Raw: []byte("<iq/>")}
	small.Type, small.ID = "set", "1"
	r.keep(small, []byte("<iq/>"))
	huge := &Stanza{Raw: []byte("<iq />")}
	huge.Type, huge.ID = "set", "2"
	r.keep(huge, make([]byte, maxAnswered+1))
	if r.find(huge) != nil || r.find(small) == nil {
		t.Error("the huge answer is kept, or the small one is not")
	}
}
