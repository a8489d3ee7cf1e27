package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	foldFirst = time.Second // within which the same line is not written again; doubled while it comes
	foldMost  = time.Minute
	maxFolds  = 64      // lines that are known; others are written as they come
	maxKey    = 4 << 10 // bytes; a longer line is never folded
)

// A folder folds lines of the log that repeat: the same level, message and
// attributes. The first is written at once, those within the next second are
// counted, and one line says how many they were. While they come, that is
// said after 2 s, 4 s, and at last every minute. Lines that differ in anything
// are never taken for the same.
type folder struct {
	mu    sync.Mutex
	lines map[string]*folded
	done  bool
}

// A folded is a line that was written a short time ago.
type folded struct {
	record slog.Record
	next   slog.Handler
	count  int // since
	since  time.Time
	window time.Duration
	timer  *time.Timer
}

func newFolder() *folder { return &folder{lines: make(map[string]*folded)} }

// over returns a handler that folds what it hands on to next.
func (f *folder) over(next slog.Handler) slog.Handler { return &foldHandler{folder: f, next: next} }

// end writes what was counted; from then on every line is written.
func (f *folder) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	for key, l := range f.lines {
		l.timer.Stop()
		l.say()
		delete(f.lines, key)
	}
}

// fold tells whether a line is counted in the place of being written.
func (f *folder) fold(key string, r slog.Record, next slog.Handler) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.lines[key]; l != nil {
		l.count++
		return true
	}
	if !f.done && len(key) <= maxKey && len(f.lines) < maxFolds {
		l := &folded{record: r.Clone(), next: next, since: time.Now(), window: foldFirst}
		l.timer = time.AfterFunc(l.window, func() { f.close(key, l) })
		f.lines[key] = l
	}
	return false
}

// close ends the window of a line, and begins a longer one if it came meanwhile.
func (f *folder) close(key string, l *folded) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lines[key] != l {
		return
	}
	if l.count == 0 {
		delete(f.lines, key)
		return
	}
	l.say()
	l.count, l.since, l.window = 0, time.Now(), min(2*l.window, foldMost)
	l.timer.Reset(l.window)
}

// say writes how often a line came, if it did.
func (l *folded) say() {
	if l.count == 0 {
		return
	}
	now := time.Now()
	text := fmt.Sprintf("repeated %d times in %s: %s", l.count, max(now.Sub(l.since).Round(time.Second), time.Second), l.record.Message)
	r := slog.NewRecord(now, l.record.Level, text, 0)
	l.record.Attrs(func(a slog.Attr) bool { r.AddAttrs(a); return true })
	_ = l.next.Handle(context.Background(), r) // nobody could be told
}

// A foldHandler implements slog.Handler.
type foldHandler struct {
	folder *folder
	next   slog.Handler
	prefix string // of the key: attributes and groups of With
}

func (h *foldHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *foldHandler) Handle(ctx context.Context, r slog.Record) error {
	var key strings.Builder
	fmt.Fprintf(&key, "%d %q%s", r.Level, r.Message, h.prefix)
	r.Attrs(func(a slog.Attr) bool { writeKey(&key, a); return key.Len() <= maxKey })
	if h.folder.fold(key.String(), r, h.next) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *foldHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var key strings.Builder
	for _, a := range attrs {
		writeKey(&key, a)
	}
	return &foldHandler{h.folder, h.next.WithAttrs(attrs), h.prefix + key.String()}
}

func (h *foldHandler) WithGroup(name string) slog.Handler {
	return &foldHandler{h.folder, h.next.WithGroup(name), h.prefix + fmt.Sprintf(" %q{", name)}
}

func writeKey(b *strings.Builder, a slog.Attr) {
	fmt.Fprintf(b, " %q=%q", a.Key, a.Value.Resolve().String())
}
