package config

import (
	"errors"
	"slices"
	"strings"
)

// checkTopic tells whether a text may be a topic (MQTT 3.1.1 section 4.7): no
// wildcards here, and no empty levels.
func checkTopic(topic string) error {
	if strings.ContainsAny(topic, "+#\x00") {
		return errors.New("has a + or #, which stand for many topics")
	}
	return checkFilter(topic)
}

// checkFilter tells whether a text may be a topic filter.
func checkFilter(filter string) error {
	if strings.HasPrefix(filter, "$") && !strings.HasPrefix(filter, "$SYS/") {
		return errors.New("begins with a $: that is not for topics of devices") // $share would get round the check for loops
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		switch {
		case l == "" && (i > 0 || len(levels) == 1):
			return errors.New("has an empty level")
		case strings.Contains(l, "+") && l != "+", strings.Contains(l, "#") && (l != "#" || i < len(levels)-1):
			return errors.New("has a + or # that is no level of its own, or a # that is not the last")
		case strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
			return errors.New("has signs that a topic cannot have")
		}
	}
	if len(filter) > 256 {
		return errors.New("has more than 256 bytes")
	}
	return nil
}

// overlaps tells whether two filters can match one topic.
func overlaps(a, b string) bool {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range max(len(x), len(y)) {
		switch {
		case i < len(x) && x[i] == "#", i < len(y) && y[i] == "#":
			return true
		case i >= len(x):
			return false
		case i >= len(y):
			return false
		case x[i] != y[i] && x[i] != "+" && y[i] != "+":
			return false
		}
	}
	return true
}

// own returns the filters of what this device writes, or is told.
func (m *MQTT) own() []string {
	list := []string{m.Prefix + "/" + m.Device + "/#"}
	if m.HomeAssistant != "" {
		list = append(list, m.HomeAssistant+"/#")
	}
	return list
}

// loops tells which topics of this device a filter matches, "" for none.
func (m *MQTT) loops(filter string) string {
	i := slices.IndexFunc(m.own(), func(own string) bool { return overlaps(own, filter) })
	if i < 0 {
		return ""
	}
	return m.own()[i]
}
