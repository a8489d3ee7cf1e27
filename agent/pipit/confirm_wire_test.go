package main

import (
	"regexp"
	"strings"
	"testing"

	"pipit/agent/xmpp/xmpptest"
)

// confirming sets an output that asks first: by chat, and by form.
func confirming(t *testing.T, b *bench) {
	operator := b.client(t, "operator/phone")
	operator.Chat(full, "set valve on", "")
	asked := operator.Wait(xmpptest.Has("<body>", "This will run", "set valve on", "within 60 s"), patience)
	word := regexp.MustCompile(`yes ([0-9A-Z]{4})`).FindStringSubmatch(asked)
	if word == nil {
		t.Fatalf("no word in %s", asked)
	}
	owner := b.client(t, "owner/phone")
	owner.Chat(full, "yes "+word[1], "")
	owner.Wait(xmpptest.Has("<body>", "Nothing waits"), patience)
	operator.Chat(full, "YES "+strings.ToLower(word[1]), "")
	operator.Wait(xmpptest.Has("<body>", "valve: on."), patience)

	const command = "<command xmlns='http://jabber.org/protocol/commands' node='set'"
	submit := func(fields string) string {
		return "<x xmlns='jabber:x:data' type='submit'>" + fields + "</x></command>"
	}
	form := operator.IQ(full, "set", command+"/>")
	session := command + " sessionid='" + sessionOf(t, form) + "'>"
	for _, step := range []struct{ fields, want string }{
		{"<field var='output'><value>valve</value></field><field var='value'><value>off</value></field>", "This will run"},
		{"<field var='confirm-run'><value>true</value></field>", "valve: off."},
	} {
		if got := operator.IQ(full, "set", session+submit(step.fields)); !strings.Contains(got, step.want) {
			t.Errorf("no %q in %s", step.want, got)
		}
	}
}
