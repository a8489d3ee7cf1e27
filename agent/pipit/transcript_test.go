package main

import (
	"html"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const transcriptRules = `
[rule.high]
when = "level > 80 cm"
clear = "level < 75 cm"
level = "critical"
grace = "0s"
do = ["set lamp 80"]
on_clear = ["set lamp off"]
`

// varies is what no two conversations have the same.
var varies = []struct {
	re *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`\b([01]\d|2[0-3]):[0-5]\d\b(:\d\d)?`), "TIME"},
	{regexp.MustCompile(`yes [0-9A-Z]{4}\b`), "yes WORD"},
	{regexp.MustCompile(`\b(now|\d+ s ago)\.`), "AGO."},
	{regexp.MustCompile(`after \d+ s #`), "after AGO #"},
}

var (
	bodyOf = regexp.MustCompile(`(?s)<body>(.*?)</body>`)
	wordOf = regexp.MustCompile(`yes ([0-9A-Z]{4})\b`)
)

// The conversation that the documentation shows is one that happens.
func TestTranscript(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/session.chat")
	if err != nil {
		t.Fatal(err)
	}
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, transcriptRules)
		people := make(map[string]*xmpptest.Client)
		for _, name := range []string{"owner", "operator", "viewer"} {
			people[name] = b.client(t, name+"/desk")
		}
		var got strings.Builder
		word := ""
		hear := func(name string) {
			m := bodyOf.FindStringSubmatch(people[name].Wait(xmpptest.Has("<message", "<body>"), patience))
			text := html.UnescapeString(m[1])
			if w := wordOf.FindStringSubmatch(text); w != nil {
				word = w[1]
			}
			for _, v := range varies {
				text = v.re.ReplaceAllString(text, v.as)
			}
			got.WriteString(strings.ReplaceAll(text, "\n", "\n< ") + "\n")
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(line, "\n")
			name, said, asks := strings.Cut(line, "> ")
			who, _, tells := strings.Cut(line, "< ")
			switch {
			case line == "" || line[0] == '#':
				got.WriteString(line + "\n")
			case line[0] == '=':
				got.WriteString(line + "\n")
				b.set(t, strings.TrimSpace(line[1:]))
			case people[name] != nil && asks:
				got.WriteString(line + "\n< ")
				people[name].Chat(full, strings.ReplaceAll(said, "WORD", word), "")
				hear(name)
			case people[who] != nil && tells:
				got.WriteString(who + "< ")
				hear(who)
			}
		}
		if diff := cmp.Diff(string(data), got.String()); diff != "" {
			t.Errorf("the conversation went otherwise (-want +got):\n%s", diff)
		}
	})
}
