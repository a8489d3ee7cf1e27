package stanza

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuckRouter serves messages of its sender only when release is closed.
func stuckRouter(t *testing.T) (r *Router, release chan struct{}) {
	release = make(chan struct{})
	r, _ = start(t, func(r *Router) {
		r.OnMessage(func(context.Context, *Stanza) { <-release })
	})
	t.Cleanup(func() { close(release) })
	return r, release
}

// What waits for a worker is bounded in bytes, too: strangers can send 256 KiB
// at a time.
func TestLaneIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := stuckRouter(t)
		big := "<message from='stranger@example.org'><body>" + strings.Repeat("x", 256<<10) + "</body></message>"
		for range 50 {
			receive(r, big)
		}
		l := r.lanes[r.laneOf("stranger@example.org")]
		if l.size > laneBytes || len(l.queue) != laneBytes/len(big) {
			t.Errorf("%d stanzas of %d bytes wait", len(l.queue), l.size)
		}
	})
}

// One stanza may wait however big it is: it is within the limits of the stream.
func TestLaneTakesOneBigStanza(t *testing.T) {
	l := newLane(laneDepth)
	big := &Stanza{Raw: make([]byte, 2*laneBytes)}
	if taken, _ := l.put(big, nil); !taken || l.pop() != big || l.size != 0 {
		t.Error("the stanza was not taken")
	}
}

// A worker that is stuck holds up the reader for a second, not for a second
// with each stanza.
func TestStuckLaneHoldsUpTheReaderOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := stuckRouter(t)
		before := time.Now()
		for i := range 10 * laneDepth {
			receive(r, fmt.Sprintf("<message from='a@example.org/x' id='%d'/>", i))
		}
		if d := time.Since(before); d != laneWait {
			t.Errorf("the reader was held up for %v, want %v", d, laneWait)
		}
	})
}

// So does one that is slow: until its lane is half empty the wait counts.
func TestSlowLaneHoldsUpTheReaderOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := start(t, func(r *Router) {
			r.OnMessage(func(context.Context, *Stanza) { time.Sleep(laneWait / 10) })
		})
		flood := func() time.Duration {
			before := time.Now()
			for range 10 * laneDepth {
				receive(r, "<message from='a@example.org/x'/>")
			}
			return time.Since(before)
		}
		if d := flood(); d != laneWait {
			t.Errorf("the reader was held up for %v, want %v", d, laneWait)
		}
		if d := flood(); d != 0 {
			t.Errorf("still full: the reader was held up for %v", d)
		}
		time.Sleep((laneDepth/2 + 1) * laneWait / 10)
		if d := flood(); d != laneWait {
			t.Errorf("half empty: the reader was held up for %v, want %v", d, laneWait)
		}
	})
}

// The answer repeats id and address of the request. Servers end the stream
// over a stanza that is too large for them, so a stranger must not make the
// device send one.
func TestLongAddressOrID(t *testing.T) {
	long := strings.Repeat("&apos;", 60<<10)
	for name, in := range map[string]string{
		"id":   "<iq type='get' from='stranger@example.org/x' id='" + long + "'><q xmlns='urn:a'/></iq>",
		"from": "<iq type='get' from='" + long + "' id='1'><q xmlns='urn:a'/></iq>",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, out := start(t, nil)
				receive(r, in)
				out.none(t)
				receive(r, "<iq type='get' from='stranger@example.org/x' id='"+strings.Repeat("x", maxID)+"'><q xmlns='urn:a'/></iq>")
				if got := <-out.ch; !strings.Contains(got, "service-unavailable") {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// While there is no room to send, the reader goes on all the same: the room may
// come with an acknowledgement that has yet to be read. What was refused is
// told once there is room, up to a bound.
func TestReaderNeverWaitsToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood = 2 * (lanes*laneDepth + maxRefused)
		out := sent{make(chan string)}
		r := NewRouter(out, self, func(string) bool { return true }, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		before := time.Now()
		for i := range flood {
			receive(r, fmt.Sprintf("<iq type='get' id='%d' from='a@example.org/x'/>", i))
		}
		if d := time.Since(before); d != laneWait {
			t.Errorf("the reader was held up for %v, want %v", d, laneWait)
		}
		answers := make(map[string]bool)
		for range 1 + laneDepth + 1 + maxRefused { // two are being sent
			s, err := Parse([]byte(<-out.ch))
			if err != nil || answers[s.ID] {
				t.Fatalf("%v, %v", s, err)
			}
			answers[s.ID] = true
		}
		out.none(t)
		cancel()
		<-done
	})
}

// Whoever needs each stanza is told of those that were dropped, at once.
func TestOnRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused []string
		hold := make(chan struct{})
		r, _ := start(t, func(r *Router) {
			r.OnPresence(func(context.Context, *Stanza) { <-hold })
			r.OnRefused(func(s *Stanza) { refused = append(refused, s.ID) })
		})
		for i := range laneDepth + 3 {
			receive(r, fmt.Sprintf("<presence id='%d' from='room@example.org/x'/>", i))
			synctest.Wait()
		}
		if want := []string{fmt.Sprint(laneDepth + 1), fmt.Sprint(laneDepth + 2)}; !slices.Equal(refused, want) {
			t.Errorf("told of %q, want %q", refused, want)
		}
		close(hold)
	})
}
