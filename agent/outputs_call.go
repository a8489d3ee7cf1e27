package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// A result is what one call of a driver returned.
type result struct {
	value Value
	err   error
}

// call runs one method of the driver. Nothing that a driver does but to hold a
// goroutine gets past it.
func (o *output) call(method func(context.Context) (Value, error)) (Value, error) {
	if o.hangs() {
		return Value{}, fmt.Errorf("the driver has not returned since %s", o.hungAt.Format("15:04:05"))
	}
	ctx, cancel := context.WithTimeout(o.life, driveTime)
	done := make(chan result, 1)
	go func() { // read below, or by hangs
		defer cancel()
		done <- o.contain(ctx, method)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(readGrace)
	defer grace.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-grace.C:
	}
	o.hung, o.hungAt = done, time.Now()
	return Value{}, errors.New(noAnswer(driveTime))
}

// hangs tells whether a call has still not returned.
func (o *output) hangs() bool {
	select {
	case <-o.hung:
		o.hung = nil
		o.log().Warn("the driver has returned at last, late result dropped", "after", time.Since(o.hungAt))
	default:
	}
	return o.hung != nil
}

func (o *output) contain(ctx context.Context, method func(context.Context) (Value, error)) (r result) {
	defer func() {
		if p := recover(); p != nil {
			o.log().Error("the driver panicked", "panic", p, "stack", string(debug.Stack()))
			r = result{err: fmt.Errorf("the driver panicked: %v", p)}
		}
	}()
	v, err := method(ctx)
	if ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		err = errors.New(noAnswer(driveTime))
	}
	return result{v, err}
}
