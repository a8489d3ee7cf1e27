package config

import (
	"fmt"
	"strings"

	"pipit/agent"
)

// fieldText says what is done with a field, step by step in their order.
func fieldText(f agent.Field) []string {
	var steps []string
	say := func(is bool, format string, args ...any) {
		if is {
			steps = append(steps, fmt.Sprintf(format, args...))
		}
	}
	say(f.Unit != "", "unit %s", f.Unit)
	say(len(f.Reject) > 0, "reject %s", strings.Trim(fmt.Sprint(f.Reject), "[]"))
	if f.Valid != nil {
		say(true, "valid %v to %v", f.Valid[0], f.Valid[1])
	}
	if f.Scale != nil {
		say(true, "scale %v", *f.Scale)
	}
	if f.Offset != nil {
		say(true, "offset %v", *f.Offset)
	}
	say(f.Points != nil, "%d points", len(f.Points))
	say(f.MaxStep > 0, "max_step %v", f.MaxStep)
	if f.Smooth != nil {
		say(true, "smooth %s", smoothText(*f.Smooth))
	}
	if f.Precision != nil {
		say(true, "precision %d", *f.Precision)
	}
	if f.Change != nil {
		say(true, "change %s", changeText(*f.Change))
	}
	say(f.Heartbeat > 0, "heartbeat %s", short(f.Heartbeat))
	say(f.Stale > 0, "stale after %s", short(f.Stale))
	if steps == nil {
		return []string{"as it is"}
	}
	return steps
}

func smoothText(s agent.Smooth) string {
	if s.Kind == "ema" {
		return fmt.Sprintf("ema, alpha %v", s.Alpha)
	}
	return fmt.Sprintf("%s of %d", s.Kind, s.Window)
}

func changeText(c agent.Change) string {
	if c.Percent {
		return fmt.Sprintf("%v%%", c.By)
	}
	return fmt.Sprint(c.By)
}
