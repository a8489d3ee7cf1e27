package bridge

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

// hear takes what an availability topic says and returns what is missing then.
func (s *source) hear(topic string, m message) (list []agent.Reading) {
	if _, ok := match(s.availability, topic); !ok {
		return nil
	}
	switch availability(m.payload) {
	case "online":
		delete(s.offline, topic)
		return nil
	case "offline":
		if len(s.offline) < maxNames {
			s.offline[topic] = true
		}
	default:
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.devices)) {
		d := s.devices[name]
		for n, v := range s.Values {
			if d.topic == topic && d.known[n] {
				list = append(list, d.away(v, m.now))
			}
		}
	}
	return list
}

// availability returns the word of an availability topic in lower case: plain,
// or the state in an object as zigbee2mqtt sends it.
func availability(payload []byte) string {
	word := string(payload)
	if state, err := lookup(payload, "state"); err == nil {
		word, _ = state.(string)
	}
	return strings.ToLower(strings.TrimSpace(word))
}

// availabilityFilter returns a filter for all availability topics of an import:
// a level with a placeholder is any level, and from one that stands for the #
// of the topic on it is anything.
func availabilityFilter(i agent.Import) string {
	rest := ""
	if strings.HasSuffix(i.Topic, "#") {
		rest = strconv.Itoa(strings.Count(i.Topic, "+") + 1)
	}
	levels := strings.Split(i.Availability, "/")
	for n, level := range levels {
		switch in := agent.Placeholders(level); {
		case rest != "" && slices.Contains(in, rest):
			return strings.Join(append(levels[:n], "#"), "/")
		case len(in) > 0:
			levels[n] = "+"
		}
	}
	return strings.Join(levels, "/")
}

func (d *device) away(v agent.ImportValue, now time.Time) agent.Reading {
	return agent.Faulty(d.reading(v), agent.Missing, now, d.name+" says that it is offline")
}
