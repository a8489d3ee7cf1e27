package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsHidden(t *testing.T) {
	const text = "not a real one"
	c := mustLoad(t, "[xmpp]\njid = \"a@example.org\"\npassword = \""+text+"\"\n", built{})
	if c.XMPP.Password.Reveal() != text {
		t.Fatal("the password is lost")
	}
	var out bytes.Buffer
	type inside struct{ config Config } // fmt calls no methods below unexported fields
	hex := fmt.Sprintf("%x", text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%08b"} {
		for _, v := range []any{c, *c, c.XMPP, &c.XMPP, c.XMPP.Password, &c.XMPP.Password, inside{*c}, &inside{*c}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "c", c, "x", c.XMPP, "p", c.XMPP.Password)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "c", c, "x", c.XMPP, "p", c.XMPP.Password)
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, c.Describe(), c.Warnings, c.XMPP.Password.String(), c.XMPP.Password.GoString())
	for _, leak := range []string{text, hex, strings.ToUpper(hex)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is in\n%s", leak, out.String())
		}
	}
	if n := strings.Count(out.String(), hidden); n < 50 {
		t.Errorf("[hidden] stands there %d times only", n)
	}
	if (Secret{}).Reveal() != "" {
		t.Error("the zero Secret is not empty")
	}
}

func FuzzSyntaxKeepsPassword(f *testing.F) {
	for _, s := range []string{"0123", "bare", "2020-99-99", `"x\uZZZZ"`, "1__0", "'a", "[", "{a", "99999999999999999999", ".5", "1e", "tru", `"""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsAny(value, "\n=") {
			return
		}
		text := "[xmpp]\npassword = Zq7" + value + "\n"
		_, _, p := parse("f", text)
		if p != nil && strings.Contains(p.Text, "Zq7") {
			t.Errorf("%q: %s", text, p)
		}
	})
}
