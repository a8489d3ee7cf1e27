package main

import (
	"bytes"
	"strings"
	"sync"
)

const (
	maxLogLines = 500
	maxLogBytes = 128 << 10
)

// A logRing is a writer that keeps the last lines. It may be used from any goroutine.
type logRing struct {
	mu    sync.Mutex
	lines []string
	size  int
}

// Write takes whole lines, as slog's handlers write them.
func (r *logRing) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range bytes.Lines(p) {
		s := strings.TrimSuffix(string(line), "\n")
		if len(s) > maxLogBytes/8 {
			s = strings.ToValidUTF8(s[:maxLogBytes/8], "")
		}
		r.lines = append(r.lines, s)
		r.size += len(s)
	}
	for len(r.lines) > maxLogLines || r.size > maxLogBytes {
		r.size -= len(r.lines[0])
		r.lines = r.lines[1:]
	}
	return len(p), nil
}

// last returns at most n of the newest lines, the oldest of them first.
func (r *logRing) last(n int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lines[max(0, len(r.lines)-n):]...)
}
