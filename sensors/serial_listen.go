package sensors

import (
	"context"
	"os"
	"sync"
	"time"

	"pipit/agent"
)

const (
	maxSerialLine = 1 << 10
	// serialChunk bytes are read at a time, and then nothing for serialPause:
	// bytes are handled in bunches, and a device that floods us (more than
	// 200 KiB/s) has to wait. The fastest rate is 92 KiB/s.
	serialChunk = 2 << 10
	serialPause = 10 * time.Millisecond
	// serialIdle without a byte means that no line is under way.
	serialIdle = 200 * time.Millisecond
)

// A listener reads a port and keeps the newest value of each field. Its
// goroutine ends when the port is lost or close is called.
type listener struct {
	file   *os.File
	parser lineParser
	stop   chan struct{}
	once   sync.Once // of close
	done   chan struct{}
	wake   chan struct{} // holds one: a value or the end

	mu     sync.Mutex
	fields []heard // as first seen
	err    error   // why nothing more will come
	bad    int     // lines that hold nothing, since the last one that does
	last   string  // of them
}

// heard is the newest value of a field.
type heard struct {
	agent.Reading
	fresh bool // not taken yet
}

// listen starts to read. whole says that the first byte begins a line.
func listen(file *os.File, parser lineParser, whole bool) *listener {
	l := &listener{file: file, parser: parser, stop: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	split := &splitter{skip: !whole, opened: time.Now()}
	go func() {
		defer close(l.done)
		l.run(split)
	}()
	return l
}

func (l *listener) run(split *splitter) {
	buf := make([]byte, serialChunk)
	timer := time.NewTimer(serialPause)
	defer timer.Stop()
	for {
		n, err := l.file.Read(buf)
		split.feed(buf[:n], time.Now(), l.hear)
		if err != nil {
			l.end(err)
			return
		}
		timer.Reset(serialPause)
		select {
		case <-timer.C:
		case <-l.stop:
		}
	}
}

func (l *listener) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	l.ring()
}

// hear takes a line.
func (l *listener) hear(line []byte, at time.Time) {
	readings := l.parser.parse(line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(readings) == 0 {
		l.bad++
		l.last = string(line)
		return
	}
	l.bad = 0
	for _, r := range readings {
		r.Time = at
		l.keep(r)
	}
	l.ring()
}

func (l *listener) keep(r agent.Reading) {
	for i := range l.fields {
		if l.fields[i].Name == r.Name {
			l.fields[i] = heard{r, true}
			return
		}
	}
	l.fields = append(l.fields, heard{r, true})
}

func (l *listener) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// await waits until all fields are new, or for a moment after the first one
// is. It returns the error of ctx when none is; nil when the port is lost.
func (l *listener) await(ctx context.Context, all int) error {
	var settled <-chan time.Time
	for {
		fresh := l.fresh()
		switch {
		case fresh >= all, l.lost() != nil:
			return nil
		case fresh > 0 && settled == nil:
			t := time.NewTimer(settle)
			defer t.Stop()
			settled = t.C
		}
		select {
		case <-l.wake:
		case <-settled:
			return nil
		case <-ctx.Done():
			if fresh > 0 {
				return nil
			}
			return context.Cause(ctx)
		}
	}
}

// take returns the newest value of each field, and whether one was not
// returned before. What is older than renewed is stale.
func (l *listener) take(oldest time.Time, renewed time.Duration) (readings []agent.Reading, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.fields {
		f := &l.fields[i]
		r := f.Reading
		if !f.fresh && r.Time.Before(oldest) {
			r = outdated(r, "no line for more than "+renewed.Round(time.Second).String())
		}
		readings = append(readings, r)
		fresh = fresh || f.fresh
		f.fresh = false
	}
	return readings, fresh
}

// outdated turns a value stale; where there was none there is a fault now.
func outdated(r agent.Reading, reason string) agent.Reading {
	r.Quality, r.Reason = agent.Stale, reason
	if r.Value.Kind() == agent.None {
		r.Quality, r.Time = agent.Fault, time.Time{}
	}
	return r
}

// forget makes what has come so far old.
func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.fields {
		l.fields[i].fresh = false
	}
}

func (l *listener) fresh() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.fields {
		if f.fresh {
			n++
		}
	}
	return n
}

// silent tells whether no value has come so far.
func (l *listener) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fields) == 0
}

// lost returns why nothing more will come, nil while the port is read.
func (l *listener) lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// refused returns how many lines held nothing since the last one that did, and
// the newest of them.
func (l *listener) refused() (int, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bad, l.last
}

// close gives the port back and waits for the goroutine. It may be called twice.
func (l *listener) close() {
	l.once.Do(func() {
		close(l.stop)
		closeSerial(l.file)
	})
	<-l.done
}

// A splitter makes lines of bytes. A line ends with CR, LF or both; empty ones
// and those longer than maxSerialLine are dropped.
type splitter struct {
	line   []byte
	skip   bool      // up to the end of the line: its head is lost, or it is too long
	opened time.Time // zero after the first byte
}

func (s *splitter) feed(b []byte, now time.Time, line func([]byte, time.Time)) {
	if len(b) > 0 && !s.opened.IsZero() {
		// The line was idle: nothing is lost.
		s.skip = s.skip && now.Sub(s.opened) < serialIdle
		s.opened = time.Time{}
	}
	for _, c := range b {
		switch {
		case c == '\r' || c == '\n':
			if len(s.line) > 0 {
				line(s.line, now)
			}
			s.line, s.skip = s.line[:0], false
		case len(s.line) >= maxSerialLine:
			s.line, s.skip = s.line[:0], true
		case !s.skip:
			s.line = append(s.line, c)
		}
	}
}
