package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	checkEvery = time.Minute      // what the output has
	checkFault = 10 * time.Second // the same where that is not known
	watchEvery = time.Second      // the conditions of safe_when
	staleGrace = maxTimeout       // after the start for a reading to be there: what one read may take
	retryFirst = time.Second      // of what the board does alone; doubled each time
	retryMost  = 30 * time.Second
)

func (o *output) log() *slog.Logger { return o.all.log(o.Name) }

func (o *output) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// run keeps the rules of one output until ctx ends, and then its safe_when.
func (o *output) run(ctx context.Context) error {
	o.start(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-timer.C:
		}
		if ctx.Err() == nil {
			timer.Reset(time.Until(o.step(ctx)))
		}
	}
	if !o.SafeOnExit {
		return nil
	}
	return o.end()
}

// start drives the first value. What cannot be done now is due.
func (o *output) start(ctx context.Context) {
	if o.Remote {
		if release, err := take(ctx, o); err == nil {
			defer release()
			o.inspect()
		}
		return
	}
	_, err := o.drive(ctx, order{value: o.first, first: true})
	if err == nil || err == errReplaced {
		return
	}
	if release, err := take(ctx, o); err == nil {
		defer release()
		if o.due == nil && o.held == "" {
			o.redo(o.first)
		}
	}
}

// step does what is due and returns when to look again.
func (o *output) step(ctx context.Context) time.Time {
	release, err := take(ctx, o)
	if err != nil {
		return time.Now() // ctx has ended
	}
	o.hold()
	now := time.Now()
	job, why := o.job(now)
	again := o.tries > 0
	if job == nil && !now.Before(o.nextCheck()) {
		o.inspect()
	}
	next := o.next(time.Now())
	release()
	if job == nil {
		return next
	}
	if !again {
		o.log().Info("driven by the board", "to", o.Word(job.value), "because", why)
	}
	if _, err := o.drive(ctx, *job); err != nil && err != errReplaced {
		o.postpone(ctx)
	}
	return time.Now()
}

// job returns what the board has to do by itself now, nil for nothing.
func (o *output) job(now time.Time) (job *order, why string) {
	if now.Before(o.retryAt) {
		return nil, ""
	}
	end, maxOn := o.ends()
	switch {
	case o.held != "" && !o.isSafe():
		return &order{value: o.Safe, forced: true, seq: o.seq}, o.held
	case o.held != "":
		return nil, ""
	case !end.IsZero() && !now.Before(end):
		if why = "its time is over"; maxOn {
			why = "max_on"
		}
		return &order{value: o.rest(), forced: true, remember: true, seq: o.seq}, why
	case o.due != nil:
		job := *o.due
		job.seq = o.seq
		return &job, "it failed before"
	}
	return nil, ""
}

func (o *output) nextCheck() time.Time {
	if o.look.Load() {
		return time.Time{}
	}
	if !o.known || o.fault != nil {
		return o.checked.Add(checkFault)
	}
	return o.checked.Add(checkEvery)
}

// next returns when there may be something to do.
func (o *output) next(now time.Time) time.Time {
	next := o.nextCheck()
	sooner := func(t time.Time) {
		if t.Before(o.retryAt) {
			t = o.retryAt
		}
		if t.Before(next) {
			next = t
		}
	}
	if o.SafeOffline > 0 || len(o.SafeStale) > 0 {
		if w := now.Add(watchEvery); w.Before(next) {
			next = w
		}
	}
	if end, _ := o.ends(); !end.IsZero() {
		sooner(end)
	}
	if o.due != nil || o.held != "" && !o.isSafe() {
		sooner(now)
	}
	return next
}

// postpone notes that something the board does alone has failed.
func (o *output) postpone(ctx context.Context) {
	if release, err := take(ctx, o); err == nil {
		defer release()
		o.retryLater()
	}
}

func (o *output) retryLater() {
	o.retryAt = time.Now().Add(min(retryFirst<<min(o.tries, 5), retryMost))
	o.tries++
}

// end drives the output safe, until that has worked or life ends.
func (o *output) end() (err error) {
	for life := o.life; ; {
		_, failed := o.drive(life, order{value: o.Safe, forced: true, exit: true})
		if err == nil || failed == nil || life.Err() == nil {
			err = failed // the end of life tells less than what failed before
		}
		if failed == nil || !sleep(life, exitAgain) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("output %s is not safe: %w", o.Name, err)
	}
	return err
}

// close gives the hardware back, unless the driver holds it.
func (o *output) close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	release, err := take(ctx, o)
	if err != nil {
		return
	}
	defer release()
	o.life = ctx
	if _, err := o.call(func(context.Context) (Value, error) { return Value{}, o.Output.Close() }); err != nil {
		o.log().Error("close failed", "error", err)
	}
	o.life = nil
}
