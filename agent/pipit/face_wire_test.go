package main

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"pipit/agent/xmpp/face"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// Contacts see the nickname and the picture; strangers do not. Nothing tells where
// the device is unless the config does.
func TestFaceOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, "")
		// ejabberd 23.01 sends the last items to who comes, and only if it knows what
		// their client's hash stands for: from the first who had that hash.
		b.client(t, "viewer/y").Notify(face.NSNick, face.NSAvatarMetadata)
		viewer := xmpptest.Slixmpp(t, s, xmpptest.Viewer+"/x", face.NSNick, face.NSAvatarMetadata)
		viewer.Wait(xmpptest.Has("<message", "<nick xmlns=\"http://jabber.org/protocol/nick\">Bench</nick>"), patience)
		meta := viewer.Wait(xmpptest.Has("<message", "urn:xmpp:avatar:metadata", `type="image/png"`), patience)
		id := regexp.MustCompile(`<info[^>]* id="([0-9a-f]{40})"`).FindStringSubmatch(meta)
		if id == nil {
			t.Fatalf("no picture in %s", meta)
		}
		items := func(c *xmpptest.Client, node string) string {
			return c.IQ(xmpptest.JID(xmpptest.Device), "get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='"+node+"'/></pubsub>")
		}
		data := items(viewer, face.NSAvatarData)
		if !strings.Contains(data, `id="`+id[1]+`"`) || !strings.Contains(data, base64.StdEncoding.EncodeToString(face.Bird)) {
			t.Errorf("the picture: %.300s", data)
		}
		if got := items(viewer, face.NSGeoloc); strings.Contains(got, "<lat>") {
			t.Errorf("a position: %s", got)
		}
		stranger := xmpptest.Slixmpp(t, s, xmpptest.Stranger+"/x")
		for _, node := range []string{face.NSNick, face.NSAvatarData} {
			if got := items(stranger, node); strings.Contains(got, "Bench") || strings.Contains(got, id[1]) {
				t.Errorf("a stranger reads %s: %.300s", node, got)
			}
		}
	})
}
