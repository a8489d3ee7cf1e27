package entity

import (
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent/xmpp/stanza"
)

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble's clock starts at 2000-01-01
		var l Last
		started := time.Now()
		last := l.Serve(started)
		time.Sleep(90 * time.Second)
		ask := func(h stanza.IQHandler, want string) {
			t.Helper()
			got, err := h(t.Context(), &stanza.Stanza{})
			if err != nil || string(got) != want {
				t.Errorf("got %s, %v\nwant %s", got, err, want)
			}
		}
		ask(Ping, "")
		ask(Version("Pipit", "1<2"), "<query xmlns='jabber:iq:version'><name>Pipit</name><version>1&lt;2</version></query>")
		ask(last, "<query xmlns='jabber:iq:last' seconds='90'/>")
		l.Touch()
		time.Sleep(time.Second)
		ask(last, "<query xmlns='jabber:iq:last' seconds='1'/>")

		zone := time.Local
		time.Local = time.FixedZone("", -9000)
		defer func() { time.Local = zone }()
		ask(Time, "<time xmlns='urn:xmpp:time'><tzo>-02:30</tzo><utc>2000-01-01T00:01:31.000Z</utc></time>")
	})
}
