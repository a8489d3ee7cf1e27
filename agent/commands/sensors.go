package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
)

func (d *Device) sensors() agent.Command {
	return agent.Command{
		Name:  "sensors",
		Help:  "the configured sensors, how often they are read and how they are",
		Needs: agent.Viewer,
		Run:   d.runSensors,
	}
}

func (d *Device) runSensors(context.Context, agent.Request) (agent.Answer, error) {
	if len(d.Sensors) == 0 {
		return agent.Answer{Text: "No sensors are configured."}, nil
	}
	ans := agent.Answer{
		Text:    count(len(d.Sensors), "sensor") + ".",
		Columns: []string{"Sensor", "Kind", "Every", "Bus", "Last reading", "Quality", "Trouble"},
	}
	readings := d.Agent.Board.All()
	for _, t := range d.Sensors {
		last, quality := "never", "not read yet"
		if at, worst, ok := newest(readings, t.Name); ok {
			last, quality = ago(time.Since(at)), worst.String()
		}
		ans.Rows = append(ans.Rows, []string{t.Name, t.Kind, every(t.Every), t.Bus, last, quality, d.trouble(t)})
	}
	return ans, nil
}

// trouble says what a sensor got over by itself and how many of its values
// were discarded, "" when there was none.
func (d *Device) trouble(task agent.Task) string {
	var t agent.Trouble
	if told, ok := task.Sensor.(agent.Troubled); ok {
		t = told.Trouble()
	}
	discarded := uint64(0)
	if d.Fields != nil {
		for _, c := range d.Fields.Discards() {
			if agent.Match(task.Name, c.Name) {
				discarded += c.Total()
			}
		}
	}
	var parts []string
	for _, c := range []struct {
		n    uint64
		what string
	}{{t.Retried, "retried"}, {t.Implausible, "implausible"}, {t.Remade, "made anew"}, {discarded, "discarded"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(parts, ", ")
}

// newest returns the time of a sensor's newest reading and its worst quality.
func newest(readings []agent.Reading, sensor string) (at time.Time, worst agent.Quality, ok bool) {
	for _, r := range readings {
		if !agent.Match(sensor, r.Name) {
			continue
		}
		if ok = true; r.Time.After(at) {
			at = r.Time
		}
		worst = max(worst, r.Quality)
	}
	return at, worst, ok
}

// every writes an interval as the config does: 30s, 1m, 2h.
func every(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}
