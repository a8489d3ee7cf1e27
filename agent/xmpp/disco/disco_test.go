package disco

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/stanza"
)

// The two examples of XEP-0115 sections 5.2 and 5.3.
var (
	exodus = Info{
		Identities: []Identity{{"client", "pc", "", "Exodus 0.9.1"}},
		Features:   []string{NSInfo, NSCaps, NSItems, "http://jabber.org/protocol/muc"},
	}
	psi = Info{
		Identities: []Identity{{"client", "pc", "en", "Psi 0.11"}, {"client", "pc", "el", "Ψ 0.11"}},
		Features:   exodus.Features,
		Forms: []dataform.Form{{Type: "result", Fields: []dataform.Field{
			dataform.FormType("urn:xmpp:dataforms:softwareinfo"),
			{Var: "ip_version", Type: "text-multi", Values: []string{"ipv6", "ipv4"}},
			{Var: "os", Values: []string{"Mac"}},
			{Var: "os_version", Values: []string{"10.5.1"}},
			{Var: "software", Values: []string{"Psi"}},
			{Var: "software_version", Values: []string{"0.11"}},
		}}},
	}
)

func TestVer(t *testing.T) {
	twice := exodus
	twice.Features = append(strings.Split(strings.Join(exodus.Features, " "), " "), NSInfo, NSCaps)
	unnamed := exodus
	unnamed.Forms = []dataform.Form{{Type: "result", Fields: []dataform.Field{{Var: "a", Values: []string{"b"}}}}}
	tests := []struct {
		name string
		info Info
		want string
	}{
		{"simple", exodus, "QgayPKawpkPSDYmwT/WM94uAlu0="},
		{"complex", psi, "q07IKJEyjvHSyhy//CH0CxmKi8w="},
		{"features twice", twice, "QgayPKawpkPSDYmwT/WM94uAlu0="},
		{"a form without FORM_TYPE does not count", unnamed, "QgayPKawpkPSDYmwT/WM94uAlu0="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.info.Ver(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Fields sort by their names alone: a name that is the beginning of another
// comes first, although the separator '<' sorts behind digits.
func TestVerSortsByName(t *testing.T) {
	form := func(vars ...string) Info {
		f := dataform.Form{Fields: []dataform.Field{dataform.FormType("urn:example:f")}}
		for _, v := range vars {
			f.Fields = append(f.Fields, dataform.Field{Var: v, Values: []string{v}})
		}
		return Info{Forms: []dataform.Form{f}}
	}
	var b strings.Builder
	appendForm(&b, form("os2", "os").Forms[0])
	if want := "urn:example:f<os<os<os2<os2<"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if form("os", "os2").Ver() != form("os2", "os").Ver() {
		t.Error("the hash depends on the order")
	}
}

func TestAppend(t *testing.T) {
	info := Info{
		Identities: []Identity{{"client", "bot", "", "Green<house>"}},
		Features:   []string{"urn:b", "urn:a", "urn:b"},
	}
	want := `<query xmlns='http://jabber.org/protocol/disco#info' node='n&amp;'><identity category='client' type='bot' name='Greenhouse&gt;'/>` +
		`<feature var='urn:a'/><feature var='urn:b'/></query>`
	if diff := cmp.Diff(want, string(info.Append(nil, "n&"))); diff != "" {
		t.Error(diff)
	}
	want = `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://example.org/' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>`
	if diff := cmp.Diff(want, string(exodus.AppendCaps(nil, "https://example.org/"))); diff != "" {
		t.Error(diff)
	}
	want = `<query xmlns='http://jabber.org/protocol/disco#items' node='c'><item jid='d@example.org/p' node='read' name='read: it'/></query>`
	if diff := cmp.Diff(want, string(AppendItems(nil, "c", []Item{{"d@example.org/p", "read", "read: it"}}))); diff != "" {
		t.Error(diff)
	}
	if got, want := string(AppendItems(nil, "", nil)), `<query xmlns='http://jabber.org/protocol/disco#items'></query>`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestNodeOf(t *testing.T) {
	tests := []struct {
		in, want string
		err      error
	}{
		{`<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`, "", nil},
		{`<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='a#b&lt;'/></iq>`, "a#b<", nil},
		{`<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'></iq>`, "", stanza.BadRequest},
	}
	for _, tt := range tests {
		iq, err := stanza.Parse([]byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		got, err := NodeOf(iq)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("NodeOf(%s) = %q, %v", tt.in, got, err)
		}
	}
}

// server answers every request with one payload.
type server struct {
	payload string
	asked   string
}

func (s *server) Request(_ context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	s.asked = to + " " + typ + " " + string(payload)
	if s.payload == "" {
		return nil, stanza.ItemNotFound
	}
	return stanza.Parse([]byte("<iq type='result' id='1'>" + s.payload + "</iq>"))
}

func TestItems(t *testing.T) {
	want := []Item{{"a@example.org", "x", "X"}, {"b@example.org", "", ""}}
	s := &server{payload: string(AppendItems(nil, "", want))}
	got, err := Items(t.Context(), s, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := " get <query xmlns='http://jabber.org/protocol/disco#items'/>"; s.asked != want {
		t.Errorf("asked %s", s.asked)
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	for i := range maxItems + 5 {
		fmt.Fprintf(&b, "<item jid='j' node='%d'/>", i)
	}
	items, err := Items(t.Context(), &server{payload: "<query xmlns='" + NSItems + "'>" + b.String() + "</query>"}, "j", "")
	if err != nil || len(items) != maxItems {
		t.Errorf("%d items, error %v", len(items), err)
	}
}
