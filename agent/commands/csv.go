package commands

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
)

func (d *Device) csv() agent.Command {
	span := spanParam()
	span.Default = "7d"
	return agent.Command{
		Name:  "csv",
		Help:  "the recorded values of a reading as a table for other programs",
		Needs: agent.Viewer,
		Params: []agent.Param{
			{Name: "name", Label: "Reading", Help: "name of the reading", Kind: agent.ParamChoice, Choices: d.readings, Required: true},
			span,
		},
		Run: d.runCSV,
	}
}

func (d *Device) runCSV(ctx context.Context, req agent.Request) (agent.Answer, error) {
	past, err := parseSpan(req.Args["span"])
	if err != nil {
		return agent.Answer{}, err
	}
	name, now := req.Args["name"], time.Now()
	data, n, full, err := d.table(ctx, name, now.Add(-past), now.Add(time.Millisecond), agent.MaxFile)
	if err != nil {
		return agent.Answer{}, fmt.Errorf("the record of %s: %w", name, err)
	}
	text := fmt.Sprintf("%s of %s, last %s.", count(n, "reading"), name, spanWords(past))
	if n == 0 {
		return agent.Answer{Text: text}, nil
	}
	if full {
		text += fmt.Sprintf(" The newest are left out: a file has at most %d MiB, ask for less.", agent.MaxFile>>20)
	}
	return agent.Answer{Text: text, File: &agent.File{Name: name + now.Local().Format("-20060102-1504.csv"), Type: "text/csv", Data: data}}, nil
}

// table writes the readings in [from, to) as RFC 4180 has it, oldest first; full:
// there are more than fit into most bytes.
func (d *Device) table(ctx context.Context, name string, from, to time.Time, most int) (data []byte, n int, full bool, err error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write([]string{"time", "value", "unit", "quality"}) // a Buffer takes all
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = eachReading(ctx, d.History, name, from, to, func(r agent.Reading) {
		if full {
			return
		}
		before := b.Len()
		_ = w.Write(csvRow(r))
		if w.Flush(); b.Len() > most {
			b.Truncate(before)
			full = true
			stop() // the rest need not be read
			return
		}
		n++
	})
	if full {
		err = nil
	}
	return b.Bytes(), n, full, err
}

func csvRow(r agent.Reading) []string {
	value := r.Value.String()
	if r.Value.Kind() == agent.IsText {
		value = inert(value)
	}
	return []string{agent.Stamp(r.Time), value, r.Unit, r.Quality.String()}
}

// inert puts an apostrophe before a text that a spreadsheet would run as a formula.
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
