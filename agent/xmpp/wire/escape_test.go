package wire

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	tests := []struct{ in, text, attr string }{
		{"21.5 °C", "21.5 °C", "21.5 °C"},
		{`a<b>&"c'`, "a&lt;b&gt;&amp;&#34;c&#39;", "a&lt;b&gt;&amp;&#34;c&#39;"},
		{"two\nlines\tand\r", "two\nlines\tand&#13;", "two&#10;lines&#9;and&#13;"},
		{"nul\x00esc\x1b", "nul\uFFFDesc\uFFFD", "nul\uFFFDesc\uFFFD"},
		{"bad\xff\xc3end", "bad\uFFFD\uFFFDend", "bad\uFFFD\uFFFDend"},
		{"\uFFFE\uFFFD\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
	}
	for _, tt := range tests {
		if got := string(Escape([]byte("+"), tt.in)); got != "+"+tt.text {
			t.Errorf("Escape(%q) = %q, want %q", tt.in, got, "+"+tt.text)
		}
		if got := string(Attr(nil, "k", tt.in)); got != " k='"+tt.attr+"'" {
			t.Errorf("Attr(%q) = %q, want %q", tt.in, got, tt.attr)
		}
	}
	if got := Attr(nil, "k", ""); got != nil {
		t.Errorf("an empty attribute gives %q", got)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"plain", "<&>'\"", "\r\n\t", "\x00\xff\uFFFE", "]]>", "é😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		doc := append(Attr([]byte("<a"), "k", in), '>')
		doc = append(Escape(doc, in), "</a>"...)
		if !utf8.Valid(doc) {
			t.Fatalf("%q is not UTF-8", doc)
		}
		var got struct {
			K    string `xml:"k,attr"`
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		want := strings.Map(func(r rune) rune {
			if !isChar(r) {
				return utf8.RuneError
			}
			return r
		}, in)
		if got.K != want || got.Text != want {
			t.Fatalf("%q gives %q and %q", in, got.K, got.Text)
		}
	})
}
