package sensors

import (
	"io"
	"os"
	"time"
)

// pipeGrace is for what a program that has ended left in its pipes.
const pipeGrace = 250 * time.Millisecond

// A capture keeps the head, or the tail, of what a program writes into a pipe and
// drops the rest, so that the program never waits for us.
type capture struct {
	read, write *os.File
	most        int
	tail        bool          // keep the end instead
	drops       bool          // more than most is no reason to end the program
	kept        []byte        // at most one byte above most; after finish
	full        chan struct{} // closed when there is more than most
	done        chan struct{}
}

func newCapture(most int) (*capture, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &capture{read: r, write: w, most: most, full: make(chan struct{}), done: make(chan struct{})}, nil
}

// start reads until nobody can write any more; the program has its end by now.
func (c *capture) start() {
	c.write.Close()
	go func() {
		defer close(c.done)
		if c.tail {
			c.keepTail()
			return
		}
		c.kept, _ = io.ReadAll(io.LimitReader(c.read, int64(c.most)+1))
		if len(c.kept) > c.most && !c.drops {
			close(c.full)
		}
		_, _ = io.Copy(io.Discard, c.read)
	}()
}

// keepTail reads to the end and keeps the last bytes.
func (c *capture) keepTail() {
	buf := make([]byte, max(c.most, 512))
	for {
		n, err := c.read.Read(buf)
		c.kept = append(c.kept, buf[:n]...)
		c.kept = append(c.kept[:0], c.kept[max(0, len(c.kept)-c.most):]...)
		if err != nil {
			return
		}
	}
}

// finish waits for the rest, but not long for one who left the program's group
// and still holds the pipe.
func finish(captures ...*capture) {
	for _, c := range captures {
		_ = c.read.SetReadDeadline(time.Now().Add(pipeGrace))
	}
	for _, c := range captures {
		<-c.done
	}
}

func (c *capture) close() {
	c.read.Close()
	c.write.Close()
}
