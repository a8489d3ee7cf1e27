package upload

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

func slotOf(put, get, headers string) string {
	return "<slot xmlns='" + NS + "'><put url='" + put + "'>" + headers + "</put><get url='" + get + "'/></slot>"
}

func header(name, value string) string { return "<header name='" + name + "'>" + value + "</header>" }

const (
	putURL = "https://up.example.org/secret-put/a.png"
	getURL = "https://down.example.org/secret-get/a.png?x=1"
)

func TestParseSlot(t *testing.T) {
	tests := []struct {
		name, slot string
		header     http.Header
		err        string
	}{
		{"plain", slotOf(putURL, getURL, ""), http.Header{}, ""},
		{"headers", slotOf(putURL, getURL, header("authorization", "Bearer a b")+header("COOKIE", "a=1")+header("Expires", "0")+header("Host", "evil")+header("X-A", "1")),
			http.Header{"Authorization": {"Bearer a b"}, "Cookie": {"a=1"}, "Expires": {"0"}}, ""},
		{"line break", slotOf(putURL, getURL, header("Cookie", "secret\nHost: evil")), nil, "header Cookie holds a line break"},
		{"carriage return", slotOf(putURL, getURL, header("Cookie", "secret&#13;Host: evil")), nil, "header Cookie holds a line break"},
		{"line break in a name", slotOf(putURL, getURL, header("Cookie&#10;Host", "a")), http.Header{}, ""},
		{"long header", slotOf(putURL, getURL, header("Cookie", strings.Repeat("s", maxHeader+1))), nil, "header Cookie is longer than 8192 bytes"},
		{"many headers", slotOf(putURL, getURL, strings.Repeat(header("X-A", "1"), maxHeaders+1)), nil, "21 headers, more than 20"},
		{"put http", slotOf("http://up.example.org/secret", getURL, ""), nil, `the put url has the scheme "http": only https is accepted`},
		{"get http", slotOf(putURL, "http://up.example.org/secret", ""), nil, `the get url has the scheme "http": only https is accepted`},
		{"put file", slotOf("file:///secret", getURL, ""), nil, `scheme "file"`},
		{"no scheme", slotOf("//up.example.org/secret", getURL, ""), nil, `scheme ""`},
		{"put missing", slotOf("", getURL, ""), nil, "the put url is missing"},
		{"get missing", slotOf(putURL, "", ""), nil, "the get url is missing"},
		{"no slot", "<a xmlns='urn:example:a'/>", nil, "the put url is missing"},
		{"another namespace", strings.Replace(slotOf(putURL, getURL, ""), NS, "urn:xmpp:http:upload", 1), nil, "the put url is missing"},
		{"long", slotOf(putURL+strings.Repeat("s", maxURL), getURL, ""), nil, "the put url is longer than 8192 bytes"},
		{"space", slotOf(putURL, getURL+" secret", ""), nil, "the get url is malformed"},
		{"line", slotOf(putURL, getURL+"&#10;secret", ""), nil, "the get url is malformed"},
		{"turned text", slotOf(putURL, getURL+"\u202esecret", ""), nil, "the get url is malformed"},
		{"bad escape", slotOf(putURL+"%zz", getURL, ""), nil, "the put url is malformed"},
		{"user", slotOf("https://secret:pw@up.example.org/", getURL, ""), nil, "no host, or a user name"},
		{"no host", slotOf("https:///secret", getURL, ""), nil, "no host, or a user name"},
		{"not XML", "<slot xmlns='" + NS + "'><put></slot>", nil, "element <put> closed by </slot>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSlot(parse(t, "<iq type='result' id='1'>"+tt.slot+"</iq>"))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") {
					t.Errorf("error %v, want %q and no secret", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.put.String() != putURL || got.get != getURL {
				t.Errorf("got %s, %s", got.put, got.get)
			}
			if diff := cmp.Diff(tt.header, got.header); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func errorOf(typ, condition, more string) string {
	return "<error type='" + typ + "'><" + condition + " xmlns='" + stanza.NSError + "'/>" +
		"<text xmlns='" + stanza.NSError + "'>no</text>" + more + "</error>"
}

func TestRefusals(t *testing.T) {
	large := func(max string) string {
		return errorOf("modify", "not-acceptable", "<file-too-large xmlns='"+NS+"'><max-file-size>"+max+"</max-file-size></file-too-large>")
	}
	retry := func(stamp string) string {
		return errorOf("wait", "resource-constraint", "<retry xmlns='"+NS+"' stamp='"+stamp+"'/>")
	}
	tests := []struct {
		name, reply string
		max         int64 // told before
		want        string
	}{
		{"too large", large("20000"), 0, "the file is too large: 30000 bytes, the server takes 20000 at most"},
		{"too large, spaces", large(" 20000\n"), 0, "the server takes 20000 at most"},
		{"too large, told before", large(""), 40000, "the server takes 40000 at most"},
		{"too large, not told", large("x"), 0, "the file is too large (30000 bytes): the server does not say"},
		{"retry", retry("2026-12-03T23:42:05Z"), 0, "resource-constraint (retry): no; try again after 2026-12-03T23:42:05Z"},
		{"retry, other zone", retry("2026-12-03T23:42:05.5+02:00"), 0, "try again after 2026-12-03T21:42:05Z"},
		{"retry, bad stamp", retry("soon"), 0, "resource-constraint (retry): no"},
		{"not allowed", errorOf("cancel", "not-allowed", ""), 0, "not-allowed: no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &fake{replies: map[string]string{"up.x request": tt.reply}}
			_, err := requestSlot(t.Context(), c, Service{"up.x", tt.max}, File{Name: "a", Type: "b/c"}, 30000)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "asking up.x for an upload slot: ") {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			var large *TooLargeError
			var wait *RetryError
			var e *stanza.Error
			if is := strings.HasPrefix(tt.name, "too large"); errors.As(err, &large) != is || errors.As(err, &e) == is {
				t.Errorf("error %#v", err)
			}
			if is := strings.Contains(tt.want, "try again"); errors.As(err, &wait) != is {
				t.Errorf("error %#v", err)
			}
		})
	}
}

func TestRefusalTextIsBounded(t *testing.T) {
	reply := strings.Replace(errorOf("cancel", "not-allowed", ""), ">no<", ">"+strings.Repeat("é", maxText)+"<", 1)
	err := refusal(parse(t, "<iq type='error' id='1'>"+reply+"</iq>"), 1, 0)
	if n := len(err.Error()); n > maxText+50 || !strings.HasSuffix(err.Error(), "é...") {
		t.Errorf("%d bytes: %v", n, err)
	}
}

func TestRequestSlot(t *testing.T) {
	c := &fake{replies: map[string]string{"up.x request": slotOf(putURL, getURL, "")}}
	if _, err := requestSlot(t.Context(), c, Service{"up.x", 100}, File{Name: "a'b.png", Type: "image/png"}, 100); err != nil {
		t.Fatal(err)
	}
	want := []string{"<request xmlns='urn:xmpp:http:upload:0' filename='a&#39;b.png' size='100' content-type='image/png'/>"}
	if diff := cmp.Diff(want, c.raw); diff != "" {
		t.Error(diff)
	}
	var large *TooLargeError
	_, err := requestSlot(t.Context(), c, Service{"up.x", 100}, File{Name: "a"}, 101)
	if !errors.As(err, &large) || *large != (TooLargeError{Size: 101, Max: 100}) || len(c.log) != 1 {
		t.Errorf("error %v after %q", err, c.log)
	}
}

func TestRequestSlotEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails a test that would hang
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := &fake{silent: true}
		if _, err := requestSlot(ctx, c, Service{JID: "up.x"}, File{Name: "a"}, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	c := &fake{errs: map[string]error{"up.x request": stanza.ErrClosed}}
	if _, err := requestSlot(t.Context(), c, Service{JID: "up.x"}, File{Name: "a"}, 1); !errors.Is(err, stanza.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func FuzzParseSlot(f *testing.F) {
	for _, s := range []string{
		slotOf(putURL, getURL, ""), slotOf(putURL, getURL, header("Cookie", "a=1")+header("Host", "h")),
		slotOf(putURL, getURL, header("Cookie", "a&#10;b")), slotOf("http://a/", getURL, ""), slotOf("", "", ""),
		slotOf("https://u:p@a/", "https://[::1]:5443/%20", header("Authorization", "")), "<a xmlns='urn:a'/>", "<slot",
		errorOf("modify", "not-acceptable", "<file-too-large xmlns='"+NS+"'><max-file-size>1</max-file-size></file-too-large>"),
		errorOf("wait", "resource-constraint", "<retry xmlns='"+NS+"' stamp='2026-12-03T23:42:05Z'/>"),
		infoOf(NS, NS, "9223372036854775808"),
	} {
		f.Add("<iq type='result' id='1'>" + s + "</iq>")
	}
	f.Fuzz(func(t *testing.T, raw string) {
		reply, err := stanza.Parse([]byte(raw))
		if err != nil {
			return
		}
		if e := refusal(reply, 1, 0); e == nil || len(e.Error()) > len(raw)+maxText+200 {
			t.Errorf("refusal %v", e)
		}
		if s, _, _ := parseInfo(reply, "up.x"); s.MaxSize < 0 {
			t.Errorf("size %d", s.MaxSize)
		}
		s, err := parseSlot(reply)
		if err != nil {
			return
		}
		if s.put.Scheme != "https" || s.put.Host == "" || !strings.HasPrefix(strings.ToLower(s.get), "https:") || len(s.get) > maxURL || strings.ContainsAny(s.get, " \r\n") {
			t.Errorf("urls %q, %q", s.put, s.get)
		}
		for name, values := range s.header {
			if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") || len(s.header) > 3 {
				t.Errorf("header %q %q", name, values)
			}
		}
	})
}
