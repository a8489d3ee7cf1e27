package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	minEvery       = 100 * time.Millisecond
	defaultTimeout = 5 * time.Second
	maxTimeout     = time.Minute
	readGrace      = 100 * time.Millisecond // after its deadline, for a read that heeds its ctx
	stopGrace      = 2 * time.Second        // for a read that is under way when Run ends
	busGrace       = 30 * time.Second       // for what a worker does between two waits: Put, mostly
)

// A Poller reads sensors on a schedule. Each bus has its own worker, so a read
// that hangs, loops or panics stops only its bus.
//
// Every sensor is read at once when Run starts, and then on a fixed grid of the
// monotonic clock: start + phase + k × Every, with a phase below Every/10 that
// depends on Seed and the sensor's name only. Ticks missed in a stall are
// skipped: the sensor is read once as soon as its bus is free, never in a burst.
//
// A sensor that is a Waker is also read when it says so. Run closes the sensors
// that have a Close, except on a bus whose read does not end.
//
// A read that does not return in time gives a Fault ("no answer within 5s") and
// holds its bus. No second read is started; the other sensors of the bus turn
// Stale when they come due, or Fault where they have no value. What the late
// read returns at last is dropped, and the bus goes on. The worker of such a bus
// is not stuck in the sense of Loops: its faults tell of the driver, and a
// restart might not mend it. A worker whose Put does not return is.
type Poller struct {
	Tasks  []Task
	Seed   string            // spreads the phases of a fleet, e.g. the device's JID
	Put    func(Reading)     // called from the worker of each bus: from several goroutines at once
	Remove func(name string) // takes a reading off that was only a stand-in; may be nil
	Loops  *Loops            // told that the worker of each bus moves; may be nil
	Log    *slog.Logger      // nil: silent

	from  *Poller                // whose tasks go on here
	keeps func(name string) bool // those that go on elsewhere; nil: none
	ran   []*bus
}

// Run reads the sensors until ctx ends and waits for its goroutines. A read
// that ignores its ctx may hold it for 2 s more; then Run returns an error that
// names the bus and the sensor, and leaves that goroutine behind: it is the one
// leak, because a hung system call cannot be ended. Otherwise Run returns nil.
func (p *Poller) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	buses := p.buses(time.Now())
	p.ran, p.from = buses, nil
	errs := make([]error, len(buses))
	for i, b := range buses {
		wg.Go(func() { errs[i] = b.run(ctx) })
	}
	<-ctx.Done()
	wg.Wait()
	return errors.Join(errs...)
}

// buses groups the tasks, all of them due now.
func (p *Poller) buses(now time.Time) []*bus {
	log := p.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var buses []*bus
	for _, t := range p.Tasks {
		i := slices.IndexFunc(buses, func(b *bus) bool { return b.name == t.Bus })
		if i < 0 {
			i = len(buses)
			buses = append(buses, &bus{name: t.Bus, loops: p.Loops, log: log.With("bus", t.Bus), done: make(chan outcome, 1), woken: make(chan *job), stays: p.stays})
		}
		if j := p.from.heir(t.Name); j != nil {
			buses[i].tasks = append(buses[i].tasks, j)
			continue
		}
		t.Every = max(t.Every, minEvery)
		grid := now.Add(phase(p.Seed, t.Name, t.Every))
		buses[i].tasks = append(buses[i].tasks, &job{Task: t, report: newReport(t, p, log), grid: grid, due: now})
	}
	return buses
}

// phase spreads the sensors of a device and the devices of a fleet over a
// tenth of the interval; it is the same after each start.
func phase(seed, name string, every time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", seed, name)
	return time.Duration(h.Sum64() % uint64(every/10))
}

// A job is a task in its bus.
type job struct {
	Task
	report *report
	grid   time.Time // the tick k = 0
	due    time.Time
	told   bool      // that it is not read, while the bus is held
	began  time.Time // the last read
	woken  bool      // during that
	wakes  <-chan struct{}
}

// wake makes a sensor due that has something new.
func (j *job) wake(now time.Time) {
	if at := j.began.Add(minEvery); now.Before(at) {
		now = at
	}
	if now.Before(j.due) {
		j.due = now
	}
}

// skip sets the first tick after now, at least k = 1: a phase is shorter than Every.
func (j *job) skip(now time.Time) {
	k := now.Sub(j.grid)/j.Every + 1
	j.due = j.grid.Add(k * j.Every)
}

func (j *job) timeout() time.Duration {
	if j.Timeout <= 0 {
		return defaultTimeout
	}
	return min(j.Timeout, maxTimeout)
}

