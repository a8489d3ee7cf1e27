package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A saver keeps the last values of outputs, apart from the executor: a disk
// may hang.
type saver struct {
	mu   sync.Mutex
	kept map[string]string // not written yet
	wake chan struct{}
}

// keep notes a value to be written.
func (s *saver) keep(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake == nil {
		return // nothing is kept
	}
	s.kept[name] = value
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// start begins to write. The returned function writes what is left and waits
// for the end, for 2 s at most.
func (s *saver) start(p *Outputs) (stop func() error) {
	if p.State == nil || !slices.ContainsFunc(p.Tasks, func(t OutputTask) bool { return t.Last }) {
		return func() error { return nil }
	}
	s.mu.Lock()
	s.kept, s.wake = make(map[string]string), make(chan struct{}, 1)
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx, p)
	}()
	return func() error {
		cancel()
		limit := time.NewTimer(stopGrace)
		defer limit.Stop()
		select {
		case <-done:
			return nil
		case <-limit.C:
			return errors.New("the last values of outputs are not written: the store does not answer")
		}
	}
}

func (s *saver) run(ctx context.Context, p *Outputs) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
		s.mu.Lock()
		now := maps.Clone(s.kept)
		clear(s.kept)
		s.mu.Unlock()
		for name, value := range now {
			if err := p.State.Set(stateSpace, name, []byte(value)); err != nil {
				p.log(name).Warn("the last value is not kept", "error", err)
			}
		}
	}
}
