package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pipit/agent"
)

// value reads one value of a payload. The words v.On and v.Off come first and
// are exact, so that On "false" turns a contact that says false when it is
// open. With a unit the value has to be a number, with or without that unit
// behind it. The errors are for people and bounded.
func value(v agent.ImportValue, payload []byte) (agent.Value, error) {
	text, err := textAt(payload, v.Path)
	switch {
	case err != nil:
		return agent.Value{}, err
	case v.Unit != "":
		return measured(text, v.Unit)
	case v.On != "" && text == v.On:
		return agent.Bool(true), nil
	case v.Off != "" && text == v.Off:
		return agent.Bool(false), nil
	}
	if b, ok := truth(text); ok {
		return agent.Bool(b), nil
	}
	if numeric(text) {
		return number(text)
	}
	return words(text)
}

// textAt returns the payload, or the value at a path of it, as trimmed text
// that is not empty and not null.
func textAt(payload []byte, path string) (string, error) {
	text, name := string(payload), "the payload"
	if path != "" {
		x, err := lookup(payload, path)
		if err != nil {
			return "", err
		}
		if text, name = "null", path; x != nil {
			text = fmt.Sprint(x) // a json.Number as it stands there
		}
	}
	switch text = strings.TrimSpace(text); text {
	case "":
		return "", errors.New(name + " is empty")
	case "null":
		return "", errors.New(name + " is null")
	}
	return text, nil
}

func truth(text string) (b, ok bool) {
	switch strings.ToLower(text) {
	case "on", "true", "yes":
		return true, true
	case "off", "false", "no":
		return false, true
	}
	return false, false
}

const decimal = "0123456789+-.eE"

// numeric tells whether a text is meant as a number, be it a good one or not:
// "nan" of an ESPHome sensor without a value and "21,5" are no texts to publish.
func numeric(text string) bool {
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		return true
	}
	_, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	return strings.Trim(text, decimal+",") == "" && (err == nil || errors.Is(err, strconv.ErrRange))
}

func number(text string) (agent.Value, error) {
	if strings.Trim(text, decimal) != "" {
		if numeric(text) && strings.Contains(text, ",") {
			return agent.Value{}, fmt.Errorf("%.40q has a comma, a number needs a dot", text)
		}
		return agent.Value{}, fmt.Errorf("%.40q is not a number", text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) {
		return agent.Value{}, fmt.Errorf("%.40q is too large", text)
	}
	if err != nil {
		return agent.Value{}, fmt.Errorf("%.40q is not a number", text)
	}
	return agent.Number(f), nil
}

// measured reads a number that may have its unit behind it.
func measured(text, unit string) (agent.Value, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(decimal, r) })
	if end > 0 {
		behind := strings.TrimSpace(text[end:])
		if u, ok := agent.LookupUnit(behind); ok {
			if u.Symbol != unit {
				return agent.Value{}, fmt.Errorf("%.40q is not in %s", text, unit)
			}
			text = text[:end]
		}
	}
	return number(text)
}

func words(text string) (agent.Value, error) {
	switch {
	case len(text) > agent.MaxText:
		return agent.Value{}, fmt.Errorf("the text has %d bytes, at most %d are allowed", len(text), agent.MaxText)
	case !utf8.ValidString(text):
		return agent.Value{}, errors.New("the text is not UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		return agent.Value{}, errors.New("the text has control characters")
	}
	return agent.Text(text), nil
}

// layouts are the forms of ISO 8601 that devices write; without a zone
// (Tasmota) it is this board's local time.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"}

// stamp reads the time of a payload: RFC 3339, ISO 8601 in this board's local
// time, or Unix seconds or milliseconds as a number or a text. A time before
// 2000 is that of a clock not set, and one more than a minute after now is wrong.
func stamp(payload []byte, path string, now time.Time) (time.Time, error) {
	x, err := lookup(payload, path)
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	switch x := x.(type) {
	case json.Number:
		t, err = unix(x.String())
	case string:
		t, err = timeOf(strings.TrimSpace(x))
	default:
		err = errors.New("there is no time at " + path)
	}
	switch {
	case err != nil:
		return time.Time{}, err
	case t.Year() < 2000:
		return time.Time{}, fmt.Errorf("%s is a time before 2000", path)
	case t.After(now.Add(time.Minute)):
		return time.Time{}, fmt.Errorf("%s is a time in the future", path)
	}
	return t, nil
}

func timeOf(text string) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return unix(text)
}

// unix reads seconds, or milliseconds where seconds would be after the year 5000.
func unix(text string) (time.Time, error) {
	v, err := number(text)
	f, _ := v.Float()
	if err != nil || math.Abs(f) >= 1e14 {
		return time.Time{}, fmt.Errorf("%.40q is not a time", text)
	}
	if math.Abs(f) < 1e11 {
		f *= 1000
	}
	return time.UnixMilli(int64(math.Round(f))), nil
}
