package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

const (
	minTimer, maxTimer = 100 * time.Millisecond, 365 * 24 * time.Hour
	minPulse, maxPulse = 10 * time.Millisecond, 24 * time.Hour
	minDead, maxDead   = time.Millisecond, time.Minute
	minOffline         = time.Second
	defaultPulse       = time.Second
)

// outputRules reads what the executor keeps for an output of any kind.
func (s section) outputRules(task *agent.OutputTask, sensors []string) {
	keys := outputKeys{SafeWhen: []string{"exit"}}
	s.pick(&keys)
	task.Initial = s.outputInitial(task)
	task.MaxOn, task.MinOn, task.MinOff, task.Pulse = keys.MaxOn, keys.MinOn, keys.MinOff, keys.Pulse
	task.Confirm = keys.Confirm
	if s.given("role") {
		task.Needs = s.role("role", keys.Role)
	}
	task.Interlock, task.DeadTime = keys.Interlock, keys.DeadTime
	s.between("max_on", keys.MaxOn, minTimer, maxTimer)
	s.between("min_on", keys.MinOn, minTimer, maxTimer)
	s.between("min_off", keys.MinOff, minTimer, maxTimer)
	s.between("pulse", keys.Pulse, minPulse, maxPulse)
	s.between("dead_time", keys.DeadTime, minDead, maxDead)
	s.checkTimes(task)
	s.safeWhen(task, keys.SafeWhen, sensors)
}

// checkTimes checks durations against each other and fills in that of a pulse.
func (s section) checkTimes(task *agent.OutputTask) {
	if s.given("max_on") && s.given("min_on") && task.MinOn > task.MaxOn {
		s.fail("min_on", "%s is longer than max_on, which is %s", short(task.MinOn), short(task.MaxOn))
	}
	if s.given("max_on") && task.Safe.Kind() != agent.None && !task.IsOff(task.Safe) {
		s.fail("max_on", "it would switch off what is safe when it is on")
	}
	switch {
	case !s.has("pulse"):
		task.Pulse = max(defaultPulse, task.MinOn)
		if task.MaxOn > 0 {
			task.Pulse = min(task.Pulse, task.MaxOn)
		}
	case s.given("pulse") && task.Pulse < task.MinOn:
		s.fail("pulse", "%s is shorter than min_on, which is %s", short(task.Pulse), short(task.MinOn))
	case s.given("pulse") && task.MaxOn > 0 && task.Pulse > task.MaxOn:
		s.fail("pulse", "%s is longer than max_on, which is %s", short(task.Pulse), short(task.MaxOn))
	}
}

// safeWhen reads the conditions in which an output is driven safe.
func (s section) safeWhen(task *agent.OutputTask, conditions, sensors []string) {
	for _, c := range conditions {
		c = strings.ReplaceAll(c, " ", "")
		after, offline := strings.CutPrefix(c, "offline")
		name, stale := strings.CutPrefix(c, "stale:")
		var err error
		switch {
		case c == "exit":
			task.SafeOnExit = true
		case offline:
			task.SafeOffline, err = parseOffline(after)
		case stale:
			task.SafeStale, err = append(task.SafeStale, name), checkStale(name, sensors)
		default:
			err = fmt.Errorf("%q is no condition: write %q, %q or %q", c, "exit", "offline>10m", "stale:boiler")
		}
		if err != nil {
			s.fail("safe_when", "%s", err)
		}
	}
}

func parseOffline(after string) (time.Duration, error) {
	text, ok := strings.CutPrefix(after, ">")
	if !ok {
		return 0, errors.New(`write how long it may be offline, such as "offline>10m"`)
	}
	d, err := parseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration: write "offline>10m"`, text)
	}
	if d < minOffline || d > maxTimer {
		return 0, fmt.Errorf("offline>%s is out of range (%s to %s)", text, short(minOffline), short(maxTimer))
	}
	return d, nil
}

func checkStale(name string, sensors []string) error {
	if err := agent.CheckName(name); err != nil {
		return fmt.Errorf("%q is not the name of a reading, such as %q", name, "boiler")
	}
	sensor, _, _ := strings.Cut(name, ".")
	if sensors != nil && !slices.Contains(sensors, sensor) {
		return fmt.Errorf("there is no sensor %q%s", sensor, options(sensor, sensors))
	}
	return nil
}

// checkInterlocks makes the interlocks symmetric and reports those that cannot be.
func checkInterlocks(s section, names []string, tasks []agent.OutputTask) {
	for i := range tasks {
		checkInterlock(s.sub(tasks[i].Name, ""), &tasks[i], names)
	}
	for _, t := range tasks {
		for j := range tasks {
			n := &tasks[j]
			if n.Name != t.Name && slices.Contains(t.Interlock, n.Name) && !slices.Contains(n.Interlock, t.Name) {
				n.Interlock = append(slices.Clip(n.Interlock), t.Name)
			}
		}
	}
	for i := range tasks {
		checkInterlocked(s.sub(tasks[i].Name, ""), &tasks[i], tasks[:i])
	}
}

// checkInterlock checks the names of one list.
func checkInterlock(s section, task *agent.OutputTask, names []string) {
	for i, name := range task.Interlock {
		switch {
		case name == task.Name:
			s.fail("interlock", "an output is not interlocked with itself")
		case !slices.Contains(names, name):
			s.fail("interlock", "there is no output %q%s", name, options(name, names))
		case slices.Contains(task.Interlock[:i], name):
			s.fail("interlock", "%q stands there twice", name)
		}
	}
}

// checkInterlocked checks an output against the earlier ones, when the
// interlocks are symmetric.
func checkInterlocked(s section, task *agent.OutputTask, earlier []agent.OutputTask) {
	switch {
	case len(task.Interlock) == 0 && s.given("dead_time"):
		s.fail("dead_time", "it changes nothing without interlock")
	case len(task.Interlock) > 0 && task.Off.Kind() == agent.None:
		s.r.fail(s.path, "it is interlocked, and its kind has no off")
		return
	}
	for _, n := range earlier {
		if !slices.Contains(task.Interlock, n.Name) || n.Off.Kind() == agent.None {
			continue
		}
		if !task.IsOff(task.Safe) && !n.IsOff(n.Safe) {
			s.fail("safe", "it is interlocked with %s, and both are safe when they are on", n.Name)
		}
		if !task.IsOff(task.Initial) && !n.IsOff(n.Initial) {
			s.fail("initial", "it is interlocked with %s, and both begin on", n.Name)
		}
	}
}
