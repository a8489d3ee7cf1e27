package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// patient is an error with a wish.
type patient struct{ wait time.Duration }

func (e patient) Error() string             { return "not authorized" }
func (e patient) RetryAfter() time.Duration { return e.wait }

// keepCallsUp is the first call of keepCalls that says it is up.
const keepCallsUp = 150

// keepCalls runs Keep until connect was called n times, and returns the waits
// between the end of a call and the next.
func keepCalls(t *testing.T, log *slog.Logger, n int, connect func(call int) error) (waits []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended time.Time
	call := 0
	err := Keep(ctx, log, "xmpp", func(_ context.Context, up func()) error {
		if call > 0 {
			waits = append(waits, time.Since(ended))
		}
		if call++; call == n {
			cancel()
			return nil
		}
		defer func() { ended = time.Now() }()
		if call >= keepCallsUp {
			up()
		}
		return connect(call)
	})
	if err != nil {
		t.Errorf("Keep returned %v", err)
	}
	return waits
}

// An outage is met with a wait of about 1 s for 90 s, and then with longer ones.
func TestKeepBackOff(t *testing.T) {
	refused := errors.New("connection refused")
	for name, end := range map[string]error{"an error": refused, "a clean end": nil} {
		synctest.Test(t, func(t *testing.T) {
			waits := keepCalls(t, nil, 120, func(int) error { return end })
			varied := false
			slow := 0
			var outage time.Duration
			for i, w := range waits {
				base := time.Second
				if outage >= keepSoon { // the wait that was under way then was a short one
					base = min(time.Second<<min(slow, 10), 2*time.Minute)
					slow++
				}
				if w < base/2 || w > min(base*3/2, 2*time.Minute) {
					t.Errorf("%s: wait %d is %v, around %v", name, i, w, base)
				}
				varied = varied || w != base && w != 2*time.Minute
				outage += w
			}
			if len(waits) != 119 || !varied || slow < 9 {
				t.Errorf("%s: waits %v", name, waits)
			}
		})
	}
}

// Only a connection that was up for 1 s ends an outage.
func TestKeepReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lasts := map[int]time.Duration{keepCallsUp - 1: time.Hour, keepCallsUp: keepUp - 1, keepCallsUp + 1: keepUp}
		waits := keepCalls(t, nil, keepCallsUp+3, func(call int) error {
			time.Sleep(lasts[call])
			return nil
		})
		last := waits[len(waits)-4:]
		for i, long := range []bool{true, true, false, false} {
			if long != (last[i] >= time.Minute) {
				t.Errorf("wait %d from the end is %v", len(last)-i, last[i])
			}
		}
	})
}

func TestKeepRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wishes := []time.Duration{5 * time.Minute, 30 * time.Second, -time.Hour, 100 * time.Hour, 90 * time.Second}
		most := []time.Duration{5 * time.Minute, 45 * time.Second, 3 * time.Second, time.Hour, 2 * time.Minute}
		waits := keepCalls(t, nil, len(wishes)+1, func(call int) error {
			return fmt.Errorf("logging in: %w", patient{wishes[call-1]})
		})
		for i, w := range waits {
			if least := min(wishes[i], time.Hour); w < least || w > most[i] {
				t.Errorf("wish %v: waited %v, want at most %v", wishes[i], w, most[i])
			}
		}
	})
}

func TestBackOff(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		tries  int
		wish   time.Duration
		random float64
		want   time.Duration
	}{
		{0, 0, 0, s / 2}, {0, 0, 0.5, s}, {0, 0, 0.999999999, 1499999999}, {3, 0, 0.5, 8 * s},
		{7, 0, 0, 60 * s}, {7, 0, 0.5, 120 * s}, {7, 0, 0.9, 120 * s}, {1 << 30, 0, 0, 60 * s},
		{0, 10 * s, 0, 10 * s}, {0, 10 * s, 0.75, 12500 * time.Millisecond}, {0, 110 * s, 0.9, 120 * s},
		{0, 300 * s, 0, 300 * s}, {0, 300 * s, 0.9, 300 * s}, {9, 300 * s, 0.5, 300 * s},
	} {
		if got := backOff(c.tries, c.wish, c.random); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestKeepStops(t *testing.T) {
	for name, connect := range map[string]func(context.Context) error{
		"in a wait":       func(context.Context) error { return patient{time.Hour} },
		"in a connection": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start, calls := time.Now(), 0
			err := Keep(ctx, nil, "xmpp", func(ctx context.Context, _ func()) error { calls++; return connect(ctx) })
			if err != nil || time.Since(start) != time.Second || calls != 1 {
				t.Errorf("%s: %v after %v and %d calls", name, err, time.Since(start), calls)
			}
		})
	}
}

func TestKeepPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logs
		waits := keepCalls(t, l.logger(slog.LevelInfo), 5, func(int) error { panic("nil map") })
		if len(waits) != 4 || l.count("level=WARN", "link=xmpp", "panic: nil map", "keep_test.go") != 1 || l.count("") != 1 {
			t.Errorf("waits %v, log:\n%s", waits, l.String())
		}
	})
}

func TestKeepLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logs
		start := time.Now()
		hours := 0
		keepCalls(t, l.logger(slog.LevelDebug), 200, func(call int) error {
			hours = int(time.Since(start) / time.Hour)
			if call%2 == 0 {
				return fmt.Errorf("read 127.0.0.1:%d: connection reset", 40000+call)
			}
			return errors.New("connection refused")
		})
		if hours < 2 {
			t.Fatalf("the test took %d hours of its time only", hours)
		}
		// A repeat comes up to 2 × 2 min after its hour, so one less may fit in.
		for _, text := range []string{"connection refused", "connection reset"} {
			if n := l.count("level=WARN", text); n < hours || n > hours+1 {
				t.Errorf("%d warnings of %q in %d hours", n, text, hours)
			}
		}
		if warn, debug := l.count("level=WARN"), l.count("level=DEBUG"); warn+debug != 199 {
			t.Errorf("%d warnings and %d at debug level", warn, debug)
		}
	})
}

func TestKeepLogBound(t *testing.T) {
	k := keeper{log: slog.New(slog.DiscardHandler), warned: map[string]time.Time{}}
	for i := range 10 * keepKinds {
		k.say(errors.New(string(rune('A'+i))), time.Second)
	}
	if len(k.warned) > keepKinds {
		t.Errorf("%d kinds are kept", len(k.warned))
	}
}
