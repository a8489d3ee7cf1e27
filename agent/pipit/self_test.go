package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/agent/store"
	"pipit/sensors"
)

// selfSensor makes a sensor of kind self as the config does.
func selfSensor(t *testing.T, text string) ([]agent.Task, error) {
	t.Helper()
	host := sensors.NewHost(t.TempDir())
	env := configEnv(host)
	env.Kinds = []string{"self"}
	env.NewSensor = func(_, _ string, decode func(any) error) (config.Made, error) {
		b, err := selfKind().New(host, decode)
		return config.Made{Sensor: b.Sensor, Bus: b.Bus, Fields: b.Fields, Every: b.Every, Timeout: b.Timeout}, err
	}
	cfg, err := config.Load(write(t, t.TempDir(), "c.toml", text, 0o600), env)
	if err != nil {
		return nil, err
	}
	return cfg.Sensors, nil
}

func TestSelf(t *testing.T) {
	tasks, err := selfSensor(t, selfKind().Example)
	if err != nil || len(tasks) != 1 || tasks[0].Every != time.Minute {
		t.Fatal(tasks, err)
	}
	stats := store.Stats{
		Bytes: 4096, Trimmed: 3, Overflowed: 20, Aged: 999,
		Links: []store.LinkStats{{Name: "mqtt", Lag: 99}, {Name: "xmpp", Lag: 12}},
	}
	bindSelf(tasks, &health{
		store: func() store.Stats { return stats },
		link:  func() linkCounters { return linkCounters{Connects: 4, Resumes: 7, Skipped: 100, Unacked: 2} },
	})
	read := func() map[string]string {
		t.Helper()
		shown, names := make(map[string]string), []string{}
		list, err := tasks[0].Sensor.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			names = append(names, r.Name)
			if f, _ := r.Value.Float(); f > 0 && (strings.HasPrefix(r.Name, "rss") && r.Unit == "B" && f > 1e5 || r.Name == "goroutines") {
				continue // this process's own
			}
			shown[r.Name] = r.Display()
		}
		if diff := cmp.Diff(tasks[0].Fields, names); diff != "" {
			t.Errorf("fields: %s", diff)
		}
		return shown
	}
	want := map[string]string{
		"reconnects": "3", "resumes": "7", "unacked": "2", "backlog": "12", "dropped": "123", "store_bytes": "4096 B", "store_ok": "true",
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
	stats.Error = "no space left on device"
	want["store_ok"] = "fault: readings are in memory only: no space left on device"
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
	bindSelf(tasks, nil) // as for pipit read
	for name := range want {
		want[name] = "missing: known to a running agent only"
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
}

func TestSelfHasNoKeys(t *testing.T) {
	_, err := selfSensor(t, "[sensor.pipit]\nkind = \"self\"\nfields = []\n")
	if err == nil || !strings.Contains(err.Error(), "c.toml:3: sensor.pipit.fields") {
		t.Error(err)
	}
}

func TestSensorKinds(t *testing.T) {
	names := make(map[string]bool)
	for _, k := range sensorKinds() {
		if names[k.Name] {
			t.Errorf("two kinds %q", k.Name)
		}
		names[k.Name] = true
	}
	if k := selfKind(); !names["self"] || !names["system"] || k.Doc == "" || strings.Contains(k.Doc, "\n") {
		t.Errorf("kinds %v, doc %q", names, k.Doc)
	}
	for _, f := range selfFields() {
		if err := agent.CheckName("pipit." + f); err != nil {
			t.Error(err)
		}
	}
}

func TestParseMemory(t *testing.T) {
	for name, c := range map[string]struct {
		status    string
		rss, anon uint64
		ok        bool
	}{
		"Linux":            {"Name:\tpipit\nVmHWM:\t   99 kB\nVmRSS:\t   12 kB\nRssAnon:\t    5 kB\nRssFile:\t 7 kB\n", 12288, 5120, true},
		"an old kernel":    {"Name:\tpipit\nVmRSS:\t   12 kB\n", 0, 0, false},
		"another unit":     {"Name:\tpipit\nVmRSS:\t   12 MB\nRssAnon:\t    5 kB\n", 0, 0, false},
		"not a number":     {"Name:\tpipit\nVmRSS:\t   -1 kB\nRssAnon:\t    5 kB\n", 0, 0, false},
		"nothing":          {"", 0, 0, false},
		"cut off":          {"Name:\tpipit\nRssAnon:\t    5 kB\nVmRSS:\t   1", 0, 0, false},
		"the name of both": {"Name:\tVmRSS:\nVmRSS:\t1 kB\nRssAnon:\t0 kB\n", 1024, 0, true},
	} {
		rss, anon, err := parseMemory([]byte(c.status))
		if rss != c.rss || anon != c.anon || (err == nil) != c.ok {
			t.Errorf("%s: %d, %d, %v", name, rss, anon, err)
		}
	}
}

func TestCounterLines(t *testing.T) {
	h := &health{
		store: func() store.Stats { return store.Stats{Bytes: 262144, Trimmed: 1} },
		link:  func() linkCounters { return linkCounters{} },
	}
	lines := h.lines()
	if len(lines) != 2 || lines[0] != "counters: 0 reconnects, 0 resumes, 0 unacked, 0 in backlog, 1 dropped" ||
		!strings.HasPrefix(lines[1], "memory: ") || !strings.Contains(lines[1], " MB private), ") || !strings.HasSuffix(lines[1], " goroutines; store: 262144 B") {
		t.Errorf("%q", lines)
	}
}

func TestCountersAreLogged(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 3, slog.LevelInfo: 0} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			h := &health{
				store: func() store.Stats { return store.Stats{Error: "read-only"} },
				link:  func() linkCounters { return linkCounters{Unacked: 5} },
				log:   slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})),
			}
			ctx, cancel := context.WithTimeout(t.Context(), 16*time.Minute)
			defer cancel()
			if err := h.Run(ctx); err != nil {
				t.Error(err)
			}
			if n := strings.Count(log.String(), "msg=counters reconnects=0 resumes=0 unacked=5"); n != want || want > 0 && !strings.Contains(log.String(), "store_error=read-only") {
				t.Errorf("at %v: %s", level, log.String())
			}
		})
	}
}
