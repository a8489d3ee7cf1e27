package commands

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

func (d *Device) outputs() agent.Command {
	return agent.Command{
		Name:  "outputs",
		Help:  "the outputs, what they are set to, since when, and what keeps them so",
		Needs: agent.Viewer,
		Run:   d.runOutputs,
	}
}

func (d *Device) runOutputs(context.Context, agent.Request) (agent.Answer, error) {
	states := d.Outputs.States()
	ans := agent.Answer{Text: count(len(states), "output") + ".", Columns: []string{"Output", "State", "Since", "Notes"}}
	for _, st := range states {
		since := "never"
		if !st.Since.IsZero() {
			since = ago(time.Since(st.Since))
		}
		ans.Rows = append(ans.Rows, []string{st.Name, cell(st.Text), since, cell(outputNotes(st, time.Now()))})
	}
	return ans, nil
}

// outputNotes tells what will change an output, or keeps it from being changed.
func outputNotes(st agent.OutputState, now time.Time) string {
	var notes []string
	if st.Held != "" {
		notes = append(notes, "held safe: "+st.Held)
	}
	if !st.Until.IsZero() {
		note := "off in " + left(st.Until.Sub(now))
		if st.MaxOn {
			note += " (max_on)"
		}
		notes = append(notes, note)
	}
	if rest := st.Locked.Sub(now); rest > 0 {
		rule := "off for %s more (min_off)"
		if st.On {
			rule = "on for %s more (min_on)"
		}
		notes = append(notes, fmt.Sprintf(rule, left(rest)))
	}
	return strings.Join(notes, ", ")
}

// left writes how long something will last yet.
func left(d time.Duration) string { return span(max(time.Second, d.Round(time.Second))) }

// outputAnswer tells the state that a command led to: "pump: on, until 17:20 (10m)."
func outputAnswer(st agent.OutputState, err error) (agent.Answer, error) {
	if err != nil {
		return agent.Answer{}, err
	}
	text := st.Name + ": " + cell(st.Text)
	if !st.Until.IsZero() {
		rest := time.Until(st.Until)
		clock := "15:04"
		switch {
		case rest < 2*time.Minute:
			clock = "15:04:05"
		case rest > 20*time.Hour:
			clock = "2006-01-02 15:04"
		}
		note := every(max(rest.Round(time.Second), time.Second))
		if st.MaxOn {
			note += ", max_on"
		}
		text += fmt.Sprintf(", until %s (%s)", st.Until.Format(clock), note)
	}
	return agent.Answer{Text: text + "."}, nil
}

// outputParam asks for an output.
func (d *Device) outputParam() agent.Param {
	return agent.Param{
		Name: "output", Label: "Output", Help: "name of the output",
		Kind: agent.ParamChoice, Choices: d.outputNames, Required: true,
	}
}

func (d *Device) outputNames() []string {
	var names []string
	for _, t := range d.Outputs.Tasks {
		names = append(names, t.Name)
	}
	return names
}

// forParam asks for a duration. In a chat line its own name may stand before
// the value, as people write it: "set pump on for 10m".
func forParam(help string) agent.Param {
	return agent.Param{Name: "for", Label: "Duration", Help: help, Rest: true}
}

// maxFor is the longest time that a command may switch something on for.
const maxFor = 366 * 24 * time.Hour

// length reads the value of forParam; 0 when it is not given.
func length(req agent.Request) (time.Duration, error) {
	text := req.Args["for"]
	if text == "" {
		return 0, nil
	}
	d, ok := duration(text)
	if !ok || d <= 0 || d > maxFor {
		return 0, &agent.ParamError{Param: "for", Text: fmt.Sprintf("%q is not a duration: write a number and a unit, such as 30s, 10m or 1h30m", cell(text))}
	}
	return d, nil
}

var timeUnits = []struct {
	names string
	unit  time.Duration
}{
	{" ms millisecond milliseconds ", time.Millisecond},
	{" s sec secs second seconds ", time.Second},
	{" m min mins minute minutes ", time.Minute},
	{" h hour hours ", time.Hour},
	{" d day days ", 24 * time.Hour},
}

// duration reads what people write: 10m, 1h30m, 10 min, for 2 hours. Each unit
// stands once, the greater ones first.
func duration(s string) (total time.Duration, ok bool) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) > 0 && words[0] == "for" {
		words = words[1:]
	}
	rest, last := strings.Join(words, ""), len(timeUnits)
	for rest != "" {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))]
		rest = rest[len(number):]
		name := rest[:cmp.Or(max(0, strings.IndexAny(rest, "0123456789.")), len(rest))]
		rest = rest[len(name):]
		f, err := strconv.ParseFloat(number, 64)
		i := unitOf(name)
		if err != nil || i < 0 || i >= last || f*float64(timeUnits[i].unit) > float64(maxFor) {
			return 0, false
		}
		total, last = total+time.Duration(f*float64(timeUnits[i].unit)), i
	}
	return total, last < len(timeUnits)
}

func unitOf(name string) int {
	for i, u := range timeUnits {
		if name != "" && strings.Contains(u.names, " "+name+" ") {
			return i
		}
	}
	return -1
}
