package sensors

import (
	"context"

	"pipit/agent"
)

func execKind() Kind {
	return Kind{
		Name: "exec",
		Doc: "What a program of yours writes: a number, a text, a truth value, or JSON. There is no shell, the program " +
			"has only PATH, HOME and LANG in its environment, and it is run only if nobody else can change it.",
		Example: `[sensor.cellar]
kind = "exec"
run = ["/usr/local/bin/measure", "--once"] # whole path of the program, then its arguments, as they are
what = "json"       # or "number", "text", "bool": the first line
fields = { temperature = "main.temp", battery = "nodes[0].volt" } # name = JSON path; without it: every value there is
units = { temperature = "°C", battery = "V" } # of the unit table
unit = ""           # of what = "number"
`,
		New: newExec,
	}
}

type execConfig struct {
	Run    []string          `toml:"run"`
	What   string            `toml:"what"`
	Fields map[string]string `toml:"fields"`
	Units  map[string]string `toml:"units"`
	Unit   string            `toml:"unit"`
}

// execSensor implements agent.Sensor.
type execSensor struct {
	host *Host
	cfg  execConfig
	pick *picker // of JSON
}

func newExec(h *Host, decode func(any) error) (Built, error) {
	s := &execSensor{host: h, cfg: execConfig{What: "number"}}
	if err := decode(&s.cfg); err != nil {
		return Built{}, err
	}
	if err := s.check(); err != nil {
		return Built{}, err
	}
	if s.pick != nil {
		return Built{Sensor: s, Fields: s.pick.names()}, nil
	}
	return Built{Sensor: s, Fields: []string{""}}, nil
}

func (s *execSensor) check() error {
	var bad checker
	c := &s.cfg
	bad.argv("run", c.Run)
	bad.oneOf("what", c.What, "number", "json", "text", "bool")
	c.Unit = bad.unit("unit", c.Unit)
	if c.What == "json" {
		s.pick = bad.picker("", c.Fields, "", c.Units)
	} else if len(c.Fields)+len(c.Units) > 0 {
		bad.fail("fields", "fields and units are for what = \"json\"")
	}
	if c.What != "number" && c.Unit != "" {
		bad.fail("unit", "a unit is for what = \"number\"")
	}
	return bad.err()
}

// Read implements agent.Sensor.
func (s *execSensor) Read(ctx context.Context) ([]agent.Reading, error) {
	out, err := s.host.Run(ctx, s.cfg.Run, nil, maxStdout)
	if err != nil {
		return nil, err
	}
	if s.pick != nil {
		return s.pick.readings(out)
	}
	v, err := lineValue(s.cfg.What, out)
	if err != nil {
		return nil, err
	}
	return []agent.Reading{{Value: v, Unit: s.cfg.Unit}}, nil
}
