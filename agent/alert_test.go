package agent

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLevels(t *testing.T) {
	for l, word := range map[Level]string{Info: "info", Warning: "warning", Critical: "critical"} {
		if got, err := ParseLevel(word); got != l || err != nil || l.String() != word {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "Info", "fatal"} {
		if _, err := ParseLevel(word); err == nil {
			t.Errorf("%q is a level", word)
		}
	}
	if got := Level(7).String(); got != "level(7)" {
		t.Error(got)
	}
}

func TestNewAlert(t *testing.T) {
	for text, want := range map[string]string{
		"all is well":              "all is well",
		" two\r\nlines\x00 and\t ": "two lines and",
		"":                         "",
	} {
		if got := NewAlert("store", Info, text).Text; got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	long := NewAlert(strings.Repeat("n", 100), Critical, strings.Repeat("ü", MaxText))
	if len(long.Name) > MaxName || len(long.Text) > MaxText || len(long.Text) < MaxText-4 || !utf8.ValidString(long.Text) {
		t.Errorf("%d bytes of name, %d of text", len(long.Name), len(long.Text))
	}
	if a, b := NewAlert("a", Info, "x"), NewAlert("a", Info, "x"); a.ID == b.ID || len(a.ID) < 20 {
		t.Errorf("ids %q and %q", a.ID, b.ID)
	}
}

// alertList is an Alerts of which only AppendAlert works.
type alertList struct {
	Alerts
	list []Alert
	err  error
}

func (l *alertList) AppendAlert(a Alert) error {
	l.list = append(l.list, a)
	return l.err
}

func TestAgentAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		list := &alertList{}
		a := &Agent{Alerts: list, Log: slog.New(slog.NewTextHandler(&log, nil))}
		a.Alert("store", Warning, "the disk\nis full")
		want := []Alert{{ID: list.list[0].ID, Time: time.Now(), Level: Warning, Name: "store", Text: "the disk is full"}}
		if diff := cmp.Diff(want, list.list); diff != "" || list.list[0].ID == "" {
			t.Error(diff)
		}
		if got := log.String(); !strings.Contains(got, "WARN") || !strings.Contains(got, "the disk is full") || strings.Contains(got, "ERROR") {
			t.Error(got)
		}
		list.err = errors.New("read-only")
		a.Alert("store", Level(9), "worse than known")
		if got := log.String(); strings.Count(got, "ERROR") != 2 || !strings.Contains(got, "read-only") {
			t.Error(got)
		}
		alone := &Agent{}
		alone.Alert("store", Info, "nobody hears")
	})
}
