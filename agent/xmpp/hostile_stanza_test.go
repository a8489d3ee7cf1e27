package xmpp

import (
	"fmt"
	"strings"
	"testing"

	"pipit/agent/xmpp/xmpptest"
)

const (
	nsRoster = "jabber:iq:roster"
	honest   = "<body>count</body>" // what an honest message would say
)

// harmless are what a stream survives: it goes on and nothing came of it.
func harmless() []burst {
	return append([]burst{
		{name: "entities that are not defined", head: writes(owner, "<body>&lol;&lol;</body>") + "<message from='&lol;'/>" + writes(owner, "<body>&#0;&#xD800;&#x110000;&#99999999999999999999;</body>")},
		{name: "bytes that are no text", head: writes(owner, "<body>\xff\xfe\x80\x00</body>") + "<message from='\xff\xc0\x80'/>" + writes(owner, "<body>\x01count</body>")},
		{name: "tags that do not match", head: writes(owner, "<body>count</bodi>") + "<message type='chat' from='" + owner + "'><body>count</message></body>"},
		{name: "the same attribute twice", head: "<message from='" + stranger + "' from='" + owner + "' type='chat'>" + honest + "</message>"},
		{name: "attributes of other namespaces", head: "<message xmlns:x='urn:x' x:from='" + owner + "' from='" + stranger + "'>" + honest + "</message>"},
		{name: "stanza in CDATA", head: writes(stranger, "<body><![CDATA[</body></message>"+execute(owner, "in-cdata")+"]]></body>")},
		{name: "stanza in text", head: writes(stranger, "<body>"+strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(execute(owner, "in-text"))+"</body>")},
		{name: "stanza in a stanza", head: writes(stranger, execute(owner, "inside")+writes(owner, honest))},
		{name: "tag end in an attribute", head: "<message from='" + stranger + "' a='/>' b=\">'\"/>"},
		{name: "names with colons", head: "<:/><a:b:c/><message:/><:message/><x:message xmlns:x='jabber:client' from='" + owner + "'>" + honest + "</x:message>"},
		{name: "body of another namespace", head: writes(owner, "<body xmlns='urn:evil'>count</body>") + writes(owner, "<x:body xmlns:x='urn:evil'>count</x:body>")},
		{name: "junk between stanzas", head: "<foo/><stream:foo/><error xmlns='urn:x'/><iq/><message/><presence/><iq type='get'/> \r\n\t <x:y xmlns:x='urn:x'><z/></x:y>"},
		{name: "stream management not negotiated", head: "<r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='4294967295'/><a xmlns='urn:xmpp:sm:3' h='-1'/><a xmlns='urn:xmpp:sm:3'/><enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/><resumed xmlns='urn:xmpp:sm:3' previd='x' h='5'/><failed xmlns='urn:xmpp:sm:3'/>"},
		{name: "login on a stream that is up", head: "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features><challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"},
		{name: "bound again", head: "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>" + owner + "</jid></bind></iq>"},
		{name: "3 MB of text", head: "<message from='" + owner + "'><body>", unit: "count ", size: 3e6, tail: "</body></message>"},
		{name: "3 MB attribute", head: "<iq type='set' id='", unit: "x", size: 3e6, tail: "' from='" + owner + "'/>"},
		{name: "3 MB name", head: "<iq", unit: "x", size: 3e6, tail: "/>"},
		{name: "deep", head: "<message from='" + owner + "'>", unit: "<a>", size: 3 * 2000, tail: strings.Repeat("</a>", 2000) + honest + "</message>"},
		{name: "a long id", head: "<iq type='get' from='" + stranger + "' id='", unit: "&apos;", size: 480e3, tail: "'><ping xmlns='urn:xmpp:ping'/></iq>"},
		{name: "a long sender", head: "<iq type='get' id='1' from='", unit: "&apos;", size: 480e3, tail: "'><ping xmlns='urn:xmpp:ping'/></iq>"},
	}, append(crowded(), forged()...)...)
}

// crowded are stanzas within the limits of the stream that hold as much as
// possible to build in memory: as much as fits, and as much as is decoded.
func crowded() (list []burst) {
	for from, units := range map[string]int{owner: 1 << 20, viewer: 16000, deviceBare: 2000} {
		for name, s := range map[string][3]string{
			"children of a message":  {"<message type='chat' from='" + from + "'>", "<a/>", "</message>"},
			"grandchildren":          {"<message type='chat' from='" + from + "'><x>", "<a/>", "</x></message>"},
			"attributes":             {"<message type='chat' from='" + from + "'><a", " b=''", "/></message>"},
			"namespaces":             {"<message type='chat' from='" + from + "'", " xmlns:b='c'", "/>"},
			"children of a request":  {"<iq type='get' id='x' from='" + from + "'>", "<a/>", "</iq>"},
			"fields of a form":       {"<iq type='set' id='x' from='" + from + "'><command xmlns='http://jabber.org/protocol/commands' node='none'><x xmlns='jabber:x:data' type='submit'>", "<field/>", "</x></command></iq>"},
			"values of a field":      {"<iq type='set' id='x' from='" + from + "'><command xmlns='http://jabber.org/protocol/commands' node='none'><x xmlns='jabber:x:data' type='submit'><field var='a'>", "<value/>", "</field></x></command></iq>"},
			"entries of a roster":    {"<iq type='set' id='x' from='" + from + "'><query xmlns='" + nsRoster + "'>", "<item/>", "</query></iq>"},
			"groups of an entry":     {"<iq type='set' id='x' from='" + from + "'><query xmlns='" + nsRoster + "'><item jid='a@example.org'>", "<group/>", "</item></query></iq>"},
			"requests for a reading": {"<iq type='get' id='x' from='" + from + "'><req xmlns='urn:nf:iot:sd:1.0'>", "<f/>", "</req></iq>"},
		} {
			size := min(units*len(s[1]), 500e3)
			list = append(list, burst{name: fmt.Sprintf("%d %s of %s", size/len(s[1]), name, from), head: s[0], unit: s[1], size: size, tail: s[2]})
		}
	}
	return list
}

