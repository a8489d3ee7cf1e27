package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"pipit/agent"
)

const (
	crashFile     = "crash.txt"     // in the state directory: where the Go runtime writes a crash
	crashToldFile = "crash.old.txt" // the one before, which was told
	crashLines    = 6               // of it that are told
	crashHead     = 8 << 10         // bytes in which they are looked for
	maxCrash      = 256 << 10       // bytes that are kept of one
	crashAgain    = time.Hour       // in which one crash is told; an agent that crashes over and over is no flood
)

// catchCrash tells the owners once what the last process left when it crashed,
// and makes the runtime write to the state directory if this one does: a panic
// that nobody caught, a fatal error, or the signal of systemd's watchdog, with the
// stacks. Call it once the directory is ours alone. What fails is logged: an agent
// without a trace is better than none.
func catchCrash(dir string, alerts agent.Alerts, log *slog.Logger) {
	if err := tellCrash(dir, alerts, log); err != nil {
		log.Warn("crash of the last process not told", "error", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, crashFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		err = errors.Join(debug.SetCrashOutput(f, debug.CrashOptions{}), f.Close())
	}
	if err != nil {
		log.Warn("a crash would leave no trace on disk", "error", err)
	}
}

// tellCrash tells of a trace and puts it away, so that it is told once.
func tellCrash(dir string, alerts agent.Alerts, log *slog.Logger) error {
	path, told := filepath.Join(dir, crashFile), filepath.Join(dir, crashToldFile)
	head, at, err := readCrash(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(head) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if err := shorten(path, at); err != nil {
		return err
	}
	text := fmt.Sprintf("the agent crashed at %s and was started again: %s", at.Format("2006-01-02 15:04"), gist(head))
	log.Error("the last process crashed", "at", at, "trace", told, "first", gist(head))
	last, err := os.Stat(told)
	if err != nil || at.Sub(last.ModTime()) >= crashAgain || at.Before(last.ModTime()) {
		if err := alerts.AppendAlert(agent.NewAlert("crash", agent.Critical, text)); err != nil {
			return err
		}
	} else {
		at = last.ModTime() // of the crash that was told
	}
	return errors.Join(os.Chtimes(path, time.Time{}, at), os.Rename(path, told))
}

// readCrash returns the begin of a trace and when it was written.
func readCrash(path string) (head []byte, at time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, at, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, at, err
	}
	head, err = io.ReadAll(io.LimitReader(f, crashHead))
	return head, st.ModTime(), err
}

// shorten bounds a trace: that of thousands of goroutines is long.
func shorten(path string, at time.Time) error {
	st, err := os.Stat(path)
	if err != nil || st.Size() <= maxCrash {
		return err
	}
	return errors.Join(os.Truncate(path, maxCrash), os.Chtimes(path, time.Time{}, at))
}

// gist returns the first lines of a trace in one: what it was, and where.
func gist(head []byte) string {
	var lines []string
	for line := range bytes.Lines(head) {
		if s := strings.TrimSpace(string(line)); s != "" && len(lines) < crashLines {
			lines = append(lines, s)
		}
	}
	return strings.ToValidUTF8(strings.Join(lines, " | "), "\uFFFD")
}
