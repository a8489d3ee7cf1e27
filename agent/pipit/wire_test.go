package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/xmpptest"
)

// These tests run the whole agent against real servers and talk to it with a
// client made by others.

const patience = 30 * time.Second // for what takes milliseconds on an idle machine

// A bench is a running device with a level that the test sets.
type bench struct {
	srv   *server.Server
	level string // the file that the sensor "level" reads
	stop  func() // idempotent
}

const full = xmpptest.Device + "@" + xmpptest.Domain + "/pipit"

// startDevice runs the agent with a config file, as "pipit run" does.
func startDevice(t testing.TB, s *server.Server, extra string) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{srv: s, level: write(t, dir, "level", "10\n", 0o600)}
	write(t, dir, "password", xmpptest.Password(xmpptest.Device), 0o600)
	path := write(t, dir, "config.toml", fmt.Sprintf(`
[device]
name = "Bench"
state_dir = %q
summary = ["level"]

[xmpp]
jid = "device@%[2]s"
password_file = "password"
server = %[3]q
ca_file = %[4]q
%[5]s

[people]
"owner@%[2]s" = "owner"
"operator@%[2]s" = "operator"
"viewer@%[2]s" = "viewer"

[sensor.level]
kind = "file"
path = %[6]q
unit = "cm"
every = "200ms"

[sensor.absent]
kind = "file"
path = %[7]q
every = "1s"

[output.pump]
kind = "sim"
min_off = "1h"

[output.lamp]
kind = "sim"
what = "range"
max_on = "1h"

[output.valve]
kind = "sim"
confirm = true
`, dir, s.Domain, s.Addr, s.CAFile, extra, b.level, filepath.Join(dir, "absent")), 0o600)
	cfg, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	limits := &agent.Limits{}
	if _, ok := t.(*testing.B); ok {
		log, limits = slog.New(slog.DiscardHandler), nil
	}
	go func() { done <- run(ctx, cfg, limits, log) }()
	stopped := false
	b.stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(b.stop)
	return b
}

func (b *bench) set(t *testing.T, level string) {
	t.Helper()
	tmp := b.level + ".new"
	if err := os.WriteFile(tmp, []byte(level+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, b.level); err != nil {
		t.Fatal(err)
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// client logs the independent client in and waits until it sees the device.
func (b *bench) client(t *testing.T, account string) *xmpptest.Client {
	t.Helper()
	c := xmpptest.Slixmpp(t, b.srv, account)
	c.Subscribe(xmpptest.JID(xmpptest.Device))
	c.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "http://jabber.org/protocol/caps"), patience)
	return c
}

// itemsOf returns the readings that an event carries, by item id.
func itemsOf(t *testing.T, event, node string) map[string][]agent.Reading {
	t.Helper()
	s, err := stanza.Parse([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	e, err := pubsub.ParseEvent(s)
	if err != nil || e == nil || e.Node != node {
		return nil
	}
	found := map[string][]agent.Reading{}
	for _, i := range e.Items {
		readings, _, err := sensordata.Parse(i.Payload)
		if err != nil {
			t.Errorf("item %s of %s: %v\n%s", i.ID, node, err, i.Payload)
		}
		found[i.ID] = readings
	}
	return found
}

// arrives waits for an item of a node for which ok holds.
func arrives(t *testing.T, c *xmpptest.Client, node string, ok func(id string, r agent.Reading) bool) {
	t.Helper()
	c.Wait(func(in string) bool {
		for id, readings := range itemsOf(t, in, node) {
			for _, r := range readings {
				if ok(id, r) {
					return true
				}
			}
		}
		return false
	}, patience)
}

func is(value float64) func(string, agent.Reading) bool {
	return func(_ string, r agent.Reading) bool {
		f, _ := r.Value.Float()
		return r.Name == "level" && r.OK() && f == value
	}
}

// TestWire shares a server and, as far as it goes, a device between its parts:
// ejabberd takes seconds to start.
func TestWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, "")
		for _, part := range []struct {
			name string
			run  func(*testing.T, *bench)
		}{
			{"readings reach a subscriber", readingsReachASubscriber},
			{"questions", questions},
			{"ad-hoc form", adHocForm},
			{"chat", chatting},
			{"outputs", switching},
			{"confirmation", confirming},
			{"late command", lateCommand},
			{"strangers get nothing", strangersGetNothing},
			{"malformed stanzas", malformedStanzas},
			{"operator", operator},
			{"planned stop", plannedStop},
		} {
			t.Run(part.name, func(t *testing.T) {
				b.set(t, "10")
				part.run(t, b)
			})
		}
		t.Run("PubSub service", func(t *testing.T) { pubSubService(t, s) })
		t.Run("conflict", func(t *testing.T) { conflict(t, s) })
		t.Run("server restart", func(t *testing.T) { serverRestart(t, s) })
	})
}

