package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

const (
	keepFirst = time.Second
	keepMost  = 2 * time.Minute
	keepSoon  = 90 * time.Second // of an outage, in which every wait is about keepFirst
	keepWish  = time.Hour        // the longest wish that is heard: it may come from outside
	keepUp    = time.Second      // a connection that was up so long was a good one
	keepAgain = time.Hour        // until the same failure is a warning again
	keepKinds = 32               // failures told apart
)

// Keep calls connect again and again until ctx ends: the only reconnect loop.
// connect makes one connection, calls up when it works, and returns when it is
// over; to return nil is a loss like any other. connect has to return when ctx
// ends, and Keep then returns nil without another wait. A panic in connect is
// an error like any other, logged with its stack.
//
// Between two calls Keep waits 1 s in the first 90 s of an outage, so that a
// server that was restarted is found at once, and then 2 s, doubled each time
// up to 2 min; all times a random factor of 0.5 to 1.5, and never more than
// 2 min. An outage ends with a connection that was up for at least 1 s: a
// server that fails again and again is found each time, and one that throws out
// whoever comes is not besieged. An error in whose chain there is a method
// RetryAfter() time.Duration sets the least wait, which may be more than 2 min,
// up to 1 h (wrong password, conflict).
//
// The first failure of a kind is logged as a warning with the name of the
// connection, the same again at debug level, and once an hour as a warning.
// Texts that differ in digits only (ports, counts) are one kind. A nil log is silent.
func Keep(ctx context.Context, log *slog.Logger, name string, connect func(ctx context.Context, up func()) error) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	k := keeper{log: log.With("link", name), warned: make(map[string]time.Time)}
	tries, outage := 0, time.Now() // tries since it is worth waiting longer
	for {
		var up atomic.Int64 // when, in ns since the outage began; 0: never
		err := guarded(ctx, func(ctx context.Context) error {
			return connect(ctx, func() { up.CompareAndSwap(0, int64(time.Since(outage))+1) })
		})
		if ctx.Err() != nil {
			return nil
		}
		if at := up.Load(); at > 0 && time.Since(outage)-time.Duration(at) >= keepUp-1 {
			tries, outage = 0, time.Now()
		}
		wait := backOff(tries, wish(err), rand.Float64())
		if time.Since(outage) >= keepSoon {
			tries++
		}
		k.say(err, wait)
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// errEnded stands for a connection that ended without an error.
var errEnded = errors.New("the connection ended")

// A panicError is a panic in connect.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// guarded calls connect; the error is never nil.
func guarded(ctx context.Context, connect func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	if err = connect(ctx); err == nil {
		err = errEnded
	}
	return err
}

// LongestWait returns how long Keep waits after an error at most.
func LongestWait(err error) time.Duration { return max(keepMost, wish(err)) }

// wish returns the least wait that an error asks for, 0 to an hour.
func wish(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if !errors.As(err, &r) {
		return 0
	}
	return max(0, min(r.RetryAfter(), keepWish))
}

// backOff returns the wait after a row of tries; random is in [0, 1).
func backOff(tries int, wish time.Duration, random float64) time.Duration {
	d := max(keepFirst<<min(tries, 7), wish) // 1 s << 7 is more than 2 min
	d = time.Duration(float64(min(d, max(keepMost, wish))) * (0.5 + random))
	return max(wish, min(d, keepMost))
}

// sleep waits; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A keeper logs failures without repeating itself.
type keeper struct {
	log    *slog.Logger
	warned map[string]time.Time // by kind
}

func (k *keeper) say(err error, wait time.Duration) {
	attrs := []any{"error", cut(err.Error(), MaxText), "retry_in", wait.Round(100 * time.Millisecond)}
	if !k.first(err.Error()) {
		k.log.Debug("link is down", attrs...)
		return
	}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, "stack", string(p.stack))
	}
	k.log.Warn("link is down", attrs...)
}

// first tells whether this kind of failure was not warned of within the hour.
func (k *keeper) first(text string) bool {
	kind := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, cut(text, MaxText))
	if at, ok := k.warned[kind]; ok && time.Since(at) < keepAgain {
		return false
	}
	if len(k.warned) >= keepKinds {
		clear(k.warned)
	}
	k.warned[kind] = time.Now()
	return true
}
