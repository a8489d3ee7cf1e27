package main

import (
	"context"
	"path/filepath"
	"time"
)

const starts = 11

// start measures from the start of the program to its first reading at a
// subscriber who is online. The nodes exist, as after the first start of all.
func (b *bench) start(ctx context.Context, l *lab) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	state := filepath.Join(b.dir, "program")
	p, err := b.startProgram(ctx, l, state, []string{owner})
	if err != nil {
		return err
	}
	w, err := l.watch(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if err := p.stop(); err != nil {
		return err
	}
	var times []float64
	for range starts {
		if p, err = b.startProgram(ctx, l, state, []string{owner}); err != nil {
			return err
		}
		n, err := w.next(ctx, p.began)
		if err != nil {
			return err
		}
		times = append(times, n.at.Sub(p.began).Seconds())
		if err := p.stop(); err != nil {
			return err
		}
	}
	b.table.most("start to first reading at a subscriber, p50", "%.3f s", median(times), 0.15, "s: "+spread(times))
	return nil
}
