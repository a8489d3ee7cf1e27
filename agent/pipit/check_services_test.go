package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/config"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

// answers is a server that answers a request which holds a text with what stands
// behind it: the content of a result, or <error .../>. Others are refused.
type answers map[string]string

func (a answers) Request(_ context.Context, to, _ string, payload []byte) (*stanza.Stanza, error) {
	typ, body := "error", "<error type='cancel'><service-unavailable xmlns='"+stanza.NSError+"'/></error>"
	for part, reply := range a {
		if strings.Contains(to+" "+string(payload), part) {
			typ, body = "result", reply
		}
	}
	if strings.HasPrefix(body, "<error") {
		typ = "error"
	}
	s, err := stanza.Parse([]byte("<iq type='" + typ + "' id='1'>" + body + "</iq>"))
	if err == nil && typ == "error" {
		return nil, stanza.ErrorOf(s)
	}
	return s, err
}

func refuses(condition string) string {
	return "<error type='cancel'><" + condition + " xmlns='" + stanza.NSError + "'/></error>"
}

const pep = "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='pubsub' type='pep'/></query>"

// nodeForm is the configuration of a node; the pairs change it.
func nodeForm(pairs ...string) string {
	values := map[string]string{"access_model": "presence", "publish_model": "publishers", "max_items": "256", "persist_items": "1", "send_last_published_item": "on_sub_and_presence"}
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		values[key] = value
	}
	form := ""
	for key, value := range values {
		form += "<field var='pubsub#" + key + "'><value>" + value + "</value></field>"
	}
	return "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure><x xmlns='jabber:x:data' type='form'>" + form + "</x></configure></pubsub>"
}

func TestNodesAsTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		form, state, says string
	}{
		"right":            {nodeForm(), stateOK, "access_model presence, publish_model publishers, max_items 256, persist_items 1, send_last"},
		"max":              {nodeForm("max_items=max"), stateOK, ""},
		"open to all":      {nodeForm("access_model=open"), stateFailed, "differs: access_model is open, wanted presence"},
		"not kept":         {nodeForm("persist_items=0", "max_items=7"), stateWarning, "differs: max_items is 7, wanted 256, persist_items is 0, wanted true"},
		"not there":        {refuses("item-not-found"), stateSkipped, "not there yet"},
		"of another owner": {refuses("forbidden"), stateWarning, "belongs to somebody else"},
		"broken":           {refuses("internal-server-error"), stateFailed, "internal-server-error"},
	} {
		cfg := &config.Config{XMPP: config.XMPP{JID: "pi@example.org", Access: "presence"}}
		i := newInspection(cfg)
		i.names <- []string{"a.x"}
		tr := &tree{}
		i.pubsub(t.Context(), branch{tr, "server"}, answers{"disco#info": pep, "pipit/a.x": c.form, "urn:nf:iot:sd:1.0": nodeForm("max_items=1")})
		list := tr.findings()
		if len(list) != 3 || list[0].State != stateOK || list[1].State != stateOK || list[1].ID != "server/pubsub/urn:nf:iot:sd:1.0" {
			t.Fatalf("%s: %+v", name, list)
		}
		f := list[2]
		if f.State != c.state || !strings.Contains(f.Text, c.says) || f.ID != "server/pubsub/pipit/a.x" {
			t.Errorf("%s: %+v", name, f)
		}
		if (f.State == stateFailed || f.State == stateWarning) && f.Hint == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

func TestPubSubThatIsNotThere(t *testing.T) {
	for service, says := range map[string]string{"": "no PEP", "pubsub.example.org": "pubsub.example.org is no PubSub service"} {
		i := newInspection(&config.Config{XMPP: config.XMPP{JID: "pi@example.org", PubSub: service}})
		tr := &tree{}
		i.pubsub(t.Context(), branch{tr, "server"}, answers{"disco#info": "<query xmlns='http://jabber.org/protocol/disco#info'/>"})
		if f := tr.findings()[0]; f.State != stateFailed || !strings.Contains(f.Text, says) || f.Hint == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestWhatRoomsSay(t *testing.T) {
	info := func(features ...string) string {
		s := "<query xmlns='http://jabber.org/protocol/disco#info'>"
		for _, f := range features {
			s += "<feature var='" + f + "'/>"
		}
		return s + "</query>"
	}
	const muc = "http://jabber.org/protocol/muc"
	for name, c := range map[string]struct {
		answer, password, state, says string
	}{
		"open":          {info(muc, "muc_open"), "", stateOK, "open"},
		"members":       {info(muc, "muc_membersonly"), "", stateOK, "members only"},
		"password":      {info(muc, "muc_passwordprotected"), "", stateFailed, "wants a password"},
		"our password":  {info(muc, "muc_passwordprotected"), "not-real", stateOK, "open to this account"},
		"no room":       {info("urn:xmpp:ping"), "", stateFailed, "is no room"},
		"not there":     {refuses("item-not-found"), "", stateWarning, "not there yet"},
		"no such place": {refuses("remote-server-not-found"), "", stateFailed, "remote-server-not-found"},
	} {
		tr := &tree{}
		room := config.Room{Name: "r", JID: "r@rooms.example.org", Password: config.NewSecret(c.password)}
		tellRoom(t.Context(), branch{tr, "rooms"}, answers{"disco#info": c.answer}, room)
		f := tr.findings()[0]
		if f.State != c.state || !strings.Contains(f.Text, c.says) || (f.State != stateOK) != (f.Hint != "") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestTheServersClock(t *testing.T) {
	at := func(off time.Duration) string {
		return "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>" + time.Now().Add(off).UTC().Format("2006-01-02T15:04:05.000Z") + "</utc></time>"
	}
	for name, c := range map[string]struct{ answer, state, says string }{
		"right":  {at(0), stateOK, "s ahead of the server's"},
		"wrong":  {at(time.Hour), stateWarning, "59m59"},
		"untold": {refuses("service-unavailable"), stateSkipped, "XEP-0202"},
	} {
		tr := &tree{}
		tellTime(t.Context(), branch{tr, "clock"}, answers{"urn:xmpp:time": c.answer}, "example.org")
		f := tr.findings()[0]
		says := strings.Contains(f.Text, c.says) || name == "wrong" && strings.Contains(f.Text, "1h0m0s behind") || name == "right"
		if f.State != c.state || !says {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestWhatALoginFound(t *testing.T) {
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		peer stream.Peer
		acks bool
		want string // states of tls, certificate, login, management
		says string
	}{
		"all well":                    {stream.Peer{TLS: "TLS 1.3", Mechanism: "SCRAM-SHA-256-PLUS", Offered: []string{"SCRAM-SHA-256-PLUS", "PLAIN"}, Resumes: true, ResumeMax: "300"}, true, "ok ok ok", "with channel binding; offered: PLAIN, SCRAM-SHA-256-PLUS acknowledges, and resumes for 300 s"},
		"plain":                       {stream.Peer{Mechanism: "PLAIN"}, true, "ok warning warning", "does not resume"},
		"no management":               {stream.Peer{Mechanism: "SCRAM-SHA-1"}, false, "ok ok warning", "without channel binding"},
		"resumes for an unknown time": {stream.Peer{Mechanism: "SCRAM-SHA-1", Resumes: true}, true, "ok ok ok", "does not say for how long"},
	} {
		tr := &tree{}
		tellPeer(branch{tree: tr}, c.peer, c.acks)
		var states, texts []string
		for _, f := range tr.findings() {
			states, texts = append(states, f.State), append(texts, f.Text)
		}
		if got := strings.Join(states, " "); got != c.want || !strings.Contains(strings.Join(texts, " "), c.says) {
			t.Errorf("%s: %s: %q", name, got, texts)
		}
	}
	for days, state := range map[int]string{13: stateWarning, 14: stateOK} {
		tr := &tree{}
		tellCertificate(branch{tree: tr}, &x509.Certificate{DNSNames: []string{"example.org"}, NotAfter: now.Add(time.Duration(days)*24*time.Hour + time.Minute)}, now)
		if f := tr.findings()[0]; f.State != state || !strings.HasPrefix(f.Text, fmt.Sprintf("%d days left, until 2026-03-", days)) {
			t.Errorf("%+v", f)
		}
	}
}

// A certificate that ends soon is a warning, and the whole is told as this file has it.
func TestCheckGolden(t *testing.T) {
	soon := func(ca *server.CA, domain string) (tls.Certificate, error) {
		return ca.Issue(domain, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(9*24*time.Hour + time.Hour) })
	}
	h := xmpptest.NewHostile(t, xmpptest.Behaviour{Cert: soon, Manage: true, Answer: func(iq string) (string, bool) {
		body, typ := "", "result"
		switch {
		case strings.Contains(iq, "disco#info") && !strings.Contains(iq, " to="):
			body = pep
		case strings.Contains(iq, "urn:nf:iot:sd:1.0"):
			body = nodeForm("max_items=1")
		default:
			typ, body = "error", "<error type='cancel'><item-not-found xmlns='"+stanza.NSError+"'/><text xmlns='"+stanza.NSError+"'>you are "+xmpptest.Password(xmpptest.Device)+"</text></error>"
		}
		id := regexp.MustCompile(` id=['"]([^'"]*)`).FindStringSubmatch(iq)[1]
		from := ""
		if to := regexp.MustCompile(` to=['"]([^'"]*)`).FindStringSubmatch(iq); to != nil {
			from = " from='" + to[1] + "'"
		}
		return "<iq type='" + typ + "' id='" + id + "'" + from + ">" + body + "</iq>", true
	}})
	l := lab{addr: h.Addr, ca: h.CAFile, password: xmpptest.Password(xmpptest.Device), rest: "[output.lamp]\nkind = \"sim\"\n[room.r]\njid = \"r@rooms.example.org\"\n"}
	path := l.write(t)
	alone(t)
	code, out, errs := call(t, "check", "--json", "--config", path)
	if code != exitOK {
		t.Errorf("exit %d %s", code, errs)
	}
	for _, r := range [][2]string{
		{regexp.QuoteMeta(filepath.Dir(path)), "DIR"}, {regexp.QuoteMeta(version()), "VERSION"}, {`127\.0\.0\.1:\d+`, "ADDR"},
		{`[\d.]+ ms`, "N ms"}, {`until [-\d]+`, "until DAY"}, {`TLS_\w+`, "CIPHER"}, {`\w+ may write, \d+ MB free, \d+ kB used`, "USER may write, N MB free, N kB used"},
		{`"clock","state":"\w+","text":"[^"]*"(,"hint":"[^"]*")?`, `"clock","state":"STATE"`}, {`\},\{`, "},\n{"},
	} {
		out = regexp.MustCompile(r[0]).ReplaceAllString(out, r[1])
	}
	want, err := os.ReadFile("testdata/check.json")
	if err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(string(want), out); d != "" {
		t.Errorf("%s\n%s", d, out)
	}
}
