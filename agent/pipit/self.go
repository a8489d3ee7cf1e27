package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"time"

	"pipit/agent"
	"pipit/agent/store"
	"pipit/sensors"
)

// A health is where the program counts what it does: one source for status,
// the log and sensors of kind self. All fields must be set; its methods may be
// called from any goroutine.
type health struct {
	store func() store.Stats
	link  func() linkCounters
	log   *slog.Logger
}

// linkCounters are those of the XMPP link since the start.
type linkCounters struct {
	Connects, Resumes, Skipped uint64 // sessions begun; sessions resumed (XEP-0198); readings the server refused for good
	Unacked                    int    // stanzas the server has not acknowledged
}

// counters are the numbers of one moment. Those that grow begin at the start.
type counters struct {
	reconnects, resumes, backlog, dropped uint64
	unacked, goroutines                   int
	storeBytes                            int64
	storeError                            string // "" when readings go on disk

	rss, anon   uint64 // bytes
	memoryError error
}

func (h *health) counters() counters {
	st, l := h.store(), h.link()
	c := processCounters()
	c.reconnects, c.resumes, c.unacked = l.Connects-min(l.Connects, 1), l.Resumes, l.Unacked
	c.dropped = st.Trimmed + st.Overflowed + l.Skipped
	c.storeBytes, c.storeError = st.Bytes, st.Error
	for _, link := range st.Links {
		if link.Name == "xmpp" {
			c.backlog = link.Lag
		}
	}
	return c
}

// processCounters fills in what needs no agent.
func processCounters() (c counters) {
	c.goroutines = runtime.NumGoroutine()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		c.memoryError = err
		return c
	}
	c.rss, c.anon, c.memoryError = parseMemory(status)
	return c
}

// parseMemory reads VmRSS and RssAnon of proc_pid_status(5), in bytes.
func parseMemory(status []byte) (rss, anon uint64, err error) {
	for name, to := range map[string]*uint64{"VmRSS": &rss, "RssAnon": &anon} {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		digits, ok := bytes.CutSuffix(bytes.TrimSpace(line), []byte(" kB"))
		n, bad := strconv.ParseUint(string(digits), 10, 50)
		if !ok || bad != nil {
			return 0, 0, fmt.Errorf("no %s in /proc/self/status", name)
		}
		*to = n << 10
	}
	return rss, anon, nil
}

// sensorKinds is the table of all kinds: those of the hardware, and self.
func sensorKinds() []sensors.Kind { return append(sensors.Kinds(), selfKind()) }

func selfKind() sensors.Kind {
	return sensors.Kind{
		Name: "self",
		Doc: "The agent itself: reconnects, resumed sessions, unacknowledged stanzas, readings that wait or were dropped, " +
			"the size of the store and whether it can write, memory and goroutines.",
		Example: `[sensor.pipit]
kind = "self"
`,
		New: func(_ *sensors.Host, decode func(any) error) (sensors.Built, error) {
			if err := decode(&struct{}{}); err != nil {
				return sensors.Built{}, err
			}
			return sensors.Built{Sensor: &self{}, Fields: selfFields(), Every: time.Minute}, nil
		},
	}
}

// self implements agent.Sensor. The config makes it before there is anything to
// count, so run sets health before the first Read; without one, only what needs
// no agent is there.
type self struct{ health *health }

// bindSelf gives the sensors of kind self what they read.
func bindSelf(tasks []agent.Task, h *health) {
	for _, t := range tasks {
		if s, ok := t.Sensor.(*self); ok {
			s.health = h
		}
	}
}

// Read implements agent.Sensor.
func (s *self) Read(context.Context) ([]agent.Reading, error) {
	if s.health != nil {
		return selfReadings(s.health.counters()), nil
	}
	list := selfReadings(processCounters())
	for i, r := range list[:agentFields] {
		list[i] = agent.Reading{Name: r.Name, Quality: agent.Missing, Reason: agentOnly}
	}
	return list, nil
}

// agentOnly is the reason of a field where no agent runs.
const agentOnly = "known to a running agent only"

// agentFields is how many of selfReadings are of the agent, the rest is of any process.
const agentFields = 7

func selfReadings(c counters) []agent.Reading {
	field := func(name string, v agent.Value, unit, fault string) agent.Reading {
		if fault != "" {
			return agent.Reading{Name: name, Quality: agent.Fault, Reason: fault}
		}
		return agent.Reading{Name: name, Value: v, Unit: unit}
	}
	number := func(name string, n uint64) agent.Reading { return field(name, agent.Number(float64(n)), "", "") }
	var storeFault, memoryFault string
	if c.storeError != "" {
		storeFault = "readings are in memory only: " + c.storeError
	}
	if c.memoryError != nil {
		memoryFault = c.memoryError.Error()
	}
	return []agent.Reading{
		number("reconnects", c.reconnects),
		number("resumes", c.resumes),
		number("unacked", uint64(c.unacked)),
		number("backlog", c.backlog),
		number("dropped", c.dropped),
		field("store_bytes", agent.Number(float64(c.storeBytes)), "B", ""),
		field("store_ok", agent.Bool(true), "", storeFault),
		field("rss", agent.Number(float64(c.rss)), "B", memoryFault),
		field("rss_anon", agent.Number(float64(c.anon)), "B", memoryFault),
		number("goroutines", uint64(c.goroutines)),
	}
}

func selfFields() (names []string) {
	for _, r := range selfReadings(counters{}) {
		names = append(names, r.Name)
	}
	return names
}
