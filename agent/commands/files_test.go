package commands

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestCSV(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, p *past) {
		at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		p.list = append(p.list,
			agent.Reading{Name: "tank", Time: at.Add(time.Second), Value: agent.Number(-2.5), Unit: "hPa"}, // accepted first, taken later
			agent.Reading{Name: "tank", Time: at, Value: agent.Text("=1+1, \"x\"")},
			agent.Faulty("tank", agent.Fault, at.Add(2*time.Second), "no answer"),
			agent.Reading{Name: "tank", Time: at.Add(-48 * time.Hour), Value: agent.Number(1)})
		d.Agent.Board.Put(agent.Reading{Name: "tank", Value: agent.Number(1)})
		ans, err := ask(t, d, viewer, "csv", map[string]string{"name": "tank", "span": "24h"})
		if err != nil || ans.File == nil {
			t.Fatalf("%+v, %v", ans, err)
		}
		if !strings.HasPrefix(ans.File.Name, "tank-") || ans.File.Type != "text/csv" || ans.Text != "3 readings of tank, last 24 h." {
			t.Errorf("%q %s %s", ans.Text, ans.File.Name, ans.File.Type)
		}
		rows, err := csv.NewReader(strings.NewReader(string(ans.File.Data))).ReadAll()
		want := fmt.Sprint([][]string{
			{"time", "value", "unit", "quality"}, {agent.Stamp(at), `'=1+1, "x"`, "", "good"},
			{agent.Stamp(at.Add(time.Second)), "-2.5", "hPa", "good"}, {agent.Stamp(at.Add(2 * time.Second)), "", "", "fault"},
		})
		if err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%v, %v\nwant %s", rows, err, want)
		}
		if ans, err := ask(t, d, viewer, "csv", map[string]string{"name": "tank", "span": "1m"}); err != nil || ans.File != nil || ans.Text != "0 readings of tank, last 1 min." {
			t.Errorf("%+v, %v", ans, err)
		}
		p.err = errors.New("the file is damaged")
		if _, err := ask(t, d, viewer, "csv", map[string]string{"name": "tank"}); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("a damaged record: %v", err)
		}
	})
}

// A table that is too large ends with a whole line, and the rest is not read.
func TestCSVIsBounded(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, p *past) {
		now := time.Now()
		data, n, full, err := d.table(t.Context(), "outside.temperature", now.Add(-24*time.Hour), now, 1000)
		if err != nil || !full || len(data) > 1000 || !strings.HasSuffix(string(data), "\r\n") || strings.Count(string(data), "\n") != n+1 {
			t.Errorf("%d bytes, %d readings, full %v, %v", len(data), n, full, err)
		}
	})
}

func TestPhoto(t *testing.T) {
	const owner, operator = "olga@example.org", "otto@example.org"
	d := device()
	d.Agent.People = map[string]agent.Role{operator: agent.Operator, viewer: agent.Viewer, owner: agent.Owner}
	if _, err := ask(t, d, operator, "photo", nil); !errors.Is(err, agent.ErrUnknown) {
		t.Errorf("there is no camera: %v", err)
	}
	var fails error
	d.Cameras = map[string]func(context.Context) ([]byte, string, error){
		"door": func(context.Context) ([]byte, string, error) { return []byte("\xff\xd8\xff"), "image/jpeg", fails },
	}
	d.Agent.Commands = All(d)
	ans, err := ask(t, d, operator, "photo", nil)
	if err != nil || ans.File == nil || ans.File.Type != "image/jpeg" || !strings.HasSuffix(ans.File.Name, ".jpg") || !strings.HasPrefix(ans.Text, "door at ") {
		t.Errorf("%+v, %v", ans, err)
	}
	if _, err := ask(t, d, viewer, "photo", nil); !errors.Is(err, agent.ErrUnknown) {
		t.Errorf("a viewer took a picture: %v", err)
	}
	fails = &agent.MissingError{Reason: "there is no /dev/video0"}
	if _, err := ask(t, d, operator, "photo", map[string]string{"camera": "door"}); !errors.Is(err, fails) {
		t.Errorf("no camera: %v", err)
	}
}

func TestLog(t *testing.T) {
	const owner = "olga@example.org"
	d := device()
	d.Agent.People = map[string]agent.Role{owner: agent.Owner, viewer: agent.Viewer}
	d.Log = func(n int) []string {
		return []string{"time=17:29 x", "time=17:30 level=INFO", `time=17:31 level=WARN msg="a b"`}[3-n:]
	}
	d.Agent.Commands = All(d)
	ans, err := ask(t, d, owner, "log", map[string]string{"count": "2"})
	want := agent.Answer{Text: "The last 2 lines.", Columns: []string{"Time", "Line"}, Rows: [][]string{{"17:30", "level=INFO"}, {"17:31", `level=WARN msg="a b"`}}}
	if diff := cmp.Diff(want, ans); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	d.Log = func(n int) []string { return []string{strings.Repeat("x", maxLogText+1)} }
	ans, err = ask(t, d, owner, "log", nil)
	if err != nil || ans.File == nil || ans.Text != "The last 1 line." || len(ans.File.Data) != maxLogText+2 {
		t.Errorf("%+v, %v", ans.Text, err)
	}
	if _, err := ask(t, d, viewer, "log", nil); !errors.Is(err, agent.ErrUnknown) {
		t.Errorf("a viewer: %v", err)
	}
}

func TestLogLevel(t *testing.T) {
	const owner = "olga@example.org"
	d := device()
	d.Agent.People = map[string]agent.Role{owner: agent.Owner}
	var level slog.Level
	var length time.Duration
	d.Log = func(int) []string { return nil }
	d.LogLevel = func(l slog.Level, long time.Duration) { level, length = l, long }
	d.Agent.Commands = All(d)
	for _, c := range []struct {
		args   map[string]string
		level  slog.Level
		length time.Duration
		fails  bool
	}{
		{map[string]string{"count": "debug", "for": "1h"}, slog.LevelDebug, time.Hour, false},
		{map[string]string{"count": "WARN"}, slog.LevelWarn, 10 * time.Minute, false},
		{map[string]string{"count": "5"}, 0, 0, false},
		{map[string]string{"count": "0"}, 0, 0, true},
		{map[string]string{"count": "501"}, 0, 0, true},
		{map[string]string{"count": "loud"}, 0, 0, true},
		{map[string]string{"count": "info+1"}, 0, 0, true},
		{map[string]string{"count": "debug", "for": "25h"}, 0, 0, true},
		{map[string]string{"count": "debug", "for": "1s"}, 0, 0, true},
		{map[string]string{"count": "debug", "for": "soon"}, 0, 0, true},
	} {
		level, length = 0, 0
		if _, err := ask(t, d, owner, "log", c.args); (err != nil) != c.fails || level != c.level || length != c.length {
			t.Errorf("%v: %s for %s, %v", c.args, level, length, err)
		}
	}
}
