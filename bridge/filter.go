package bridge

import "strings"

// match tells whether a message on topic belongs to a subscription to filter
// (MQTT 3.1.1 section 4.7), and what each wildcard stands for: one level for
// each +, and all the levels that are left for a #, "" where there are none.
// What is no filter or no topic matches nothing.
func match(filter, topic string) (wild []string, ok bool) {
	if topic == "" || strings.ContainsAny(topic, "+#") || reserved(filter, topic) {
		return nil, false
	}
	rest, more := topic, true // more: rest holds a level, which may be empty
	for filterMore := true; filterMore; {
		var want, level string
		want, filter, filterMore = strings.Cut(filter, "/")
		if want == "#" {
			return append(wild, rest), !filterMore
		}
		if !more {
			return nil, false
		}
		level, rest, more = strings.Cut(rest, "/")
		switch want {
		case "+":
			wild = append(wild, level)
		case level:
		default:
			return nil, false
		}
	}
	return wild, !more
}

// reserved tells that one of a and b begins with $ and the other with a
// wildcard, which does not stand for that (section 4.7.2).
func reserved(a, b string) bool {
	return wildcard(a) && strings.HasPrefix(b, "$") || wildcard(b) && strings.HasPrefix(a, "$")
}

func wildcard(s string) bool { return strings.HasPrefix(s, "+") || strings.HasPrefix(s, "#") }
