package xmpp

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/xmpptest"
)

// A burst is what a hostile server sends at one go: head, unit again and again
// until size bytes of it are out, tail.
type burst struct {
	name, head, unit string
	size             int
	tail             string
}

func (b burst) send(s *xmpptest.Session) { _ = s.Flood(b.head, b.unit, b.size, b.tail) }

const (
	header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='" + xmpptest.Domain + "' id='again'>"
	laughs = "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;'><!ENTITY lol3 '&lol2;&lol2;&lol2;&lol2;&lol2;'>]>"
	secret = "<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"
)

// huge are tokens of 100 MB and a million nested elements.
var huge = []burst{
	{"100 MB attribute", "<message from='", "x", 100e6, "'/>"},
	{"100 MB of text", "<message from='" + owner + "'><body>", "count ", 100e6, "</body></message>"},
	{"100 MB name", "<", "x", 100e6, "/>"},
	{"100 MB of attributes", "<message", " a='b'", 100e6, "/>"},
	{"100 MB CDATA", "<message><body><![CDATA[", "]]", 100e6, "]]></body></message>"},
	{"100 MB end tag", "<message></", "x", 100e6, ">"},
	{"a million nested elements", "<message>", "<a>", 3e6, strings.Repeat("</a>", 1e6) + "</message>"},
}

// endings are what no server may send. The stream cannot go on after them.
var endings = append([]burst{
	{name: "garbage", head: "\x00\xff\xfe\x80 garbage \x1b[2J"},
	{name: "HTTP", head: "HTTP/1.1 400 Bad Request\r\n\r\n<html></html>"},
	{name: "text between stanzas", head: "<message/>hello<message/>"},
	{name: "an end tag too many", head: "<message/></message></stream:stream>"},
	{name: "tags in tags", head: "<message <<<"},
	{name: "tag in an attribute", head: "<message from='" + stranger + "' a='" + "</message>" + execute("owner", "x") + "'/>"},
	{name: "comment", head: "<message><!-- --></message>"},
	{name: "comment between stanzas", head: "<!-- --><message/>"},
	{name: "processing instruction", head: "<?php system('x') ?>"},
	{name: "processing instruction in a stanza", head: "<message><?xml-stylesheet href='x'?></message>"},
	{name: "billion laughs", head: laughs + "<message><body>&lol3;</body></message>"},
	{name: "billion laughs in a stanza", head: "<message>" + laughs + "<body>&lol3;</body></message>"},
	{name: "external entity", head: secret + "<message from='" + owner + "'><body>&x;</body></message>"},
	{name: "half a CDATA section", head: "<message><![CDAT[x]]></message>"},
	{name: "second header", head: "<?xml version='1.0'?>" + header + "<stream:features/>"},
	{name: "second header without declaration", head: header + "<stream:features/>" + execute(owner, "nested")},
	{name: "end of the stream and more", head: "</stream:stream>" + execute(owner, "after the end")},
	{name: "stream error", head: "<stream:error><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"},
	{name: "stream error that cannot be read", head: "<stream:error><a></b></stream:error>"},
	{"crowded stream error", "<stream:error>", "<a/>", 500e3, "</stream:error>"},
}, huge...)

// endedStreams sends what no stream survives and returns the devices.
func endedStreams(t *testing.T) map[string]*victim {
	victims := make(map[string]*victim)
	attack := func(name string, send func(*xmpptest.Session)) {
		v := newVictim(t, xmpptest.Behaviour{})
		victims[name] = v
		s := v.online(t)
		t.Run(name, func(t *testing.T) {
			measured(t, func() {
				send(s)
				gone(t, s)
			})
		})
	}
	for _, b := range endings {
		attack(b.name, b.send)
	}
	attack("half a stanza", func(s *xmpptest.Session) {
		_ = s.Send(strings.TrimSuffix(execute(owner, "half"), "</iq>"))
		s.Close()
	})
	return victims
}

func gone(t *testing.T, s *xmpptest.Session) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Error("the device does not end the stream")
	}
}

