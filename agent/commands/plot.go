package commands

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/chart"
)

func (d *Device) plot() agent.Command {
	return agent.Command{
		Name:   "plot",
		Help:   "a picture of what up to six readings were",
		Needs:  agent.Viewer,
		Params: []agent.Param{d.plotNames(), spanParam()},
		Run:    d.runPlot,
	}
}

// plotNames asks for the readings of a picture.
func (d *Device) plotNames() agent.Param {
	return agent.Param{
		Name: "name", Label: "Readings", Help: "names of one to six readings, of at most two units",
		Kind: agent.ParamChoices, Choices: d.readings, Required: true,
	}
}

func (d *Device) runPlot(ctx context.Context, req agent.Request) (agent.Answer, error) {
	names, past, err := d.plotArgs(req.Args["name"], req.Args["span"])
	if err != nil {
		return agent.Answer{}, err
	}
	now := time.Now()
	p := chart.Plot{Title: d.Agent.Name + ", last " + spanWords(past)}
	var lines []string
	drawn := false
	for _, name := range names {
		t, err := d.trace(ctx, name, now, past)
		if err != nil {
			return agent.Answer{}, err
		}
		if t.Kind == agent.IsText {
			return agent.Answer{}, &agent.ParamError{Param: "name", Text: name + " is a text: only numbers, and what is on or off, can be drawn; \"history\" tells of it"}
		}
		lines = append(lines, historyText(name, past, t))
		p.From, p.To = t.From, t.To
		p.Series = append(p.Series, t.Series(name))
		p.Thresholds = append(p.Thresholds, d.thresholds(name)...)
		drawn = drawn || t.Count > 0
	}
	ans := agent.Answer{Text: strings.Join(lines, "\n")}
	if !drawn {
		return ans, nil
	}
	ans.File, err = picture(p, names)
	return ans, err
}

// picture draws p into a file named after the readings.
func picture(p chart.Plot, names []string) (*agent.File, error) {
	// A reading that has none in this time has no unit, and needs no axis.
	p.Series = slices.DeleteFunc(p.Series, func(s chart.Series) bool { return len(s.Points) == 0 })
	if units := plotUnits(p.Series); len(units) > chart.MaxUnits {
		return nil, &agent.ParamError{Param: "name", Text: fmt.Sprintf("these have %d units (%s), and a picture at most %d", len(units), strings.Join(units, ", "), chart.MaxUnits)}
	}
	var b bytes.Buffer
	if err := chart.PNG(&b, p); err != nil {
		return nil, err
	}
	what := "readings"
	if len(names) == 1 {
		what = names[0]
	}
	return &agent.File{Name: what + p.To.Local().Format("-20060102-1504.png"), Type: "image/png", Data: b.Bytes()}, nil
}

// plotUnits returns the units of series, those that a picture has an axis for.
func plotUnits(series []chart.Series) (units []string) {
	for _, s := range series {
		unit := s.Unit
		switch {
		case s.Switch:
			unit = "on and off"
		case unit == "":
			unit = "none"
		}
		if !slices.Contains(units, unit) {
			units = append(units, unit)
		}
	}
	return units
}

// plotArgs reads the arguments. In a chat line names may stand apart too, and
// then the span is the last word of what is left: "plot boiler outside 7d".
func (d *Device) plotArgs(name, span string) (names []string, past time.Duration, err error) {
	names = strings.Fields(name)
	words := strings.FieldsFunc(span, func(r rune) bool { return r == ',' || r == ' ' })
	for len(words) > 0 && slices.Contains(d.readings(), words[0]) {
		if !slices.Contains(names, words[0]) {
			names = append(names, words[0])
		}
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{spanParam().Default}
	}
	if len(names) > chart.MaxSeries {
		return nil, 0, &agent.ParamError{Param: "name", Text: fmt.Sprintf("%d readings, and a picture at most %d", len(names), chart.MaxSeries)}
	}
	past, err = parseSpan(strings.Join(words, " "))
	if err != nil && strings.Trim(words[0][:1], "0123456789") != "" { // a name that is not there
		_, err = d.plotNames().Check(words[0])
	}
	return names, past, err
}

func (d *Device) thresholds(name string) []chart.Threshold {
	if d.Thresholds == nil {
		return nil
	}
	list := slices.Clone(d.Thresholds(name))
	for i := range list {
		list[i].Series = name
	}
	return list
}
