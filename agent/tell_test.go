package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// nextMessage fails where a lost message would make Next wait for ever.
func nextMessage(t *testing.T, a *Agent) Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := a.Messages.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTell(t *testing.T) {
	a := &Agent{}
	a.Tell("", "to nobody")
	a.Tell("anna@example.org", "one")
	a.Tell("ben@example.org", "two\xff")
	ids := map[string]bool{}
	for _, want := range []string{"one", "two\uFFFD"} {
		m := nextMessage(t, a)
		again := nextMessage(t, a)
		if m.Text != want || again != m || m.ID == "" || ids[m.ID] || m.Time.IsZero() {
			t.Errorf("got %+v, then %+v", m, again)
		}
		ids[m.ID] = true
		a.Messages.Sent(m.ID)
		a.Messages.Sent(m.ID) // once is enough
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Messages.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTellWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Agent{}
		got := make(chan string, 2)
		for range 2 {
			go func() {
				m, _ := a.Messages.Next(t.Context())
				got <- m.Text
			}()
		}
		synctest.Wait()
		a.Tell("anna@example.org", "hello")
		if x, y := <-got, <-got; x != "hello" || y != "hello" {
			t.Errorf("got %q and %q", x, y)
		}
	})
}

// A link that is away for long loses the oldest, and the log says so.
func TestTellIsBounded(t *testing.T) {
	var log bytes.Buffer
	a := &Agent{Log: slog.New(slog.NewTextHandler(&log, nil))}
	a.Tell("anna@example.org", "0")
	dropped := nextMessage(t, a)
	for i := range maxMessages + 2 {
		a.Tell("anna@example.org", strconv.Itoa(i+1))
	}
	a.Messages.Sent(dropped.ID) // it was dropped before it was sent
	for i := range maxMessages {
		m := nextMessage(t, a)
		if want := strconv.Itoa(i + 3); m.Text != want {
			t.Fatalf("got %s, want %s", m.Text, want)
		}
		a.Messages.Sent(m.ID)
	}
	if n := strings.Count(log.String(), "dropped"); n != 3 || strings.Contains(log.String(), "text") {
		t.Errorf("log:\n%s", log.String())
	}
	a.Tell("anna@example.org", strings.Repeat("ü", MaxMessage))
	m := nextMessage(t, a)
	if len(m.Text) > MaxMessage || len(m.Text) < MaxMessage-2 || !utf8.ValidString(m.Text) || !strings.HasSuffix(m.Text, "ü"+cutMessage) {
		t.Errorf("a long text is %d bytes and ends in %q", len(m.Text), m.Text[len(m.Text)-40:])
	}
}