// A bus reads its tasks one after the other. Its fields belong to run.
type bus struct {
	name    string
	loops   *Loops
	log     *slog.Logger
	tasks   []*job
	reading *job      // nil when the bus is free
	started time.Time // the read
	limit   time.Time // of the read
	held    bool      // the read is over its limit
	done    chan outcome
	woken   chan *job
	stays   func(name string) bool // the sensor is not closed
}

func (b *bus) run(ctx context.Context) error {
	defer b.loops.Ended(b.loop())
	var wakers sync.WaitGroup
	defer wakers.Wait()
	for _, j := range b.tasks {
		if w, ok := j.Sensor.(Waker); ok {
			if j.wakes == nil {
				j.wakes = w.Wake()
			}
			wakers.Go(func() { b.listen(ctx, j, j.wakes) })
		}
	}
	wake := time.NewTimer(0)
	defer wake.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-wake.C:
		case o := <-b.done:
			b.finish(o, ctx.Err() == nil)
		case j := <-b.woken:
			if j.woken = j == b.reading; !j.woken {
				j.wake(time.Now())
			}
		}
		if now := time.Now(); ctx.Err() == nil {
			wait := b.step(ctx, now).Sub(now)
			b.loops.Moved(b.loop(), wait+busGrace)
			wake.Reset(wait)
		}
	}
	return b.stop()
}

// loop is the worker's name among the loops.
func (b *bus) loop() string { return "bus " + b.name }

// listen passes on when a sensor has something new, and then rests: a sensor
// that chatters costs no more than one that is read every 100 ms.
func (b *bus) listen(ctx context.Context, j *job, wake <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		select {
		case <-ctx.Done():
			return
		case b.woken <- j:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(minEvery):
		}
	}
}

// step does what is due and returns the time to look again.
func (b *bus) step(ctx context.Context, now time.Time) time.Time {
	if b.reading != nil && !b.held {
		if now.Before(b.limit) {
			return b.limit
		}
		b.hold(now)
	}
	next := b.next()
	for b.held && next != nil && !next.due.After(now) {
		next.told = true
		next.report.unread(now, fmt.Sprintf("not read: bus %s is held by %s", b.name, b.reading.Name))
		next = b.next()
	}
	switch {
	case next == nil:
		return now.Add(time.Hour) // the end of the read wakes it
	case next.due.After(now):
		return next.due
	}
	b.start(ctx, next, now)
	return b.limit
}

// next returns the task that waits longest; none that is being read or has
// been told that it is not.
func (b *bus) next() *job {
	var next *job
	for _, j := range b.tasks {
		if j != b.reading && !j.told && (next == nil || j.due.Before(next.due)) {
			next = j
		}
	}
	return next
}

func (b *bus) start(ctx context.Context, j *job, now time.Time) {
	b.reading, b.started, b.limit = j, now, now.Add(j.timeout()+readGrace)
	j.began = now
	go func() { b.done <- read(ctx, j.Sensor, j.timeout()) }() // finish or stop takes it
}

// hold says that the read is over its limit and blocks the bus.
func (b *bus) hold(now time.Time) {
	b.held = true
	b.log.Error("bus held: a read does not return", "sensor", b.reading.Name, "timeout", b.reading.timeout())
	b.reading.report.fail(now, Fault, noAnswer(b.reading.timeout()))
}

// finish takes the result of a read and frees the bus. In a shutdown the
// result is of no use: the read may have been broken off.
func (b *bus) finish(o outcome, use bool) {
	j, held := b.reading, b.held
	b.reading, b.held = nil, false
	for _, other := range b.tasks {
		other.told = false
	}
	j.skip(o.at)
	if j.woken {
		j.woken = false
		j.wake(o.at)
	}
	switch {
	case held:
		b.log.Warn("bus free again, late result dropped", "sensor", j.Name, "after", o.at.Sub(b.started), "error", o.reason)
		if o.stack != nil {
			j.report.note(o)
		}
	case use:
		j.report.take(o)
	}
}

// stop waits for the read that is under way and closes the sensors.
func (b *bus) stop() error {
	if b.reading != nil {
		limit := time.NewTimer(stopGrace)
		defer limit.Stop()
		select {
		case <-b.done:
		case <-limit.C:
			return fmt.Errorf("bus %s: the read of %s does not end and is left behind", b.name, b.reading.Name)
		}
	}
	b.close()
	return nil
}

// close gives back what the sensors hold. Who reads no more cannot do anything
// about an error, so it is logged.
func (b *bus) close() {
	for _, j := range b.tasks {
		if c, ok := j.Sensor.(io.Closer); ok && !b.stays(j.Name) {
			if err := c.Close(); err != nil {
				b.log.Warn("sensor not closed", "sensor", j.Name, "error", err)
			}
		}
	}
}
