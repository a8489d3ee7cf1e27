package emulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
)

const (
	maxConsole = 8 << 20 // bytes that a board may print
	errTail    = 3 << 10 // bytes of them that an error shows
)

// A console holds all that a board has printed since its start.
type console struct {
	mu   sync.Mutex
	text []byte
	err  error         // why there will be no more
	news chan struct{} // closed when the fields above have changed
}

func newConsole() *console { return &console{news: make(chan struct{})} }

// Write takes what the board prints.
func (c *console) Write(b []byte) (int, error) {
	c.change(func() {
		switch {
		case c.err != nil:
		case len(c.text)+len(b) > maxConsole:
			c.err = fmt.Errorf("it has printed more than %d MiB", maxConsole>>20)
		default:
			c.text = append(c.text, b...)
		}
	})
	return len(b), nil
}

// end says that nothing more will come. The first reason stands.
func (c *console) end(err error) {
	c.change(func() {
		if c.err == nil {
			c.err = err
		}
	})
}

func (c *console) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.news)
	c.news = make(chan struct{})
}

// await waits for a text behind the first from bytes. It returns where it
// begins and where it ends.
func (c *console) await(ctx context.Context, from int, text string) (begin, end int, err error) {
	for {
		c.mu.Lock()
		at := bytes.Index(c.text[from:], []byte(text))
		err, news := c.err, c.news
		c.mu.Unlock()
		switch {
		case at >= 0:
			return from + at, from + at + len(text), nil
		case err != nil:
			return 0, 0, c.explain(fmt.Errorf("waiting for %q: %w", text, err))
		}
		select {
		case <-news:
		case <-ctx.Done():
			return 0, 0, c.explain(fmt.Errorf("waiting for %q: %w", text, context.Cause(ctx)))
		}
	}
}

// explain adds the last lines to an error.
func (c *console) explain(err error) error {
	text := c.String()
	if len(text) > errTail {
		text = text[len(text)-errTail:]
	}
	return fmt.Errorf("%w; the board's last lines:\n%s", err, text)
}

// between returns the text between two places.
func (c *console) between(from, to int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text[from:to])
}

func (c *console) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.text)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

var errEnded = errors.New("the emulator has ended")
