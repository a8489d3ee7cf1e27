package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/config"
)

// bare is a text handler without the time.
func bare(out *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

func TestRepeatedLinesAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFolder()
		log := slog.New(f.over(bare(&out)))
		wants := func(step string, want ...string) {
			t.Helper()
			f.mu.Lock() // which is held over what the timers write
			defer f.mu.Unlock()
			if d := cmp.Diff(strings.Join(want, ""), out.String()); d != "" {
				t.Errorf("%s: %s", step, d)
			}
			out.Reset()
		}
		for range 5 {
			log.With("bus", "x").Error("held", "error", errors.New("a"))
		}
		log.With("bus", "x").Error("held", "error", errors.New("b"))
		log.With("bus", "y").Error("held", "error", errors.New("a"))
		log.WithGroup("g").With("bus", "x").Error("held", "error", errors.New("a"))
		wants("at once", "level=ERROR msg=held bus=x error=a\n", "level=ERROR msg=held bus=x error=b\n", "level=ERROR msg=held bus=y error=a\n", "level=ERROR msg=held g.bus=x g.error=a\n")
		time.Sleep(time.Second)
		synctest.Wait()
		wants("after a second", "level=ERROR msg=\"repeated 4 times in 1s: held\" bus=x error=a\n")
		for range 3 {
			log.With("bus", "x").Error("held", "error", errors.New("a"))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wants("while it comes", "level=ERROR msg=\"repeated 3 times in 2s: held\" bus=x error=a\n")
		time.Sleep(5 * time.Second)
		log.With("bus", "x").Error("held", "error", errors.New("a"))
		wants("after a pause", "level=ERROR msg=held bus=x error=a\n")
		log.With("bus", "x").Error("held", "error", errors.New("a"))
		f.end()
		wants("at the end", "level=ERROR msg=\"repeated 1 times in 1s: held\" bus=x error=a\n")
		log.Info("x")
		log.Info("x")
		wants("after the end", "level=INFO msg=x\n", "level=INFO msg=x\n")
	})
}

func TestFoldingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFolder()
		log := slog.New(f.over(bare(&out)))
		for i := range 3 * maxFolds {
			log.Info("line", "n", i)
			log.Info(strings.Repeat("x", maxKey), "n", i)
		}
		if n := strings.Count(out.String(), "\n"); n != 6*maxFolds || len(f.lines) != maxFolds {
			t.Errorf("%d lines written, %d known", n, len(f.lines))
		}
		f.end()
	})
}

func TestLogLevelGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newLogs(new(slog.LevelVar))
		done := make(chan struct{})
		go func() { _ = l.Run(ctx); close(done) }()
		wants := func(step string, want slog.Level) {
			t.Helper()
			synctest.Wait()
			if got := l.level.Level(); got != want {
				t.Errorf("%s: %s, want %s", step, got, want)
			}
		}
		l.raise(slog.LevelDebug, 10*time.Minute)
		wants("raised", slog.LevelDebug)
		time.Sleep(9 * time.Minute)
		l.set(slog.LevelWarn)
		wants("a reload meanwhile", slog.LevelDebug)
		l.raise(slog.LevelError, 2*time.Minute)
		time.Sleep(61 * time.Second)
		wants("again", slog.LevelError)
		time.Sleep(time.Minute)
		wants("over", slog.LevelWarn)
		l.set(slog.LevelInfo)
		wants("a reload", slog.LevelInfo)
		cancel()
		<-done
	})
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var out bytes.Buffer
	log := slog.New(newJournal(path, &out, slog.LevelInfo)).With("link", "xmpp").WithGroup("at")
	log.Debug("not told")
	log.Warn("it failed", "password", config.NewSecret("not a real one"), "error", errors.New("a\nb"), slog.Group("in", "été", 1))
	want := "MESSAGE=" + `it failed link=xmpp at.password=[hidden] at.error="a\nb" at.in.été=1` + "\nPRIORITY=4\nSYSLOG_IDENTIFIER=pipit\nPIPIT_LINK=xmpp\nPIPIT_AT_PASSWORD=[hidden]\n" +
		"PIPIT_AT_ERROR\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\nPIPIT_AT_IN__T_=1\n"
	b := make([]byte, 64<<10)
	_ = socket.SetReadDeadline(time.Now().Add(patience))
	n, err := socket.Read(b)
	if d := cmp.Diff(want, string(b[:n])); d != "" || err != nil {
		t.Error(err, d)
	}
	log.Info(strings.Repeat("é", 1<<20), "long", strings.Repeat("x", 1<<20))
	if n, err = socket.Read(b); n > maxJournal+maxFieldValue+256 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if out.Len() > 0 {
		t.Errorf("stderr has %q too", out.String())
	}
	_ = socket.Close()
	log.Error("two\nlines")
	slog.New(newJournal(filepath.Join(t.TempDir(), "none"), &out, slog.LevelDebug)).Debug("x", "a", "")
	if d := cmp.Diff("<3>two lines link=xmpp\n<7>x a=\"\"\n", out.String()); d != "" {
		t.Error(d)
	}
}

func TestToJournal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	for stream, want := range map[string]bool{fmt.Sprintf("%d:%d", st.Dev, st.Ino): true, fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): false, "": false, "x": false} {
		if got := toJournal(stream, f); got != want {
			t.Errorf("%q: %t", stream, got)
		}
	}
}
