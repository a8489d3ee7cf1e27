package diag

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// encodings are the ways in which a text may stand in another.
var encodings = map[string]func(string) string{
	"raw":       func(s string) string { return s },
	"query":     url.QueryEscape,
	"path":      url.PathEscape,
	"hex":       func(s string) string { return hex.EncodeToString([]byte(s)) },
	"base64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64url": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"plain":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte("\x00pi\x00" + s)) },
	"basic":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte("anna:" + s)) },
	"json": func(s string) string {
		b, _ := json.Marshal(s)
		return string(b)
	},
	"xml": func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	},
}

// shows tells whether a text still has a secret in some way.
func shows(text, secret string) bool {
	for _, encode := range []string{"raw", "query", "path", "hex", "json", "xml"} {
		if strings.Contains(text, strings.Trim(encodings[encode](secret), `"`)) {
			return true
		}
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", r)
	}) {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if b, err := enc.DecodeString(word); err == nil && strings.Contains(string(b), secret) {
				return true
			}
		}
	}
	return false
}

func TestSecretsInEachEncoding(t *testing.T) {
	for _, secret := range []string{"canary", "correct horse & \"battery\" <staple>", "pä55wörd/+?", "0123456789abcdef"} {
		r := New([]string{secret}, nil, true)
		for name, encode := range encodings {
			text := "a line with " + encode(secret) + " in it\n"
			got := r.Text(text)
			if shows(got, secret) || !strings.Contains(got, "[hidden]") {
				t.Errorf("%s of %q: %q", name, secret, got)
			}
			if !strings.HasPrefix(got, "a line with ") || !strings.HasSuffix(got, " in it\n") {
				t.Errorf("%s of %q: too much is gone: %q", name, secret, got)
			}
		}
	}
}

func TestShortSecretsAreWords(t *testing.T) {
	r := New([]string{"abc"}, nil, true)
	if got := r.Text("abc abcd 'abc' xabc"); got != "[hidden] abcd '[hidden]' xabc" {
		t.Errorf("got %q", got)
	}
}

func TestLooksSecret(t *testing.T) {
	r := New(nil, nil, true)
	for in, want := range map[string]string{
		`password = "x y" # why`:                   `password = "[hidden]" # why`,
		`"token": "abc", "next": 1`:                `"token": "[hidden]", "next": 1`,
		`password_file = "password"`:               `password_file = "password"`,
		`Authorization: Bearer abcdefghijk`:        `Authorization: [hidden]`,
		`mqtts://anna:pw@example.org:8883`:         `mqtts://anna:[hidden]@example.org:8883`,
		`<auth mechanism='PLAIN'>AHBpAHB3</auth>`:  `<auth mechanism='PLAIN'>[hidden]</auth>`,
		`<enabled xmlns='urn:xmpp:sm:3' id='abc'>`: `<enabled xmlns='urn:xmpp:sm:3' id='[hidden]'>`,
		`run --password hunter2 now`:               `run --password [hidden] now`,
		`the temperature is 21.5 °C`:               `the temperature is 21.5 °C`,
	} {
		if got := r.Text(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	key := "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\nAAAA\n-----END PRIVATE KEY-----\nafter\n"
	if got := r.Text(key); got != "a private key: [hidden]\nafter\n" {
		t.Errorf("got %q", got)
	}
}

// One name has one pseudonym, in all files and whatever comes first.
func TestNames(t *testing.T) {
	const text = `jid = "pi@home.example.org/pipit"
owner anna@home.example.org at 192.0.2.7 and 2001:db8::7, MAC dc:a6:32:01:02:03
looked up home.example.org: see https://home.example.org/x
host shed: Linux shed 6.12; loopback 127.0.0.1 and ::1 stay, so does 14:30:04
wlan0 ESSID:"Annas WLAN"; Serial : 10000000abcdef01; 28-0316a2795fff
PARTUUID=5e3da3da-02 machine 0123456789abcdef0123456789abcdef
at 52.51630, 13.37770; {"latitude": 52.5163}; $GPGGA,123519,4807.038,N
pi@home.example.org again; pipit v1.2.3 github.com/spf13/cobra@v1.10.2 getty@tty1.service
`
	const want = `jid = "jid-1@domain-1/pipit"
owner jid-2@domain-1 at ip-1 and ip6-1, MAC mac-1
looked up domain-1: see https://domain-1/x
host host-1: Linux host-1 6.12; loopback 127.0.0.1 and ::1 stay, so does 14:30:04
wlan0 ESSID:"ssid-1"; Serial : serial-1; serial-2
PARTUUID=uuid-1 machine machine-1
at position; {"latitude": "position"}; position
jid-1@domain-1 again; pipit v1.2.3 github.com/spf13/cobra@v1.10.2 getty@tty1.service
`
	r := New(nil, []Name{{"host", "shed"}}, false)
	r.Learn(text)
	got := r.Text(text)
	got = strings.ReplaceAll(got, "28-serial-2", "serial-2")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if raw := New(nil, []Name{{"host", "shed"}}, true).Text(text); raw != text {
		t.Errorf("raw names changed:\n%s", cmp.Diff(text, raw))
	}
}

// Whatever the text and the secret, it is gone, and what is clean stays as it is.
func FuzzRedactor(f *testing.F) {
	f.Add("password = hunter2\npi@example.org 192.0.2.7", "hunter2")
	f.Add("AHBpAGh1bnRlcjI=", "hunter2")
	f.Add("[hidden] hidden", "hidden")
	f.Add("jid-1@domain-1", "jid-1")
	f.Add("%68unter2 &#34;", "\"")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if len(text) > 4<<10 || len(secret) > 200 {
			return
		}
		r := New([]string{secret}, []Name{{"host", "greenhouse"}}, false)
		r.Learn(text)
		got := r.Text(text)
		if again := r.Text(got); again != got {
			t.Errorf("%q became %q", got, again)
		}
		if len(secret) < minSecret {
			return
		}
		for _, form := range Forms(strings.ToValidUTF8(secret, "?")) {
			if secret == strings.ToValidUTF8(secret, "?") && strings.Contains(got, form) {
				t.Errorf("%q is in %q", form, got)
			}
		}
	})
}
