package register

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	const form = `<x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'><value>jabber:iq:register</value></field>`
	for name, tt := range map[string]struct{ asked, want, refused string }{
		"elements": {`<instructions>Choose.</instructions><username/><password/>`,
			`<username>p&amp;t</username><password>p&lt;w</password></query>`, ""},
		"key": {`<username/><password/><key>k</key>`,
			`<username>p&amp;t</username><password>p&lt;w</password><key>k</key></query>`, ""},
		"form": {`<username/><password/><email/>` + form + `<field var='username'><required/></field><field var='password'><required/></field><field var='email'/></x>`,
			`<field var='FORM_TYPE'><value>jabber:iq:register</value></field><field var='username'><value>p&amp;t</value></field>` +
				`<field var='password'><value>p&lt;w</value></field></x></query>`, ""},
		"hidden":   {form + `<field var='id' type='hidden'><value>7</value></field><field var='username'/><field var='password'/><field type='fixed'><value>Hello</value></field></x>`, `<field var='id'><value>7</value></field>`, ""},
		"email":    {`<username/><password/><email/>`, "", "it wants email"},
		"captcha":  {form + `<field var='username'/><field var='password'/><field var='ocr'><required/></field></x>`, "", "it wants ocr"},
		"nothing":  {``, "", "more than a name"},
		"web page": {`<instructions>See</instructions><x xmlns='jabber:x:oob'><url>https://example.org/join</url></x>`, "", "(https://example.org/join)"},
	} {
		t.Run(name, func(t *testing.T) {
			var q query
			if err := xml.Unmarshal([]byte("<query xmlns='jabber:iq:register'>"+tt.asked+"</query>"), &q); err != nil {
				t.Fatal(err)
			}
			got, err := q.answer("p&t", "p<w")
			if tt.refused != "" {
				if !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err != nil || !strings.Contains(string(got), tt.want) {
				t.Errorf("got %s, %v", got, err)
			}
			if err := xml.Unmarshal(got, new(query)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\n b\x1b[1m\u009bc\xff " + strings.Repeat("é", 200)); len(got) > maxSaid || !strings.HasPrefix(got, "a b[1mc é") {
		t.Errorf("got %q", got)
	}
}

func TestParseInvite(t *testing.T) {
	for text, want := range map[string]Invite{
		"xmpp:example.org?register;preauth=TOKEN":                         {"example.org", "", "TOKEN"},
		" xmpp:pi@example.org?register;preauth=a%20b \n":                  {"example.org", "pi", "a b"},
		"xmpp:anna@example.org?roster;preauth=T;ibr=y":                    {"example.org", "", "T"},
		"https://join.example.org/i/#xmpp:example.org?register;preauth=T": {"example.org", "", "T"},
		"XMPP://example.org?register;preauth=T":                           {"example.org", "", "T"},
		"AbC_-9":                                                          {"", "", "AbC_-9"},
		"":                                                                {},
		"two words":                                                       {},
		"xmpp:example.org?register":                                       {},
		"xmpp:anna@example.org?roster;preauth=T":                          {},
		"xmpp:anna@example.org?message;body=T":                            {},
		"xmpp:@?register;preauth=T":                                       {},
		"xmpp:example.org?register;preauth=%zz":                           {},
		"xmpp:example.org?register;preauth=a%0ab":                         {},
		"https://example.org/?register;preauth=T":                         {},
		strings.Repeat("x", maxInvite+1):                                  {},
	} {
		got, err := ParseInvite(text)
		if got != want || (err == nil) != (want != Invite{}) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func FuzzParseInvite(f *testing.F) {
	for _, seed := range []string{"xmpp:example.org?register;preauth=TOKEN", "xmpp:a@b?roster;ibr=y;preauth=%41", "T", "xmpp:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := ParseInvite(text)
		if (err == nil) != (in.Token != "") || len(in.Token) > maxInvite || strings.ContainsAny(in.Token, "\r\n") {
			t.Errorf("%+v, %v", in, err)
		}
		if in.Local != "" && in.Domain == "" {
			t.Errorf("%+v", in)
		}
	})
}
