package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestLogRing(t *testing.T) {
	r := &logRing{}
	log := slog.New(slog.NewTextHandler(r, nil))
	for i := range 3 * maxLogLines {
		log.Info(fmt.Sprint("line ", i))
	}
	if lines := r.last(2); len(lines) != 2 || !strings.Contains(lines[1], fmt.Sprint("line ", 3*maxLogLines-1)) || strings.Contains(lines[0], "\n") {
		t.Errorf("%q", lines)
	}
	if n := len(r.last(10 * maxLogLines)); n != maxLogLines {
		t.Errorf("%d lines are kept", n)
	}
	for range 100 {
		fmt.Fprintln(r, strings.Repeat("ä", maxLogBytes))
	}
	if size := len(strings.Join(r.last(maxLogLines), "")); size > maxLogBytes || r.size != size {
		t.Errorf("%d bytes are kept, %d counted", size, r.size)
	}
}