// forged are commands in the name of those who may not, or not that way.
func forged() (list []burst) {
	inner := "<message xmlns='jabber:client' type='chat' from='" + owner + "' to='" + deviceFull + "'>" + honest + "</message>"
	forwarded := "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>" + inner + "</forwarded>"
	wraps := map[string]string{
		"sent carbon":     "<sent xmlns='urn:xmpp:carbons:2'>" + forwarded + "</sent>",
		"received carbon": "<received xmlns='urn:xmpp:carbons:2'>" + forwarded + "</received>",
		"archive":         "<result xmlns='urn:xmpp:mam:2' queryid='q' id='1'>" + forwarded + "</result>",
		"forwarded":       forwarded,
		"bare":            inner,
	}
	nobodies := []string{
		stranger, deviceBare, deviceFull, xmpptest.Domain, "", "evil.example", "room@rooms.example.org/owner",
		xmpptest.JID(xmpptest.Owner) + ".evil.example/phone", "owner%" + xmpptest.Domain + "@evil.example", "owner@evil.example/" + owner,
	}
	for name, wrap := range wraps {
		all := writes(owner, wrap) + writes(owner, wrap+honest) // in an owner's name, but not what the owner wrote to us
		if name == "bare" {
			all = writes(owner, wrap)
		}
		for _, from := range nobodies {
			all += writes(from, wrap) + writes(from, wrap+honest)
		}
		list = append(list, burst{name: name, head: all})
	}
	all := ""
	for i, from := range append(nobodies, invalid...) {
		all += execute(from, fmt.Sprint("forged-", i)) + writes(from, honest)
		all += "<presence type='subscribe' from='" + from + "'/><presence type='unavailable' from='" + from + "'/>"
	}
	list = append(list, burst{name: "requests of nobodies", head: all}, burst{name: "invalid addresses", head: misaddressed()})
	for _, typ := range []string{"error", "groupchat", "headline"} {
		list = append(list, burst{name: typ, head: strings.Replace(writes(owner, honest), "type='chat'", "type='"+typ+"'", 1)})
	}
	return list
}

// misaddressed holds what is no address in every place for one but the sender.
func misaddressed() (all string) {
	for _, bad := range invalid {
		for _, name := range []string{"iq", "message", "presence"} {
			all += "<" + name + " type='get' from='" + stranger + "' to='" + bad + "' id='" + bad + "' xml:lang='" + bad + "'>" + honest + "</" + name + ">"
		}
		for _, payload := range []string{
			"<query xmlns='" + nsRoster + "'><item jid='" + bad + "' subscription='both' ask='" + bad + "'/></query>",
			"<query xmlns='http://jabber.org/protocol/disco#info' node='" + bad + "'/>",
			"<query xmlns='http://jabber.org/protocol/disco#items' node='" + bad + "'/>",
			"<command xmlns='http://jabber.org/protocol/commands' node='" + bad + "' sessionid='" + bad + "' action='" + bad + "'/>",
			"<command xmlns='http://jabber.org/protocol/commands' node='count' sessionid='" + bad + "'/>",
			"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>" + bad + "</jid></bind>",
		} {
			for i, from := range []string{owner, deviceBare} {
				all += fmt.Sprintf("<iq type='set' id='bad-%d' from='%s'>%s</iq><iq type='get' id='bad-%d' from='%s'>%s</iq>", i, from, payload, i, from, payload)
			}
		}
	}
	return all
}

// invalid are addresses that are nobody's (RFC 7622).
var invalid = []string{
	"@", "a@", "/", "@" + xmpptest.Domain, xmpptest.JID(xmpptest.Owner) + "/", "owner@@" + xmpptest.Domain, "a@b@c/d", "owner@/x",
	" " + owner, "ow ner@" + xmpptest.Domain, "owner\u200b@" + xmpptest.Domain, "owner@" + xmpptest.Domain + "&#0;",
	"owner@" + xmpptest.Domain + "&#10;", "&quot;owner&quot;@" + xmpptest.Domain, "owner@[" + xmpptest.Domain + "]", "owner@" + xmpptest.Domain + "..",
	"\u202eowner@" + xmpptest.Domain, "owner@\u2024", strings.Repeat("a", 5000) + "@" + xmpptest.Domain, owner + strings.Repeat("x", 5000), "owner@" + strings.Repeat("a.", 600),
}

// What a stream survives changes nothing: the same stream goes on, nothing was
// run and the owner is served.
func harmlessStanzas(t *testing.T) {
	v := newVictim(t, xmpptest.Behaviour{})
	s := v.online(t)
	for _, b := range harmless() {
		t.Run(b.name, func(t *testing.T) {
			measured(t, func() {
				b.send(s)
				v.serves(t, s)
			})
		})
	}
	settle(t, s)
	v.ranOnlyForPeople(t)
	if n := v.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	for _, raw := range s.Inbox() {
		if len(raw) > 256<<10 || strings.HasPrefix(raw, "<a") || strings.HasPrefix(raw, "<auth") {
			t.Errorf("the device sent %.200s", raw)
		}
	}
}