// endedLogins says at each step of the login what no server may say, and
// returns the devices.
func endedLogins(t *testing.T) map[string]*victim {
	trials := make(map[string]xmpptest.Behaviour)
	add := func(at xmpptest.Stage, b burst) {
		trials[string(at)+" "+b.name] = xmpptest.Behaviour{
			Instead: map[xmpptest.Stage]string{at: b.head}, Flood: b.unit, FloodSize: b.size, HangUp: b.name == "half", Times: 1,
		}
	}
	stages := []xmpptest.Stage{xmpptest.AtHeader, xmpptest.AtStartTLS, xmpptest.AtLogin, xmpptest.AtAuth, xmpptest.AtSuccess, xmpptest.AtFeatures, xmpptest.AtBind}
	for i, at := range stages {
		add(at, burst{name: "garbage", head: "\x00\xff garbage"})
		add(at, burst{name: "half", head: "<iq type='resu"})
		add(at, huge[i%len(huge)])
		add(at, []burst{{name: "laughs", head: laughs + header}, {name: "external entity", head: secret}, {name: "stanza", head: execute(owner, "early")}}[i%3])
	}
	features := "<stream:features>"
	for _, at := range []xmpptest.Stage{xmpptest.AtHeader, xmpptest.AtLogin, xmpptest.AtFeatures} {
		add(at, burst{name: "wrong namespace", head: strings.Replace(header, "'jabber:client'", "'jabber:server'", 1) + features + "</stream:features>"})
		add(at, burst{name: "no namespace", head: "<stream version='1.0'>"})
		add(at, burst{name: "endless features", head: header + features, unit: "<x/>", size: 100e6})
		add(at, burst{name: "nested features", head: header + features, unit: "<x>", size: 3e6})
	}
	for name, bound := range map[string]string{
		"another account": "other@" + xmpptest.Domain + "/x", "another domain": xmpptest.Device + "@evil.example/pipit",
		"no resource": deviceBare, "no JID": "@@", "a domain": xmpptest.Domain, "a long JID": deviceBare + "/" + strings.Repeat("x", 60000),
	} {
		trials["bound as "+name] = xmpptest.Behaviour{BindJID: bound, Times: 1}
	}
	victims := make(map[string]*victim)
	parent := t // the victims outlive the part that attacks them
	for name, b := range trials {
		t.Run(name, func(t *testing.T) {
			measured(t, func() {
				victims[name] = newVictim(parent, b)
				victims[name].fails(t)
			})
		})
	}
	return victims
}

// fails waits until the first try to log in has failed, and returns why.
func (v *victim) fails(t *testing.T) (why string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if why = v.link.Status()[0]; !strings.Contains(why, "not connected yet") {
			return why
		}
	}
	t.Errorf("no word about the login within %v", patience)
	return why
}

// A server that does not prove who it is, or asks for what would betray or
// wear out the device, gets no password, and is left alone for minutes.
func badCredentials(t *testing.T) {
	signature := base64.StdEncoding.EncodeToString([]byte("v=" + base64.StdEncoding.EncodeToString(make([]byte, 20))))
	success := func(data string) map[xmpptest.Stage]string {
		return map[xmpptest.Stage]string{xmpptest.AtSuccess: "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + data + "</success>"}
	}
	scram := []string{"SCRAM-SHA-1"}
	for _, tt := range []struct {
		name  string
		b     xmpptest.Behaviour
		tried []string
		why   string
	}{
		{"4e9 iterations", xmpptest.Behaviour{Iterations: 4e9}, scram, "4000000000 rounds"},
		{"1 iteration", xmpptest.Behaviour{Iterations: 1}, scram, "asks for 1 rounds"},
		{"wrong signature", xmpptest.Behaviour{Instead: success(signature)}, scram, "did not prove that it knows the password"},
		{"no signature", xmpptest.Behaviour{Instead: success("")}, scram, "did not prove that it knows the password"},
		{"success at once", xmpptest.Behaviour{Instead: map[xmpptest.Stage]string{xmpptest.AtAuth: success("")[xmpptest.AtSuccess]}}, scram, "did not prove that it knows the password"},
		{"PLAIN only", xmpptest.Behaviour{Mechanisms: []string{"PLAIN"}}, nil, "the server offers PLAIN"},
		{"weak only", xmpptest.Behaviour{Mechanisms: []string{"PLAIN", "LOGIN", "DIGEST-MD5", "ANONYMOUS"}}, nil, "the server offers PLAIN, LOGIN, DIGEST-MD5, ANONYMOUS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			measured(t, func() {
				v := newVictim(t, tt.b)
				if why := v.fails(t); !strings.Contains(why, tt.why) {
					t.Errorf("offline because of %q, want %q", why, tt.why)
				}
				if got := v.Tried(); !slices.Equal(got, tt.tried) {
					t.Errorf("tried %q, want %q", got, tt.tried)
				}
			})
		})
	}
}
