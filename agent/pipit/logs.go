package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logs is the log of a running device: its level, which may be another one for a
// time, and its last lines. Its methods may be called from any goroutine.
type logs struct {
	logRing
	level *slog.LevelVar
	wake  chan struct{} // holds one: until was set

	setting sync.Mutex
	base    slog.Level // of the config
	until   time.Time  // then it is that again; zero: it is
}

func newLogs(level *slog.LevelVar) *logs {
	return &logs{level: level, base: level.Level(), wake: make(chan struct{}, 1)}
}

// set sets the level of the config. One that was raised stays so for its time.
func (l *logs) set(level slog.Level) {
	l.setting.Lock()
	defer l.setting.Unlock()
	if l.base = level; l.until.IsZero() {
		l.level.Set(level)
	}
}

// raise sets the level for a time.
func (l *logs) raise(level slog.Level, length time.Duration) {
	l.setting.Lock()
	defer l.setting.Unlock()
	l.level.Set(level)
	l.until = time.Now().Add(length)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run ends what raise began when its time is over. It returns nil.
func (l *logs) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-timer.C:
		}
		if rest := l.rest(time.Now()); rest > 0 {
			timer.Reset(rest)
		}
	}
}

// rest returns how long the level is another one, and ends that when it is over.
func (l *logs) rest(now time.Time) time.Duration {
	l.setting.Lock()
	defer l.setting.Unlock()
	if l.until.IsZero() {
		return 0
	}
	rest := l.until.Sub(now)
	if rest <= 0 {
		l.until = time.Time{}
		l.level.Set(l.base)
	}
	return rest
}
