package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

const writeOutput = "[output.NAME], one for each output"

// LoadOutputs reads the [output.NAME] tables of a config and nothing else: no
// other table, and no file that the config names, can keep an output from being
// driven safe. It returns the outputs whose kind, keys of the kind and safe
// value are right, and all that is wrong as Problems.
func LoadOutputs(path string, env Env) ([]agent.OutputTask, error) {
	l := &loader{env: env, open: openFile}
	top, err := l.read(path)
	if err != nil {
		return nil, err
	}
	tasks := l.outputs(top.sub("output", writeOutput), nil)
	if len(top.r.problems) > 0 {
		return tasks, top.r.problems.sorted()
	}
	return tasks, nil
}

// outputKeys are the keys of an output of any kind, but for kind, and for safe
// and initial, whose type depends on the kind.
type outputKeys struct {
	MaxOn     time.Duration `toml:"max_on"`
	MinOn     time.Duration `toml:"min_on"`
	MinOff    time.Duration `toml:"min_off"`
	Pulse     time.Duration `toml:"pulse"`
	Interlock []string      `toml:"interlock"`
	DeadTime  time.Duration `toml:"dead_time"`
	SafeWhen  []string      `toml:"safe_when"`
	Confirm   bool          `toml:"confirm"`
	Role      string        `toml:"role"`
}

// outputs reads every [output.NAME]. Without sensors, nil, nothing is said of
// conditions that name one. An output that may not be what was meant is left out.
func (l *loader) outputs(s section, sensors []string) (tasks []agent.OutputTask) {
	names := s.keys()
	if len(names) > maxOutputs {
		s.r.fail(s.path, "there are %d outputs, at most %d are possible", len(names), maxOutputs)
		return nil
	}
	for _, name := range names {
		if slices.Contains(sensors, name) {
			s.fail(name, "a sensor has this name, and the state of an output is a reading of its name")
		}
		if task, ok := l.output(s.sub(name, "[output.NAME]"), name, sensors); ok {
			tasks = append(tasks, task)
		}
	}
	checkInterlocks(s, names, tasks)
	return tasks
}

// output reads one [output.NAME]. ok tells that to drive it safe does what the
// file means, whatever else is wrong.
func (l *loader) output(s section, name string, sensors []string) (task agent.OutputTask, ok bool) {
	if s.table == nil {
		return task, false // not a table: reported
	}
	if err := agent.CheckName(name); err != nil || strings.Contains(name, ".") || len(name) > maxSensorName {
		s.r.fail(s.path, "an output's name is made of a-z, 0-9, _ and -, at most %d of them, such as %q", maxSensorName, sensorName(name))
		return task, false
	}
	before := len(s.r.problems)
	made, kind, ok := l.newOutput(s, name)
	if !ok {
		return task, false
	}
	task = agent.OutputTask{Name: name, Kind: kind, Output: made.Output, Min: made.Min, Max: made.Max, Unit: made.Unit, Off: made.Off}
	if task.Switch() && task.Off.Kind() == agent.None {
		task.Off = agent.Bool(false)
	}
	task.Safe = s.outputValue("safe", &task)
	ok = len(s.r.problems) == before
	s.outputRules(&task, sensors)
	return task, ok
}

// newOutput builds an output from its table; ok is false where there is none.
func (l *loader) newOutput(s section, name string) (made MadeOutput, kind string, ok bool) {
	var keys struct {
		Kind string `toml:"kind"`
	}
	s.pick(&keys)
	switch {
	case !s.has("kind"):
		s.r.fail(s.path, "there is no kind%s", options("", l.env.OutputKinds))
	case s.given("kind") && !slices.Contains(l.env.OutputKinds, keys.Kind):
		s.fail("kind", "unknown kind %q%s", keys.Kind, options(keys.Kind, l.env.OutputKinds))
	case s.given("kind"):
		made, err := l.env.NewOutput(name, keys.Kind, func(into any) error {
			s.decode(into, append([]string{"kind", "safe", "initial"}, fieldNames(&outputKeys{})...)...)
			return nil
		})
		if err != nil {
			s.failErr(err)
		}
		return made, keys.Kind, err == nil
	}
	return made, "", false
}

// outputValue reads safe or initial: off unless the file says otherwise.
func (s section) outputValue(key string, task *agent.OutputTask) agent.Value {
	if !s.has(key) {
		if task.Off.Kind() == agent.None {
			s.r.fail(s.path, "this kind has no off: write %s = a number from %s to %s", key, agent.Number(task.Min), agent.Number(task.Max))
		}
		return task.Off
	}
	v, err := parseOutput(task, s.table[key])
	if err != nil {
		s.fail(key, "%s", err)
		return task.Off
	}
	return v
}

func parseOutput(task *agent.OutputTask, value any) (agent.Value, error) {
	want := "on, off or a number"
	if task.Switch() {
		want = `"on" or "off"`
	}
	switch v := value.(type) {
	case string:
		return task.Parse(v)
	case bool:
		if task.Switch() {
			return agent.Bool(v), nil
		}
	case int64, float64:
		var f float64
		if task.Switch() {
			break
		}
		if i, whole := v.(int64); whole {
			f = float64(i)
		} else {
			f = v.(float64)
		}
		return task.Parse(agent.Number(f).String())
	}
	return agent.Value{}, wants(want, value)
}

// outputInitial reads the first value.
func (s section) outputInitial(task *agent.OutputTask) agent.Value {
	if s.table["initial"] == "last" {
		task.Last = true
		return cmp.Or(task.Off, task.Safe)
	}
	return s.outputValue("initial", task)
}
