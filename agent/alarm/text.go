package alarm

import (
	"fmt"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

const maxNames = 3 // readings in one line

// clock writes a time as people say it, in local time: with the day when it is
// another one. A time of this process is right even when the clock was set since.
func clock(t, now time.Time) string {
	t = now.Add(-now.Sub(t)).Local()
	if n := now.Local(); t.YearDay() == n.YearDay() && t.Year() == n.Year() {
		return t.Format("15:04")
	}
	return t.Format("2 Jan 15:04")
}

// lasted writes a length of time in two units at most.
func lasted(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// shortName is the local part of a JID: who that is in a house.
func shortName(jid string) string {
	if name, _, ok := strings.Cut(jid, "@"); ok && name != "" {
		return name
	}
	if jid == "" {
		return "somebody at the device"
	}
	return jid
}

// readings writes what the rule looks at: "boiler is 85.2 °C, fan is off".
func (p *Pager) readings(d *desk) string {
	var parts []string
	names := d.names()
	for i, name := range names {
		if i == maxNames {
			parts = append(parts, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		parts = append(parts, p.reading(name))
	}
	return strings.Join(parts, ", ")
}

func (p *Pager) reading(name string) string {
	r, ok := p.seen[name]
	switch {
	case !ok:
		return name + " has no reading"
	case r.OK():
		return name + " is " + Word(r)
	case r.Reason != "":
		return fmt.Sprintf("%s is %s (%s)", name, r.Quality, r.Reason)
	}
	return name + " is " + r.Quality.String()
}

// Word writes a reading for people: a switch is on or off, and one without a
// good value is what is the matter with it.
func Word(r agent.Reading) string {
	on, isSwitch := r.Value.Bool()
	switch {
	case !r.OK():
		return r.Quality.String()
	case !isSwitch:
		return r.Display()
	case on:
		return "on"
	}
	return "off"
}

// saying is the middle of a line: the words of the config, or the readings.
func (p *Pager) saying(d *desk, now time.Time) string {
	if d.Say == "" {
		return p.readings(d)
	}
	name := d.names()[0]
	r := p.seen[name]
	v := Values{Name: name, Value: Word(r), Unit: r.Unit, Rule: d.Name, Level: d.Level.String(), Time: clock(now, now)}
	if r.OK() {
		v.Value = strings.TrimSpace(strings.TrimSuffix(v.Value, r.Unit))
	}
	inc := d.machine.Incident()
	if v.Since = clock(inc.Since, now); inc.Active() {
		v.Since = clock(inc.Fired, now)
	}
	return Say(d.Say, v)
}

// firedLine is what people read when a rule fires.
func (p *Pager) firedLine(d *desk, now time.Time) string {
	inc := d.machine.Incident()
	at := " at " + clock(inc.Fired, now)
	if d.Say != "" {
		at = ""
	}
	return line(d.Level.String(), d.Name, p.saying(d, now)+at, inc.Number)
}

func (p *Pager) stillLine(d *desk, now time.Time) string {
	inc := d.machine.Incident()
	return line(d.Level.String(), d.Name, "still: "+p.saying(d, now)+", since "+clock(inc.Fired, now), inc.Number)
}

func (p *Pager) resolvedLine(d *desk, e rule.Event, now time.Time) string {
	return line("resolved", d.Name, p.readings(d)+", after "+lasted(now.Sub(e.Since)), e.Number)
}

func flappingLine(e rule.Event) string {
	return line(e.Level.String(), e.Rule, fmt.Sprintf("comes and goes, %d times within an hour; I say no more until it has been quiet for an hour", e.Count), e.Number)
}

func calmedLine(e rule.Event) string {
	return line("info", e.Rule, fmt.Sprintf("nothing for an hour, after it had fired %d times", e.Count), 0)
}

// line writes a line of at most agent.MaxText bytes, with the number of the
// firing at its end whatever is cut.
func line(level, name, text string, number uint64) string {
	end := ""
	if number > 0 {
		end = fmt.Sprintf(" #%d", number)
	}
	s := "[" + level + "] " + name + ": " + strings.Join(strings.Fields(text), " ")
	if most := agent.MaxText - len(end); len(s) > most {
		s = strings.ToValidUTF8(s[:most-len("…")], "") + "…"
	}
	return s + end
}