func readingsReachASubscriber(t *testing.T, b *bench) {
	owner := b.client(t, "owner/phone")
	owner.Notify(sensordata.NS, "pipit/level")
	arrives(t, owner, sensordata.NS, func(id string, r agent.Reading) bool {
		return id == "current" && is(10)(id, r) && r.Unit == "cm"
	})
	b.set(t, "11.5")
	arrives(t, owner, "pipit/level", func(id string, r agent.Reading) bool {
		return is(11.5)(id, r) && id == agent.Stamp(r.Time)
	})
	arrives(t, owner, sensordata.NS, is(11.5))
	arrives(t, owner, sensordata.NS, func(_ string, r agent.Reading) bool {
		return r.Name == "absent" && r.Quality == agent.Missing && strings.Contains(r.Reason, "absent")
	})
	b.set(t, "broken")
	arrives(t, owner, "pipit/level", func(_ string, r agent.Reading) bool {
		return r.Quality == agent.Fault && r.Value == agent.Value{} && r.Reason != ""
	})
}

func questions(t *testing.T, b *bench) {
	owner := b.client(t, "owner/phone")
	for _, c := range []struct {
		to, typ, payload string
		want             []string
	}{
		{full, "get", "<ping xmlns='urn:xmpp:ping'/>", []string{`type="result"`}},
		{full, "get", "<query xmlns='jabber:iq:version'/>", []string{"<name>Pipit</name>", "<version>"}},
		{full, "get", "<time xmlns='urn:xmpp:time'/>", []string{"<tzo>", "<utc>"}},
		{full, "get", "<query xmlns='jabber:iq:last'/>", []string{"seconds="}},
		{full, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", []string{"http://jabber.org/protocol/commands", `type="bot"`, "urn:xmpp:receipts"}},
		{full, "get", "<query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/commands'/>", []string{"command-list"}},
		{full, "get", "<query xmlns='http://jabber.org/protocol/disco#info' node='read'/>", []string{"command-node"}},
		{full, "get", "<query xmlns='http://jabber.org/protocol/disco#info' node='bogus'/>", []string{"item-not-found"}},
		{full, "get", "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>", []string{`node="status"`, `node="read"`, `jid="` + full + `"`}},
		{full, "get", "<req xmlns='urn:nf:iot:sd:1.0' id='7'/>", []string{"<resp", `id="7"`, `n="level"`}},
		{full, "get", "<req xmlns='urn:ieee:iot:sd:1.0'/>", []string{"urn:ieee:iot:sd:1.0", `n="level"`}},
		{full, "get", "<q xmlns='urn:nobody:knows'/>", []string{`type="error"`, "service-unavailable"}},
		{full, "set", "<q xmlns='urn:nobody:knows'/>", []string{`type="error"`, "service-unavailable"}},
		{full, "set", "<ping xmlns='urn:xmpp:ping'/>", []string{`type="error"`, "bad-request"}},
		{full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='status'/>", []string{`status="completed"`, "sessionid=", "Bench"}},
		{full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='no-such'/>", []string{"item-not-found"}},
		{full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='read' sessionid='forged'/>", []string{"bad-sessionid"}},
		{full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='read' action='fly'/>", []string{"malformed-action"}},
	} {
		got := owner.IQ(c.to, c.typ, c.payload)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s %s: no %q in\n%s", c.typ, c.payload, want, got)
			}
		}
	}
}

// sessionOf returns the session of an ad-hoc command.
func sessionOf(t *testing.T, reply string) string {
	t.Helper()
	var v struct {
		Command struct {
			Session string `xml:"sessionid,attr"`
			Status  string `xml:"status,attr"`
		} `xml:"command"`
	}
	if err := xml.Unmarshal([]byte(reply), &v); err != nil || v.Command.Session == "" {
		t.Fatalf("no session in %s: %v", reply, err)
	}
	return v.Command.Session
}

func adHocForm(t *testing.T, b *bench) {
	owner := b.client(t, "owner/desk")
	viewer := b.client(t, "viewer/desk")
	const command = "<command xmlns='http://jabber.org/protocol/commands' node='read'"
	form := owner.IQ(full, "set", command+" action='execute'/>")
	for _, want := range []string{`status="executing"`, `type="form"`, "<complete", "level", "list-multi"} {
		if !strings.Contains(form, want) {
			t.Errorf("no %q in the form:\n%s", want, form)
		}
	}
	id := sessionOf(t, form)
	submit := func(c *xmpptest.Client, value string) string {
		return c.IQ(full, "set", command+" sessionid='"+id+"'><x xmlns='jabber:x:data' type='submit'><field var='name'><value>"+value+"</value></field></x></command>")
	}
	if got := submit(viewer, "level"); !strings.Contains(got, "bad-sessionid") {
		t.Errorf("somebody else's session: %s", got)
	}
	if got := submit(owner, "levle"); !strings.Contains(got, `status="executing"`) || !strings.Contains(got, "did you mean") || !strings.Contains(got, `type="fixed"`) {
		t.Errorf("a wrong value does not bring the form back with the error:\n%s", got)
	}
	if got := submit(owner, "level"); !strings.Contains(got, `status="completed"`) || !strings.Contains(got, "10.0 cm") {
		t.Errorf("result:\n%s", got)
	}
	if got := submit(owner, "level"); !strings.Contains(got, "session-expired") && !strings.Contains(got, "bad-sessionid") {
		t.Errorf("a finished session:\n%s", got)
	}
}

func chatting(t *testing.T, b *bench) {
	owner := b.client(t, "owner/phone")
	id := owner.Chat(xmpptest.JID("device"), "read level", "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>")
	owner.Wait(xmpptest.Has("<received", "urn:xmpp:receipts", `id="`+id+`"`), patience)
	answer := owner.Wait(xmpptest.Has("<body>", "10.0 cm"), patience)
	for _, want := range []string{"urn:xmpp:reply:0", id, `from="` + full + `"`, `type="chat"`, "origin-id"} {
		if !strings.Contains(answer, want) {
			t.Errorf("no %q in %s", want, answer)
		}
	}
	owner.Wait(xmpptest.Has("<displayed", `id="`+id+`"`), patience)

	owner.Chat(full, "reed", "")
	owner.Wait(xmpptest.Has("<body>", "Did you mean"), patience)
	owner.Chat(full, "I sent you an OMEMO message", "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>")
	owner.Wait(xmpptest.Has("<body>", "encrypt"), patience)
	owner.Chat(full, "> quoted\nwho", "<reply xmlns='urn:xmpp:reply:0' id='x'/><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='9'/></fallback>")
	owner.Wait(xmpptest.Has("<body>", "owner@"+xmpptest.Domain), patience)
}

// Outputs are switched by chat line and by ad-hoc form; what they have is a
// reading like any other.
func switching(t *testing.T, b *bench) {
	operator := b.client(t, "operator/phone")
	operator.Notify("pipit/lamp")
	state := func(value float64) {
		t.Helper()
		arrives(t, operator, "pipit/lamp", func(_ string, r agent.Reading) bool {
			f, ok := r.Value.Float()
			return ok && r.OK() && f == value && r.Unit == "%"
		})
	}
	operator.Chat(full, "set lamp 40 for 10m", "")
	operator.Wait(xmpptest.Has("<body>", "lamp: 40 %, until ", "(10m)"), patience)
	state(40)

	const command = "<command xmlns='http://jabber.org/protocol/commands' node='set'"
	form := operator.IQ(full, "set", command+"/>")
	for _, want := range []string{`status="executing"`, `var="output"`, "<option", "pump", `var="value"`, `var="for"`} {
		if !strings.Contains(form, want) {
			t.Errorf("no %q in the form:\n%s", want, form)
		}
	}
	submit := "<x xmlns='jabber:x:data' type='submit'><field var='output'><value>lamp</value></field>" +
		"<field var='value'><value>%s</value></field></x></command>"
	got := operator.IQ(full, "set", command+" sessionid='"+sessionOf(t, form)+"'>"+fmt.Sprintf(submit, "101"))
	if !strings.Contains(got, `status="executing"`) || !strings.Contains(got, "101 is not between 0 and 100") {
		t.Errorf("a value out of range does not bring the form back:\n%s", got)
	}
	got = operator.IQ(full, "set", command+" sessionid='"+sessionOf(t, form)+"'>"+fmt.Sprintf(submit, "off"))
	if !strings.Contains(got, `status="completed"`) || !strings.Contains(got, "lamp: 0 %.") {
		t.Errorf("the form does not switch the lamp off:\n%s", got)
	}
	state(0)

	// The pump went off less than min_off ago: with the start.
	operator.Chat(full, "toggle pump", "")
	operator.Wait(xmpptest.Has("<body>", "refused: pump ", "(min_off)"), patience)
	operator.Chat(full, "outputs", "")
	operator.Wait(xmpptest.Has("<body>", "3 outputs.", "more (min_off)"), patience)

	viewer := b.client(t, "viewer/phone")
	viewer.Chat(full, "set lamp on", "")
	viewer.Wait(xmpptest.Has("<body>", "do not know"), patience)
	viewer.Chat(full, "outputs", "")
	viewer.Wait(xmpptest.Has("<body>", "3 outputs.", "lamp", "0 %"), patience)
}

// A command that waited on the server for minutes is not run.
func lateCommand(t *testing.T, b *bench) {
	owner := b.client(t, "owner/phone")
	old := time.Now().Add(-5 * time.Minute).UTC().Format(time.RFC3339)
	owner.Chat(full, "status", "<delay xmlns='urn:xmpp:delay' stamp='"+old+"'/>")
	owner.Wait(xmpptest.Has("<body>", "late"), patience)
	owner.Chat(full, "version", "<delay xmlns='urn:xmpp:delay' stamp='"+time.Now().UTC().Format(time.RFC3339)+"'/>")
	owner.Wait(xmpptest.Has("<body>", "Pipit"), patience)
	for _, in := range owner.Inbox() {
		if strings.Contains(in, "Bench") && strings.Contains(in, "<body>") {
			t.Errorf("the late command was run: %s", in)
		}
	}
}

func strangersGetNothing(t *testing.T, b *bench) {
	owner := b.client(t, "owner/phone")
	stranger := xmpptest.Slixmpp(t, b.srv, "stranger/x")
	stranger.Subscribe(xmpptest.JID("device"))
	stranger.Chat(full, "status", "<request xmlns='urn:xmpp:receipts'/>")
	stranger.Chat(xmpptest.JID("device"), "help", "")
	for _, payload := range []string{
		"<ping xmlns='urn:xmpp:ping'/>",
		"<query xmlns='jabber:iq:version'/>",
		"<query xmlns='jabber:iq:last'/>",
		"<query xmlns='http://jabber.org/protocol/disco#info'/>",
		"<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>",
		"<req xmlns='urn:nf:iot:sd:1.0'/>",
		"<q xmlns='urn:nobody:knows'/>",
	} {
		if got := stranger.IQ(full, "get", payload); !strings.Contains(got, "service-unavailable") {
			t.Errorf("a stranger's %s: %s", payload, got)
		}
	}
	if got := stranger.IQ(full, "set", "<command xmlns='http://jabber.org/protocol/commands' node='status'/>"); !strings.Contains(got, "service-unavailable") {
		t.Errorf("a stranger's command: %s", got)
	}
	// The device has worked through all of it once it has answered the
	// owner and, in order, the stranger again.
	owner.Chat(full, "who", "")
	owner.Wait(xmpptest.Has("<body>", "owner@"), patience)
	stranger.IQ(full, "get", "<ping xmlns='urn:xmpp:ping'/>")
	for _, in := range stranger.Inbox() {
		// Prosody answers a subscription request with the unavailable presence
		// of the account, whether or not the device is there.
		server := strings.HasPrefix(in, "<presence") && strings.Contains(in, `type="unavailable"`)
		if strings.Contains(in, `from="`+full) || !server && strings.Contains(in, `from="`+xmpptest.JID("device")) {
			t.Errorf("a stranger received %s", in)
		}
	}
}

// One stanza from anybody must cost at most itself.
func malformedStanzas(t *testing.T, b *bench) {
	viewer := b.client(t, "viewer/phone") // the owner has used up the rate of a person
	stranger := xmpptest.Slixmpp(t, b.srv, "stranger/x")
	to := " to='" + full + "'"
	for _, raw := range []string{
		"<iq type='result' id='z'" + to + ">hello</iq>",
		"<iq type='error' id='z'" + to + "/>",
		"<iq type='error' id='z'" + to + ">boo<error/></iq>",
		"<iq type='get' id='e'" + to + "/>",
		"<iq type='get' id='e'" + to + "><a xmlns='urn:a'/><b xmlns='urn:b'/></iq>",
		"<message type='chat' id='1'" + to + ">a<request xmlns='urn:xmpp:receipts'/></message>",
		"<message" + to + ">x<result xmlns='urn:xmpp:mam:2'/></message>",
		"<message" + to + "><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='owner@" + xmpptest.Domain + "/x' type='chat'><body>status</body></message></forwarded></received></message>",
		"<presence" + to + "><c xmlns='http://jabber.org/protocol/caps' hash='md99' node='x' ver='y'/></presence>",
		"<message type='chat'" + to + "><body>" + strings.Repeat("long ", 20000) + "</body></message>",
		"<message type='chat'" + to + ">" + strings.Repeat("<a>", 500) + strings.Repeat("</a>", 500) + "</message>",
		"<iq type='set' id='f'" + to + "><query xmlns='jabber:iq:roster'><item jid='evil@" + xmpptest.Domain + "' subscription='both'/></query></iq>",
		"<message type='headline'" + to + "><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:nf:iot:sd:1.0'/></event></message>",
		"<message type='chat'" + to + "><x:body xmlns:x='jabber:client'>status</x:body><![CDATA[<iq>]]></message>",
	} {
		stranger.SendRaw(raw)
		viewer.SendRaw(raw)
	}
	viewer.Chat(full, "who", "")
	viewer.Wait(xmpptest.Has("<body>", "viewer@"), patience)
	for _, in := range viewer.Inbox() {
		if strings.HasPrefix(in, "<presence") && strings.Contains(in, "unavailable") && strings.Contains(in, full) {
			t.Errorf("the device went away: %s", in)
		}
	}
}

func serverRestart(t *testing.T, s *server.Server) {
	b := startDevice(t, s, "")
	c := b.client(t, "owner/phone")
	c.Chat(full, "who", "")
	c.Wait(xmpptest.Has("<body>", "owner@"), patience)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	b.set(t, "77") // an event of the outage
	time.Sleep(time.Second)
	b.set(t, "78")
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := xmpptest.Slixmpp(t, s, "owner/desk")
	again.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "http://jabber.org/protocol/caps"), 2*time.Minute)
	again.Chat(full, "read level", "")
	again.Wait(xmpptest.Has("<body>", "78.0 cm"), patience)
	deadline := time.Now().Add(patience)
	for {
		got := again.IQ(xmpptest.JID("device"), "get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pipit/level'/></pubsub>")
		if strings.Contains(got, `v="77"`) && strings.Contains(got, `v="78"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the readings of the outage are not on the node: %s", got)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// A planned stop is seen at once.
func plannedStop(t *testing.T, b *bench) {
	owner := b.client(t, "owner/phone")
	start := time.Now()
	b.stop()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	owner.Wait(xmpptest.Has("<presence", `type="unavailable"`, `from="`+full+`"`), patience)
}

// Whoever takes the device's address keeps it: there is no ping-pong.
func conflict(t *testing.T, s *server.Server) {
	b := startDevice(t, s, "")
	b.client(t, "owner/phone")
	thief := xmpptest.Slixmpp(t, s, "device/pipit")
	time.Sleep(5 * time.Second) // a device that fights is back within two
	if got := thief.IQ("", "get", "<query xmlns='jabber:iq:roster'/>"); !strings.Contains(got, `type="result"`) {
		t.Errorf("the newer session does not work any more: %s", got)
	}
}

// A server that refuses nodes leaves chat and presence working, and status says so.
func TestNoPEP(t *testing.T) {
	s := xmpptest.Prosody(t, func(o *server.Options) { o.Without = append(o.Without, "pep") })
	b := startDevice(t, s, "")
	owner := b.client(t, "owner/phone")
	deadline := time.Now().Add(patience)
	for {
		owner.Chat(full, "status", "")
		answer := owner.Wait(xmpptest.Has("<body>", "Bench"), patience)
		if strings.Contains(answer, "refused by the server") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status does not tell of the refused nodes: %s", answer)
		}
		time.Sleep(time.Second)
	}
}

// On a PubSub service the nodes carry the device's name.
func pubSubService(t *testing.T, s *server.Server) {
	startDevice(t, s, fmt.Sprintf("pubsub = %q\naccess = \"open\"\n", s.PubSub))
	dir := t.TempDir()
	password := write(t, dir, "pw", xmpptest.Password("owner"), 0o600)
	deadline := time.Now().Add(patience)
	for {
		code, out, errs := call(t, "watch", xmpptest.JID("device"), "--jid", xmpptest.JID("owner"), "--password-file", password,
			"--server", s.Addr, "--ca", s.CAFile, "--pubsub", s.PubSub, "--for", "3s")
		if code != exitOK {
			t.Fatalf("exit %d: %s", code, errs)
		}
		if strings.Contains(out, " level 10 cm\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no reading from the service:\n%s", out)
		}
	}
}

// The operator's side of the command line.
func operator(t *testing.T, b *bench) {
	s := b.srv
	dir := t.TempDir()
	password := write(t, dir, "pw", xmpptest.Password("owner"), 0o600)
	wrong := write(t, dir, "wrong", "not the password", 0o600)
	login := []string{"--jid", xmpptest.JID("owner"), "--server", s.Addr, "--ca", s.CAFile, "--password-file"}
	pipit := func(args ...string) (int, string, string) {
		return call(t, append(append(args, login...), password)...)
	}
	device := xmpptest.JID("device")

	code, out, errs := pipit("call", device)
	if code != exitOK || !strings.Contains(out, "status") || !strings.Contains(out, "read") {
		t.Errorf("list: exit %d\n%s%s", code, out, errs)
	}
	code, out, errs = pipit("call", device, "read", "name=level")
	if code != exitOK || !strings.Contains(out, "10.0 cm") {
		t.Errorf("call: exit %d\n%s%s", code, out, errs)
	}
	code, _, errs = pipit("call", device, "read", "name=levle")
	if code != exitRefused || !strings.Contains(errs, "did you mean") {
		t.Errorf("bad value: exit %d, %s", code, errs)
	}
	code, _, errs = pipit("call", device, "no-such")
	if code != exitRefused || !strings.Contains(errs, "no-such") {
		t.Errorf("unknown command: exit %d, %s", code, errs)
	}
	code, out, errs = pipit("watch", device, "--for", "4s", "--json")
	if code != exitOK || !strings.Contains(out, `"name":"level","value":10,"unit":"cm"`) {
		t.Errorf("watch: exit %d\n%s%s", code, out, errs)
	}
	code, _, errs = call(t, append(append([]string{"call", device}, login...), wrong)...)
	if code != exitNoLogin || !strings.Contains(errs, "password") || strings.Contains(errs, "not the password") {
		t.Errorf("wrong password: exit %d, %s", code, errs)
	}

	root := rootCommand()
	var said strings.Builder
	root.SetOut(&said)
	root.SetIn(strings.NewReader("read level\n\nwho\n"))
	root.SetArgs(append(append([]string{"chat", device}, login...), password))
	if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(said.String(), "10.0 cm") || !strings.Contains(said.String(), "owner@") {
		t.Errorf("chat: %v\n%s", err, said.String())
	}
}
