package xmpp

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

func TestOfflineSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := New(Config{JID: "pi@example.org"}, &agent.Agent{}, slog.New(slog.DiscardHandler))
		want := func(step string, since time.Time) {
			t.Helper()
			if got := l.OfflineSince(); !got.Equal(since) {
				t.Errorf("%s: %v, want %v", step, got, since)
			}
			time.Sleep(time.Minute)
		}
		want("new", began)
		l.down(errors.New("refused"))
		want("never online", began)
		l.state.phase = starting
		want("a stream, not seen yet", began)
		l.online()
		want("online", time.Time{})
		lost := time.Now()
		l.down(errors.New("cut"))
		want("lost", lost)
		l.down(errors.New("refused"))
		want("still lost", lost)
		l.state.phase = starting
		l.online()
		want("online again", time.Time{})
	})
}
