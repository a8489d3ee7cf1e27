package agent

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Once reads every task one time, bus by bus as Run does, and returns when all
// have answered or used up their time. A read that ignores its ctx is left
// behind, and what else is on its bus is told as not read. The sensors of the
// other buses are closed.
//
// It returns how long the read of each task took, by its name; a task that was
// not read is not in it.
func (p *Poller) Once(ctx context.Context) map[string]time.Duration {
	var wg sync.WaitGroup
	buses := p.buses(time.Now())
	took := make([]map[string]time.Duration, len(buses))
	for i, b := range buses {
		wg.Go(func() { took[i] = b.once(ctx) })
	}
	wg.Wait()
	all := make(map[string]time.Duration)
	for _, t := range took {
		maps.Copy(all, t)
	}
	return all
}

func (b *bus) once(ctx context.Context) map[string]time.Duration {
	took := make(map[string]time.Duration)
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
			took[j.Name] = o.at.Sub(b.started)
			j.report.take(o)
		case <-limit.C:
			holder = j
			took[j.Name] = time.Since(b.started)
			j.report.fail(time.Now(), Fault, noAnswer(j.timeout()))
		}
		limit.Stop()
	}
	if holder == nil {
		b.close()
	}
	return took
}
