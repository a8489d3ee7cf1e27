package bridge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The cases without a name of a person are those of MQTT 3.1.1 section 4.7.
func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		filter, topic string
		ok            bool
		wild          []string
	}{
		{"sport/tennis/player1/#", "sport/tennis/player1", true, []string{""}},
		{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true, []string{"ranking"}},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true, []string{"score/wimbledon"}},
		{"sport/tennis/player1/#", "sport/tennis/player12", false, nil},
		{"sport/#", "sport", true, []string{""}},
		{"#", "a/b", true, []string{"a/b"}},
		{"#", "/", true, []string{"/"}},
		{"sport/tennis/+", "sport/tennis/player1", true, []string{"player1"}},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false, nil},
		{"sport/+", "sport", false, nil},
		{"sport/+", "sport/", true, []string{""}},
		{"sport/", "sport", false, nil},
		{"sport", "sport/", false, nil},
		{"+/+", "/finance", true, []string{"", "finance"}},
		{"/+", "/finance", true, []string{"finance"}},
		{"+", "/finance", false, nil},
		{"+/tennis/#", "sport/tennis/a/b", true, []string{"sport", "a/b"}},
		{"tele/+/SENSOR", "tele/pump/SENSOR", true, []string{"pump"}},
		{"tele/+/SENSOR", "tele/pump/STATE", false, nil},
		{"a/b", "a/b", true, nil},
		{"a/b", "A/b", false, nil},
		{"#", "$SYS/uptime", false, nil},
		{"+/monitor/Clients", "$SYS/monitor/Clients", false, nil},
		{"$SYS/#", "$SYS/a", true, []string{"a"}},
		{"$SYS/monitor/+", "$SYS/monitor/Clients", true, []string{"Clients"}},
		{"a/#", "a/$b", true, []string{"$b"}},
		{"a/#/b", "a/x/b", false, nil}, // no filter
		{"+", "", false, nil},
		{"", "", false, nil},
		{"", "/", false, nil},
		{"+", "+", false, nil}, // no topic
		{"#", "a/#", false, nil},
	} {
		wild, ok := match(tt.filter, tt.topic)
		if diff := cmp.Diff(tt.wild, wild); ok != tt.ok || ok && diff != "" {
			t.Errorf("match(%q, %q) = %q, %v, want %q, %v", tt.filter, tt.topic, wild, ok, tt.wild, tt.ok)
		}
	}
}

// What wild holds makes the topic again.
func FuzzMatch(f *testing.F) {
	f.Add("sport/#", "sport")
	f.Add("+/+/c", "a/b/c")
	f.Add("$SYS/+", "$SYS/a")
	f.Add("", "/")
	f.Fuzz(func(t *testing.T, filter, topic string) {
		wild, ok := match(filter, topic)
		if !ok {
			return
		}
		levels := strings.Split(filter, "/")
		n := 0
		for i, l := range levels {
			if l == "+" || l == "#" {
				levels[i] = wild[n]
				n++
			}
		}
		again := strings.Join(levels, "/")
		if n != len(wild) || again != topic && strings.TrimSuffix(again, "/") != topic {
			t.Errorf("match(%q, %q) = %q, which gives %q", filter, topic, wild, again)
		}
	})
}
