package commands

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
	"pipit/agent/watch"
)

// noDisk is a state that nothing can be written to.
type noDisk struct{ agent.PeopleState }

func (noDisk) List(string) []string             { return nil }
func (noDisk) Set(string, string, []byte) error { return errors.New("disk full") }
func (noDisk) Delete(string, string) error      { return errors.New("disk full") }

func watching(t *testing.T, state agent.PeopleState) *Device {
	d := device()
	w, err := watch.New(d.Agent, state, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Watch = w
	d.Agent.Commands = All(d)
	return d
}

// say does what a chat line does and returns the answer or the error.
func say(t *testing.T, d *Device, req agent.Request, line string) string {
	t.Helper()
	var err error
	req.Name, req.Args, err = agent.ParseLine(line, d.Agent.Commands)
	if err == nil {
		var ans agent.Answer
		if ans, err = d.Agent.Do(t.Context(), req); err == nil {
			return ans.String()
		}
	}
	return "error: " + err.Error()
}

func TestWatchLines(t *testing.T) {
	const none = `write "watch NAME by 0.5 every 10m", or one of the two, or none`
	synctest.Test(t, func(t *testing.T) {
		d := watching(t, nil)
		for _, tt := range []struct{ line, want string }{
			{"watches", `You watch nothing. "watch NAME" tells you when a reading changes.`},
			{"watch", "error: name: a value is needed"},
			{"watch outside.temperature", "Watching outside.temperature for any change, at most every 1m. Now outside.temperature: 21.5 °C."},
			{"watch outside.temperature by 0.5 every 10m", "Watching outside.temperature by 0.5, at most every 10m. Now outside.temperature: 21.5 °C."},
			{"Watch Outside every 1 hour BY 2", "Watching outside by 2, at most every 1h. Now 2 readings."},
			{"watch boiler 3", "Watching boiler by 3, at most every 1m. Now boiler: fault: crc error."},
			{"watch door every=30s", "Watching door for any change, at most every 30s. It has no value yet."},
			{"watch *.humidity by=1.5 every=1h30m", "Watching *.humidity by 1.5, at most every 1h30m. Now outside.humidity: 45.0 % (stale)."},
			{"watch outside.temprature", `error: name: there is no "outside.temprature", did you mean "outside.temperature"?`},
			{"watch *.pressure", `error: name: there is no "*.pressure"`},
			{"watch boiler by", "error: by: a value is needed: " + none},
			{"watch boiler by 1 every", "error: every: a value is needed: " + none},
			{"watch boiler by every 10m", "error: every: " + none},
			{"watch boiler by 1 by 2", "error: by: " + none},
			{"watch boiler by much", `error: by: "much" is no number from 0: ` + none},
			{"watch boiler by -1", `error: by: "-1" is no number from 0: ` + none},
			{"watch boiler by NaN", `error: by: "nan" is no number from 0: ` + none},
			{"watch boiler 10m", `error: by: "10m" is no number from 0: ` + none},
			{"watch boiler every 9s", `error: every: "9s" is no duration from 10s: write a number and a unit, such as 30s, 10m or 1h30m`},
			{"watch boiler every often", `error: every: "often" is no duration from 10s: write a number and a unit, such as 30s, 10m or 1h30m`},
			{"watch boiler every=1h every 2h", "error: every: given twice"},
			{"watches", "You have 5 watches.\n" +
				"outside.temperature  by 0.5, at most every 10m        never\n" +
				"outside              by 2, at most every 1h           never\n" +
				"boiler               by 3, at most every 1m           never\n" +
				"door                 for any change, at most every 30s  never\n" +
				"*.humidity           by 1.5, at most every 1h30m      never"},
			{"unwatch", "error: name: a value is needed"},
			{"unwatch outside.temprature", `error: name: you do not watch "outside.temprature", did you mean "outside.temperature"?`},
			{"unwatch Outside", "Not watching outside any more."},
			{"unwatch all", "Ended 4 watches."},
			{"unwatch all", "Ended 0 watches."},
		} {
			got := say(t, d, agent.Request{From: viewer, Via: agent.ViaChat}, tt.line)
			if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(tt.want), " ") {
				t.Errorf("%s:\ngot  %s\nwant %s", tt.line, got, tt.want)
			}
		}
	})
}

// Only a person in private is told.
func TestWhoMayWatch(t *testing.T) {
	d := watching(t, nil)
	for _, line := range []string{"watch boiler", "unwatch all", "watches"} {
		if got := say(t, d, agent.Request{From: viewer, Via: agent.ViaRoom, Room: "room@example.org"}, line); !strings.Contains(got, "private chat only") {
			t.Errorf("%s in a room: %s", line, got)
		}
		if got := say(t, d, agent.Request{Via: agent.ViaLocal}, line); !strings.Contains(got, "an account of [people]") {
			t.Errorf("%s without an account: %s", line, got)
		}
		if got := say(t, d, agent.Request{From: "eve@example.org", Via: agent.ViaChat}, line); !strings.Contains(got, "unknown command") {
			t.Errorf("%s of a stranger: %s", line, got)
		}
	}
	for _, c := range All(device()) {
		if strings.Contains(c.Name, "watch") {
			t.Errorf("%s where nobody can be told", c.Name)
		}
	}
}

func TestWatchWithoutDisk(t *testing.T) {
	d := watching(t, noDisk{})
	req := agent.Request{From: viewer, Via: agent.ViaChat}
	for line, want := range map[string]string{
		"watch boiler":   "until the next restart only",
		"unwatch boiler": "until the next restart only",
	} {
		if got := say(t, d, req, "watch boiler"); !strings.Contains(got, "Watching boiler") || !strings.Contains(got, "disk full") {
			t.Errorf("watch boiler: %s", got)
		}
		if got := say(t, d, req, line); !strings.Contains(got, want) || !strings.Contains(got, "disk full") || strings.HasPrefix(got, "error") {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func FuzzWatchWords(f *testing.F) {
	for _, s := range []string{"", "by 0.5 every 10m", "every 1 h 30 min by 2", "0.5", "by by", "every", "by 1e400", "every for 10m", "by 0x1p-2"} {
		f.Add(s, "")
	}
	f.Add("by 2", "every 10m")
	f.Fuzz(func(t *testing.T, by, every string) {
		w, err := watchOf(map[string]string{"name": "x", "by": by, "every": every})
		if err != nil {
			var bad *agent.ParamError
			if !errors.As(err, &bad) {
				t.Fatalf("%q, %q: %T", by, every, err)
			}
			return
		}
		if w.By < 0 || agent.Number(w.By).Kind() == agent.None || w.Every != 0 && (w.Every < watch.MinEvery || w.Every > watch.MaxEvery) {
			t.Fatalf("%q, %q: %v", by, every, w)
		}
		back, err := watchOf(map[string]string{"name": "x", "by": "by " + agent.Number(w.By).String() + " every " + max(w.Every, time.Minute).String()})
		if err != nil || back.By != w.By {
			t.Fatalf("%q, %q: %v, then %v, %v", by, every, w, back, err)
		}
	})
}
