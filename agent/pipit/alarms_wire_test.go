package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const wireRules = `
[rule.high]
when = "level > 80 cm"
clear = "level < 75 cm"
level = "critical"
grace = "0s"
say = "the tank stands at {value} {unit}"
do = ["set lamp 50"]
on_clear = ["set lamp off"]

[rule.gone]
when = "absent missing"
level = "info"
to = ["viewers"]
grace = "0s"

[alerts]
escalate = ["operators"]
critical_after = "10s"
receipt_after = "0s"
`

// A rule from the reading to the phone and back: told, escalated, acknowledged,
// resolved, and what it does on the board, which needs no network.
func TestRulesOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, wireRules)
		owner, operator, viewer := b.client(t, "owner/phone"), b.client(t, "operator/desk"), b.client(t, "viewer/x")
		viewer.Wait(xmpptest.Has("<body>[info] gone: absent is missing", "#1</body>"), patience)

		b.set(t, "85")
		fired := owner.Wait(xmpptest.Has("<body>[critical] high: the tank stands at 85.0 cm #2</body>", "ack 2", "silence high 1h"), patience)
		owner.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "<show>dnd</show>", "<status>[critical] high: the tank stands at 85.0 cm #2"), patience)
		owner.Chat(full, "outputs", "")
		owner.Wait(xmpptest.Has("<body>", "lamp", "50 %"), patience)
		operator.Wait(xmpptest.Has("<message", "<body>[critical] high: the tank stands at 85.0 cm #2<"), patience) // nobody acknowledged it

		id := regexp.MustCompile(` id="(alert-2-[0-9a-f]+)"`).FindStringSubmatch(fired)
		if id == nil {
			t.Fatalf("no id in %s", fired)
		}
		owner.SendRaw(fmt.Sprintf("<message to='%s' type='chat'><reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>✅</reaction></reactions></message>", full, id[1]))
		operator.Wait(xmpptest.Has("<body>[critical] high: the tank stands at 85.0 cm #2 – acked by owner ", "urn:xmpp:message-correct:0"), patience)
		owner.Chat(full, "alerts", "")
		owner.Wait(xmpptest.Has("#2", "high", "acked by owner"), patience)

		viewer.Chat(full, "ack 2", "")
		viewer.Wait(xmpptest.Has("<body>", "do not know"), patience)
		operator.Chat(full, "unack 2", "")
		operator.Wait(xmpptest.Has("<body>high #2: nobody sees to it now.</body>"), patience)
		operator.Chat(full, "ack", "<reply xmlns='urn:xmpp:reply:0' to='"+full+"' id='"+id[1]+"'/>")
		operator.Wait(xmpptest.Has("<body>high #2: you see to it.</body>"), patience)

		operator.Chat(full, "silence high 1h", "")
		owner.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "<show>xa</show>"), patience)
		operator.Chat(full, "unsilence all", "")
		owner.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "<show>dnd</show>"), patience)
		b.set(t, "60")
		over := owner.Wait(xmpptest.Has("<body>[resolved] high: level is 60.0 cm, after ", " #2</body>"), patience)
		if strings.Contains(over, "message-correct") {
			t.Errorf("it corrects what is not the newest message any more: %s", over)
		}
		owner.Wait(func(xml string) bool {
			return strings.HasPrefix(xml, "<presence") && strings.Contains(xml, `from="`+full) && !strings.Contains(xml, "<show>") && strings.Contains(xml, "/caps")
		}, patience)
		owner.Chat(full, "alerts", "")
		owner.Wait(xmpptest.Has("high", "idle", "level is 60.0 cm"), patience)
		operator.Chat(full, "test-alert", "")
		owner.Wait(xmpptest.Has("<body>[info] test: an alert would look like this; operator asked for it at "), patience)
	})
}
