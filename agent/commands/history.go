package commands

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/chart"
)

func (d *Device) history() agent.Command {
	return agent.Command{
		Name:  "history",
		Help:  "what a reading was: least, mean, greatest and last value, and its course",
		Needs: agent.Viewer,
		Params: []agent.Param{
			{Name: "name", Label: "Reading", Help: "name of the reading", Kind: agent.ParamChoice, Choices: d.readings, Required: true},
			spanParam(),
		},
		Run: d.runHistory,
	}
}

func (d *Device) runHistory(ctx context.Context, req agent.Request) (agent.Answer, error) {
	past, err := parseSpan(req.Args["span"])
	if err != nil {
		return agent.Answer{}, err
	}
	t, err := d.trace(ctx, req.Args["name"], time.Now(), past)
	if err != nil {
		return agent.Answer{}, err
	}
	return agent.Answer{Text: historyText(req.Args["name"], past, t)}, nil
}

// readings returns the names of the readings on the board.
func (d *Device) readings() []string {
	var names []string
	for _, r := range d.Agent.Board.All() {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}

// pageSize is how many readings are in memory at once.
const pageSize = 4096

// trace sums up a reading over the past until now.
func (d *Device) trace(ctx context.Context, name string, now time.Time, past time.Duration) (*chart.Trace, error) {
	isOutput := d.Outputs != nil && slices.Contains(d.outputNames(), name)
	to := now.Truncate(time.Millisecond).Add(time.Millisecond) // a reading of this millisecond counts
	t := chart.NewTrace(to.Add(-past), to, isOutput, d.usual(name))
	if err := eachReading(ctx, d.History, name, t.From, t.To, t.Add); err != nil {
		return nil, fmt.Errorf("history of %s: %w", name, err)
	}
	return t, nil
}

// usual returns how long it takes at most from one reading to the next while all
// is well: the interval of the sensor, or the heartbeat of a dead-band. 0 when
// the config does not tell.
func (d *Device) usual(name string) (longest time.Duration) {
	for _, t := range d.Sensors {
		if agent.Match(t.Name, name) {
			longest = max(longest, t.Every)
		}
	}
	if d.Fields == nil {
		return longest
	}
	for _, r := range d.Fields.Rules {
		if agent.Match(r.Glob, name) && (r.Heartbeat > 0 || r.Change != nil) {
			longest = max(longest, cmp.Or(r.Heartbeat, agent.DefaultHeartbeat))
		}
	}
	return longest
}

// eachReading calls fn with the readings in [from, to) in the order of time,
// however many there are: what is more than a page is asked for in halves. Of
// more than a page in one millisecond only that page is read.
func eachReading(ctx context.Context, h agent.History, name string, from, to time.Time, fn func(agent.Reading)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	page, err := h.Range(name, from, to, pageSize)
	if err != nil {
		return err
	}
	if len(page) == pageSize && to.Sub(from) >= 2*time.Millisecond {
		middle := from.Add((to.Sub(from) / 2).Truncate(time.Millisecond)) // the times of a record are whole milliseconds
		if err := eachReading(ctx, h, name, from, middle, fn); err != nil {
			return err
		}
		return eachReading(ctx, h, name, middle, to, fn)
	}
	slices.SortStableFunc(page, func(a, b agent.Reading) int { return a.Time.Compare(b.Time) })
	for _, r := range page {
		fn(r)
	}
	return nil
}

// historyText writes what a reading was, for people.
func historyText(name string, past time.Duration, t *chart.Trace) string {
	at := func(when time.Time) string { return when.Local().Format(timeLayout(past)) }
	lines := []string{fmt.Sprintf("%s, last %s: %s.", name, spanWords(past), course(t, at))}
	if t.Changes > 0 && t.Kind != agent.IsText {
		lines = append(lines, at(t.From)+" "+t.Spark()+" "+at(t.To))
	}
	return strings.Join(append(lines, evidence(t)), "\n")
}

// timeLayout is how a moment is written that lies within some past.
func timeLayout(past time.Duration) string {
	switch {
	case past <= 5*time.Minute:
		return "15:04:05"
	case past <= 24*time.Hour:
		return "15:04"
	case past <= 180*24*time.Hour:
		return "2 Jan 15:04"
	}
	return "2 Jan 2006"
}

// course says what the values were, without a period.
func course(t *chart.Trace, at func(time.Time) string) string {
	show := func(r agent.Reading) string {
		return cell(agent.Reading{Value: tidy(r.Value, r.Unit), Unit: r.Unit}.Display())
	}
	bare := func(r agent.Reading) string { return strings.TrimSuffix(show(r), " "+r.Unit) }
	number := func(f float64) agent.Reading { return agent.Reading{Value: agent.Number(f), Unit: t.Unit} }
	switch {
	case t.Count == 0:
		return "no readings"
	case t.Kind == agent.IsBool:
		return fmt.Sprintf("on for %.0f %% of the time, %s, %s since %s", 100*t.Mean(), count(t.Changes, "change"), onOff(t.Last), at(t.Since))
	case t.Kind == agent.IsText:
		return fmt.Sprintf("%s, last %q since %s", count(t.Changes, "change"), show(t.Last), at(t.Since))
	case t.Changes == 0:
		return "always " + show(t.Last)
	case t.Counts():
		return fmt.Sprintf("%s more, from %s to %s", show(number(t.Rise)), bare(t.First), show(t.Last))
	}
	return fmt.Sprintf("min %s at %s, mean %s, max %s at %s, last %s",
		show(t.Min), at(t.Min.Time), bare(number(t.Mean())), bare(t.Max), at(t.Max.Time), show(t.Last))
}

// tidy rounds a number to four digits where its unit does not say how many are shown.
func tidy(v agent.Value, unit string) agent.Value {
	f, _ := v.Float()
	if _, known := agent.LookupUnit(unit); known || f == 0 {
		return v
	}
	return v.Round(max(0, min(9, 3-int(math.Floor(math.Log10(math.Abs(f)))))))
}

func onOff(r agent.Reading) string {
	if on, _ := r.Value.Bool(); on {
		return "on"
	}
	return "off"
}

// evidence says how many readings there were and what is missing.
func evidence(t *chart.Trace) string {
	parts := []string{count(t.Count, "reading")}
	switch n, longest := t.Gaps(); {
	case n == 1:
		parts = append(parts, "1 gap of "+span(longest))
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d gaps, the longest of %s", n, span(longest)))
	}
	if quiet := t.Quiet(); quiet >= time.Second {
		parts = append(parts, "none for the last "+span(quiet))
	}
	if t.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", t.Failed))
	}
	if t.Earlier > 0 {
		parts = append(parts, fmt.Sprintf("%d of another unit or kind before are left out", t.Earlier))
	}
	return strings.Join(parts, ", ") + "."
}
