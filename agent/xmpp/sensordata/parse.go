package sensordata

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

// Bounds of a payload that is read.
const (
	MaxFields  = 4096
	maxPayload = 1 << 20 // bytes
	maxName    = 256     // bytes, of a field with its node
	maxReason  = 1024    // bytes; the rest is cut
	maxUnit    = 32      // bytes; the rest is cut
)

// Meta is what a snapshot says of the device. What it does not say is zero.
type Meta struct {
	Seq      uint64
	Boot     string
	Interval time.Duration
	Time     time.Time // of the snapshot
}

type xmlField struct {
	XMLName xml.Name
	Name    string `xml:"n,attr"`
	Value   string `xml:"v,attr"`
	Unit    string `xml:"u,attr"`
	Missing string `xml:"ms,attr"`
	Error   string `xml:"er,attr"`
	Warning string `xml:"w,attr"`
	Offset  string `xml:"of,attr"`
	Text    string `xml:",chardata"` // of err
}

type xmlTime struct {
	Time   string     `xml:"v,attr"`
	Fields []xmlField `xml:",any"`
}

type xmlResp struct {
	XMLName xml.Name
	Times   []xmlTime `xml:"ts"`
	Nodes   []struct {
		ID    string    `xml:"id,attr"`
		Times []xmlTime `xml:"ts"`
	} `xml:"nd"`
}

// Parse reads a payload in any of the namespaces. Readings come in the order
// of the payload; what Encode wrote comes back the same, to the millisecond.
// The names of other devices may be no names of ours: a field of a node is
// named NODE.FIELD, and nothing else is checked but the length. A payload that
// is malformed or exceeds a bound is an error as a whole.
func Parse(payload []byte) ([]agent.Reading, Meta, error) {
	var meta Meta
	if len(payload) > maxPayload {
		return nil, meta, fmt.Errorf("sensor data of %d bytes: at most %d are read", len(payload), maxPayload)
	}
	var v xmlResp
	if err := xml.Unmarshal(payload, &v); err != nil {
		return nil, meta, fmt.Errorf("sensor data: %w", err)
	}
	if v.XMLName.Local != "resp" || !slices.Contains(Namespaces, v.XMLName.Space) {
		return nil, meta, fmt.Errorf("%.64q in %.64q is no sensor data", v.XMLName.Local, v.XMLName.Space)
	}
	p := parser{meta: &meta}
	err := p.times("", v.Times)
	for _, n := range v.Nodes {
		if err == nil {
			err = p.times(n.ID, n.Times)
		}
	}
	if err != nil {
		return nil, Meta{}, fmt.Errorf("sensor data: %w", err)
	}
	return p.readings, meta, nil
}

type parser struct {
	readings []agent.Reading
	fields   int
	meta     *Meta
}

func (p *parser) times(node string, times []xmlTime) error {
	for _, ts := range times {
		at, err := parseTime(ts.Time)
		if err != nil {
			return err
		}
		if p.fields += len(ts.Fields); p.fields > MaxFields {
			return fmt.Errorf("more than %d fields", MaxFields)
		}
		errs := errorTexts(ts.Fields)
		for _, f := range ts.Fields {
			if f.XMLName.Local == "err" || p.status(f, at) {
				continue
			}
			if err := p.reading(node, f, at, errs[f.Name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// status takes the fields that tell about the device.
func (p *parser) status(f xmlField, at time.Time) bool {
	switch f.XMLName.Local + " " + f.Name {
	case "i " + fieldSeq:
		seq, err := strconv.ParseUint(f.Value, 10, 31)
		if err != nil {
			return false
		}
		p.meta.Seq = seq
	case "s " + fieldBoot:
		p.meta.Boot = f.Value
	case "dr " + fieldInterval:
		d, err := parseDuration(f.Value)
		if err != nil {
			return false
		}
		p.meta.Interval = d
	default:
		return false
	}
	p.meta.Time = at
	return true
}

// reading adds a field. A type that the schema does not define is left out:
// it may come with a later version.
func (p *parser) reading(node string, f xmlField, at time.Time, errText string) error {
	name := f.Name
	if node != "" {
		name = node + "." + name
	}
	if f.Name == "" || len(name) > maxName {
		return fmt.Errorf("a field's name of %d bytes: 1 to %d are allowed", len(name), maxName)
	}
	r := agent.Reading{Name: name, Time: at, Unit: unitOf(f.Unit)}
	switch f.XMLName.Local {
	case "q", "i", "l":
		if n, err := strconv.ParseFloat(f.Value, 64); err == nil {
			r.Value = agent.Number(n)
		}
	case "b":
		switch f.Value {
		case "true", "1":
			r.Value = agent.Bool(true)
		case "false", "0":
			r.Value = agent.Bool(false)
		}
	case "s", "e", "d", "dt", "dr", "t":
		r.Value = agent.Text(f.Value)
	default:
		return nil
	}
	r.Quality, r.Reason = quality(f, errText)
	switch {
	case r.Quality >= agent.Fault:
		r.Value = agent.Value{}
	case r.Value.Kind() == agent.None:
		r.Quality, r.Reason = agent.Fault, cut(fmt.Sprintf("%q is no value of type %s", f.Value, f.XMLName.Local), maxReason)
	}
	p.readings = append(p.readings, r)
	return nil
}

// quality joins the flags of a field with the text of its error: the flags
// decide whether there is a value, the text is finer.
func quality(f xmlField, errText string) (agent.Quality, string) {
	q := agent.Good
	switch {
	case isTrue(f.Missing) && isTrue(f.Error):
		q = agent.Fault
	case isTrue(f.Missing):
		q = agent.Missing
	case isTrue(f.Error), isTrue(f.Warning), isTrue(f.Offset):
		q = agent.Uncertain
	}
	word, reason, _ := strings.Cut(errText, ": ")
	told, ok := agent.ParseQuality(word)
	switch {
	case !ok || told == agent.Good || q == agent.Good: // not ours
		reason = errText
	case (told >= agent.Fault) == (q >= agent.Fault):
		q = told
	}
	if q == agent.Good {
		return q, "" // an error that the flags say nothing of does not spoil the value
	}
	return q, cut(reason, maxReason)
}

// errorTexts returns what the errors of one time say, by field.
func errorTexts(fields []xmlField) map[string]string {
	var texts map[string]string
	for _, f := range fields {
		if f.XMLName.Local != "err" {
			continue
		}
		name, text, _ := strings.Cut(f.Text, ": ")
		if texts == nil {
			texts = make(map[string]string)
		}
		if _, ok := texts[name]; !ok {
			texts[name] = text
		}
	}
	return texts
}

func unitOf(s string) string {
	if u, ok := agent.LookupUnit(s); ok {
		return u.Symbol
	}
	return cut(s, maxUnit)
}

func isTrue(s string) bool { return s == "true" || s == "1" }

func cut(s string, size int) string {
	if len(s) > size {
		s = strings.ToValidUTF8(s[:size], "")
	}
	return s
}
