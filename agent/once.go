package agent

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Once reads every task one time, bus by bus as Run does, and returns when all
// have answered or used up their time. A read that ignores its ctx is left
// behind, and what else is on its bus is told as not read.
func (p *Poller) Once(ctx context.Context) {
	var wg sync.WaitGroup
	for _, b := range p.buses(time.Now()) {
		wg.Go(func() { b.once(ctx) })
	}
	wg.Wait()
}

func (b *bus) once(ctx context.Context) {
	var holder *job
	for _, j := range b.tasks {
		if holder != nil {
			j.report.unread(time.Now(), fmt.Sprintf("not read: bus %s is held by %s", b.name, holder.Name))
			continue
		}
		b.start(ctx, j, time.Now())
		limit := time.NewTimer(j.timeout() + readGrace)
		select {
		case o := <-b.done:
			j.report.take(o)
		case <-limit.C:
			holder = j
			j.report.fail(time.Now(), Fault, noAnswer(j.timeout()))
		}
		limit.Stop()
	}
}
