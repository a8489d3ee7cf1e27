package main

import (
	"context"
	"errors"
	"sync"
)

// A crew runs parts, each under a name, and exchanges them while it runs. Its
// methods may be called from any goroutine; one name is exchanged by one
// goroutine at a time.
type crew struct {
	mu    sync.Mutex
	ctx   context.Context // of the parts; nil: not running yet
	end   context.CancelFunc
	hands map[string]*hand
}

// A hand is one part of a crew.
type hand struct {
	part func(context.Context) error
	stop context.CancelFunc // nil: not started
	done chan struct{}      // closed when err is set
	err  error
}

// put runs a part until Run ends or remove is called.
func (c *crew) put(name string, part func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &hand{part: part, done: make(chan struct{})}
	if c.hands == nil {
		c.hands = make(map[string]*hand)
	}
	c.hands[name] = h
	if c.ctx != nil && c.ctx.Err() == nil {
		c.start(h)
	}
}

// start needs the mutex.
func (c *crew) start(h *hand) {
	ctx, stop := context.WithCancel(c.ctx)
	h.stop = stop
	go func() { // Run and remove wait for it
		h.err = h.part(ctx)
		close(h.done)
		if h.err != nil && ctx.Err() == nil {
			c.end() // it failed by itself, so all end
		}
	}()
}

// remove ends a part and waits for it. The error is the part's. A name that
// nothing runs under is fine.
func (c *crew) remove(name string) error {
	c.mu.Lock()
	h := c.hands[name]
	delete(c.hands, name)
	started := h != nil && h.stop != nil
	c.mu.Unlock()
	if !started {
		return nil
	}
	h.stop()
	<-h.done
	return h.err
}

// Run runs all parts until ctx ends or one of them fails, and waits for all. The
// errors are those of the parts that were there at the end.
func (c *crew) Run(ctx context.Context) error {
	c.mu.Lock()
	c.ctx, c.end = context.WithCancel(ctx)
	defer c.end()
	for _, h := range c.hands {
		c.start(h)
	}
	c.mu.Unlock()
	<-c.ctx.Done()
	c.mu.Lock()
	var left []*hand
	for _, h := range c.hands {
		if h.stop != nil {
			left = append(left, h)
		}
	}
	c.mu.Unlock()
	var errs []error
	for _, h := range left {
		<-h.done
		h.stop()
		errs = append(errs, h.err)
	}
	return errors.Join(errs...)
}
