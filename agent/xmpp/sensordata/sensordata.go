// Package sensordata writes readings as urn:nf:iot:sd:1.0 and reads them back
// (the sensor data of Neuro-Foundation, which took the place of XEP-0323).
//
// A reading becomes a field of the time it was taken at: q for a number, b for
// a truth value, s for a text. Quality is told twice, by flags that the schema
// defines and by an err element beside the field that keeps what the flags
// cannot tell apart:
//
//	good       ar
//	uncertain  ar w       (of as well when the clock is to blame)  "NAME: uncertain: REASON"
//	stale      ar w                                                "NAME: stale: REASON"
//	fault      ms er      q of value 0                             "NAME: fault: REASON"
//	missing    ms         q of value 0                             "NAME: missing: REASON"
package sensordata

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/wire"
)

// NS is the namespace that is published: the one that programs in use send.
const NS = "urn:nf:iot:sd:1.0"

// Namespaces lists all spellings that are understood, NS first.
var Namespaces = []string{NS, "urn:nfi:iot:sd:1.0", "urn:ieee:iot:sd:1.0"}

// Options is what goes into a payload besides readings. What is zero is left out.
type Options struct {
	Namespace string // "" is NS
	ID        string // of the request that is answered

	// Of a snapshot, for readers that want to notice gaps, restarts and silence:
	Seq      uint64        // counts snapshots; told modulo 2^31
	Boot     string        // differs after each start of the device
	Interval time.Duration // the longest time until the next snapshot
	Time     time.Time     // of the snapshot
}

// Encode writes readings as one <resp/> element, the oldest time first, and
// within one time in the order given.
func Encode(readings []agent.Reading, o Options) []byte {
	if o.Namespace == "" {
		o.Namespace = NS
	}
	if len(readings) > 1 {
		readings = slices.Clone(readings)
		slices.SortStableFunc(readings, func(x, y agent.Reading) int { return cmp.Compare(millis(x.Time), millis(y.Time)) })
	}
	b := make([]byte, 0, 128+160*len(readings))
	b = append(b, "<resp"...)
	b = attr(b, "xmlns", o.Namespace)
	b = attr(b, "id", o.ID)
	b = append(b, '>')
	for i, r := range readings {
		if i == 0 || millis(r.Time) != millis(readings[i-1].Time) {
			b = openTime(b, i > 0, r.Time)
		}
		b = appendReading(b, r)
	}
	b = o.appendStatus(b, readings)
	if len(readings) > 0 || o.hasStatus() {
		b = append(b, "</ts>"...)
	}
	return append(b, "</resp>"...)
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// openTime starts a <ts/> and ends the one before it.
func openTime(b []byte, open bool, t time.Time) []byte {
	if open {
		b = append(b, "</ts>"...)
	}
	b = append(b, "<ts v='"...)
	b = t.UTC().AppendFormat(b, agent.TimeFormat)
	return append(b, "'>"...)
}

// Names of the fields that tell about the device. A reading's name has no
// capitals, so there is no mistaking them.
const (
	fieldSeq      = "Seq"
	fieldBoot     = "Boot"
	fieldInterval = "Interval"
)

func (o Options) hasStatus() bool { return o.Seq != 0 || o.Boot != "" || o.Interval != 0 }

// appendStatus writes the fields about the device, into the <ts/> that is open
// if it has the snapshot's time.
func (o Options) appendStatus(b []byte, sorted []agent.Reading) []byte {
	if !o.hasStatus() {
		return b
	}
	n := len(sorted)
	if n == 0 || millis(sorted[n-1].Time) != millis(o.Time) {
		b = openTime(b, n > 0, o.Time)
	}
	if o.Seq != 0 {
		b = field(b, "i", fieldSeq, strconv.FormatUint(o.Seq&0x7fffffff, 10), " s='true'/>")
	}
	if o.Boot != "" {
		b = field(b, "s", fieldBoot, o.Boot, " s='true'/>")
	}
	if o.Interval != 0 {
		b = field(b, "dr", fieldInterval, duration(o.Interval), " i='true'/>")
	}
	return b
}

func field(b []byte, element, name, value, rest string) []byte {
	b = append(b, '<')
	b = append(b, element...)
	b = attr(b, "n", name)
	b = attr(b, "v", value)
	return append(b, rest...)
}

func appendReading(b []byte, r agent.Reading) []byte {
	if r.Value.Kind() == agent.None && r.Quality < agent.Fault {
		r.Quality, r.Reason = agent.Fault, "no value" // never a good zero
	}
	element, value := "q", "0"
	switch r.Value.Kind() {
	case agent.IsBool:
		element = "b"
	case agent.IsText:
		element = "s"
	}
	if r.Value.Kind() != agent.None {
		value = r.Value.String()
	}
	b = field(b, element, r.Name, value, "")
	if u := sensorUnit(r.Unit); u != "" && element == "q" {
		b = attr(b, "u", u)
	}
	b = append(b, " m='true'"...)
	b = append(b, flags(r)...)
	b = append(b, "/>"...)
	if r.Quality == agent.Good {
		return b
	}
	b = append(b, "<err>"...)
	b = wire.Escape(b, r.Name+": "+r.Quality.String())
	if r.Reason != "" {
		b = wire.Escape(b, ": "+r.Reason)
	}
	return append(b, "</err>"...)
}

func flags(r agent.Reading) string {
	switch r.Quality {
	case agent.Good:
		return " ar='true'"
	case agent.Fault:
		return " ms='true' er='true'"
	case agent.Missing:
		return " ms='true'"
	case agent.Uncertain:
		if strings.Contains(r.Reason, "clock") {
			return " ar='true' of='true' w='true'"
		}
	}
	return " ar='true' w='true'"
}

// sensorUnit is a unit of the table as sensor data spells it.
func sensorUnit(symbol string) string {
	if u, ok := agent.LookupUnit(symbol); ok && u.SensorData != "" {
		return u.SensorData
	}
	return symbol
}

// attr writes an attribute that must stand there even when it is empty.
func attr(b []byte, key, value string) []byte {
	if value != "" {
		return wire.Attr(b, key, value)
	}
	b = append(b, ' ')
	b = append(b, key...)
	return append(b, "=''"...)
}
