package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lex feeds the input in pieces of step bytes and returns the units, white
// space left out.
func lex(l *Lexer, in string, step int) (units []string, err error) {
	for len(in) > 0 && err == nil {
		n := min(step, len(in))
		err = l.Feed([]byte(in[:n]), func(u Unit) error {
			if u.Kind != Space {
				units = append(units, string("?HEZ"[u.Kind])+" "+u.Name+" "+string(u.Raw))
			}
			return nil
		})
		in = in[n:]
	}
	return units, err
}

func TestLexer(t *testing.T) {
	const head = "<stream:stream xmlns='jabber:client'>"
	tests := []struct {
		name, in string
		want     []string
		err      error
	}{
		{"whole stream", "<?xml version='1.0'?>\n<s:stream a='>'><message a='/>'><b/></message> \n<iq/></s:stream> ",
			[]string{"H stream <?xml version='1.0'?>\n<s:stream a='>'>", "E message <message a='/>'><b/></message>", "E iq <iq/>", "Z stream </s:stream>"}, nil},
		{"space before the header", " \n<s><p:presence/>", []string{"H s <s>", "E presence <p:presence/>"}, nil},
		{"cdata", "<s><a><![CDATA[</a>]>]]]><b/>]]</a>", []string{"H s <s>", "E a <a><![CDATA[</a>]>]]]><b/>]]</a>"}, nil},
		{"quotes in quotes", `<s><a b="'>" c='">'/>`, []string{"H s <s>", `E a <a b="'>" c='">'/>`}, nil},
		{"unfinished", head + "<message><bo", []string{"H stream " + head}, nil},
		{"comment", head + "<a><!-- x --></a>", []string{"H stream " + head}, ErrForbidden},
		{"comment between stanzas", head + "<!-- x -->", []string{"H stream " + head}, ErrForbidden},
		{"document type", "<!DOCTYPE s [<!ENTITY a 'b'>]><s>", nil, ErrForbidden},
		{"processing instruction", "<s><a><?php x ?></a>", []string{"H s <s>"}, ErrForbidden},
		{"processing instruction first", "<?php x ?><s>", nil, ErrForbidden},
		{"like a declaration", "<?xmlish ?><s>", nil, ErrForbidden},
		{"two declarations", "<?xml version='1.0'?><?xml version='1.0'?><s>", nil, ErrForbidden},
		{"declaration inside", "<s><?xml version='1.0'?>", []string{"H s <s>"}, ErrForbidden},
		{"cdata in the stream", "<s><![CDATA[x]]>", []string{"H s <s>"}, ErrForbidden},
		{"text in the stream", "<s>hello<a/>", []string{"H s <s>"}, ErrMalformed},
		{"text before the stream", "HTTP/1.1 400 Bad Request", nil, ErrMalformed},
		{"end before start", "</s>", nil, ErrMalformed},
		{"more after the end", "<s></s><s>", []string{"H s <s>", "Z s </s>"}, ErrMalformed},
		{"empty stream", "<s/>", nil, ErrMalformed},
		{"tag in a tag", "<s><a <b>", []string{"H s <s>"}, ErrMalformed},
		{"tag in a value", "<s><a b='<'/>", []string{"H s <s>"}, ErrMalformed},
		{"end tag with attribute", "<s><a></a b='c'>", []string{"H s <s>"}, ErrMalformed},
		{"empty end tag", "<s><a></a/>", []string{"H s <s>"}, ErrMalformed},
		{"no name", "<s>< a/>", []string{"H s <s>"}, ErrMalformed},
		{"header inside", head + "<a/><stream:stream\nxmlns='x'>", []string{"H stream " + head, "E a <a/>"}, ErrMalformed},
		{"bare header inside", head + "<stream:stream></stream:stream>", []string{"H stream " + head}, ErrMalformed},
		{"like a header inside", head + "<stream:streams></stream:streams><stream:stream/>", []string{"H stream " + head, "E streams <stream:streams></stream:streams>", "E stream <stream:stream/>"}, nil},
		{"header deep inside", head + "<a><stream:stream></stream:stream></a>", []string{"H stream " + head, "E a <a><stream:stream></stream:stream></a>"}, nil},
		{"longest", "<s><a>" + strings.Repeat("x", 193) + "</a>", []string{"H s <s>", "E a <a>" + strings.Repeat("x", 193) + "</a>"}, nil},
		{"too long", "<s><a>" + strings.Repeat("x", 194) + "</a>", []string{"H s <s>"}, ErrTooLong},
		{"too long without end", "<s><a>" + strings.Repeat("x", 200), []string{"H s <s>"}, ErrTooLong},
		{"deepest", "<s><a><a><a><a/></a></a></a>", []string{"H s <s>", "E a <a><a><a><a/></a></a></a>"}, nil},
		{"too deep", "<s><a><a><a><a><a/>", []string{"H s <s>"}, ErrTooDeep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 2, 7, len(tt.in)} {
				l := Lexer{MaxBytes: 200, MaxDepth: 4}
				got, err := lex(&l, tt.in, step)
				if !errors.Is(err, tt.err) {
					t.Errorf("step %d: error %v, want %v", step, err, tt.err)
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("step %d: units (-want +got):\n%s", step, d)
				}
			}
		})
	}
}

func TestLexerReset(t *testing.T) {
	l := Lexer{MaxBytes: 100}
	if _, err := lex(&l, "<?xml version='1.0'?><s><a/><b", 100); err != nil {
		t.Fatal(err)
	}
	if l.Buffered() != 2 {
		t.Errorf("%d bytes are buffered, want 2", l.Buffered())
	}
	l.Reset()
	got, err := lex(&l, "<?xml version='1.0'?><s><c/>", 100)
	if d := cmp.Diff([]string{"H s <?xml version='1.0'?><s>", "E c <c/>"}, got); err != nil || d != "" {
		t.Errorf("after Reset: %v\n%s", err, d)
	}
}

func TestLexerEmitError(t *testing.T) {
	l, calls := Lexer{}, 0
	err := l.Feed([]byte("<s><a/>"), func(Unit) error { calls++; return io.ErrClosedPipe })
	if err != io.ErrClosedPipe || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

// A stanza that comes in single bytes must cost as little as a whole one does:
// each byte is looked at once, and copied once.
func TestLexerBigStanzaInPieces(t *testing.T) {
	big := "<s><message><body>" + strings.Repeat("x]", 1<<20) + "</body></message>"
	for _, step := range []int{1, 1400, len(big)} {
		l := Lexer{}
		if got, err := lex(&l, big, step); err != nil || len(got) != 2 {
			t.Errorf("step %d: %d units, %v", step, len(got), err)
		}
	}
}

func FuzzLexer(f *testing.F) {
	for _, s := range []string{
		"<?xml version='1.0'?><s:stream xmlns:s='x'><message a='>'><b/></message> <iq/></s:stream>",
		"<s><a><![CDATA[</a>]]></a><b c=\"'/>\"/></s>",
		"<s>\n<a>&lt;<b c='&#x41;'/>]]</a ><é/></s>",
		"<?xml version='1.0'?><?xml version='1.0'?><s>",
		"<stream:stream><stream:stream>", "<s><!-- <x> --></s>", "<s><a></s></a>", "<s/>", "<s></s>x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		whole, err := lex(&Lexer{MaxBytes: 1 << 12, MaxDepth: 20}, in, len(in)+1)
		for _, step := range []int{1, 3} {
			got, stepErr := lex(&Lexer{MaxBytes: 1 << 12, MaxDepth: 20}, in, step)
			if d := cmp.Diff(whole, got); d != "" || (err == nil) != (stepErr == nil) {
				t.Fatalf("in pieces of %d: %v instead of %v\n%s", step, stepErr, err, d)
			}
		}
		if want, ok := children(in); ok {
			got, err := lex(&Lexer{}, in, len(in))
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Fatalf("encoding/xml disagrees: %v\n%s", err, d)
			}
		}
	})
}

// children cuts a document as encoding/xml sees it into what lex returns. ok is
// false for documents that are malformed or not allowed in XMPP.
func children(doc string) (units []string, ok bool) {
	if strings.Contains(doc, "<?") || strings.LastIndex(doc, headerStart) > 0 {
		return nil, false // the declaration would need its own rules, a second header breaks ours
	}
	d := xml.NewDecoder(strings.NewReader(doc))
	depth, start, over := 0, 0, false
	for {
		before := int(d.InputOffset())
		tok, err := d.RawToken()
		if err != nil {
			return units, errors.Is(err, io.EOF) && over && balanced(doc)
		}
		at := int(d.InputOffset())
		switch tok := tok.(type) {
		case xml.StartElement:
			if over || (depth == 0 && strings.HasSuffix(doc[:at], "/>")) {
				return nil, false
			}
			if depth == 1 {
				start = before
			}
			if depth++; depth == 1 {
				units = append(units, "H "+tok.Name.Local+" "+doc[before:at])
			}
		case xml.EndElement:
			switch depth--; depth {
			case 0:
				over = true
				units = append(units, "Z "+tok.Name.Local+" "+doc[before:at])
			case 1:
				units = append(units, "E "+rootName([]byte(doc[start:at]))+" "+doc[start:at])
			}
		case xml.CharData:
			if depth < 2 && (len(bytes.TrimLeft(tok, " \t\r\n")) > 0 || strings.Contains(doc[before:at], "&") || strings.Contains(doc[before:at], "<")) {
				return nil, false
			}
		default:
			return nil, false
		}
	}
}

// balanced tells whether encoding/xml finds the end tags matching.
func balanced(doc string) bool {
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func BenchmarkLexer(b *testing.B) {
	in := []byte(strings.Repeat("<message from='anna@example.org/desk' type='chat' id='a17'><body>status</body><request xmlns='urn:xmpp:receipts'/></message>", 100))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	l := Lexer{MaxBytes: 1 << 19, MaxDepth: 128}
	l.Feed([]byte("<s>"), func(Unit) error { return nil })
	for b.Loop() {
		if err := l.Feed(in, func(Unit) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// An element over a limit costs itself only: the ones around it arrive whole.
func TestLexerCuts(t *testing.T) {
	deep := strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50)
	for name, c := range map[string]struct{ in, want string }{
		"too long":          {"<iq id='1' from='x>y'>" + strings.Repeat("x", 900) + "</iq>", "<iq id='1' from='x>y'/>"},
		"too deep":          {"<message to='a'>" + deep + "</message>", "<message to='a'/>"},
		"both":              {"<message>" + strings.Repeat(deep, 20) + "</message>", "<message/>"},
		"empty, long tag":   {"<iq id='1'" + strings.Repeat(" ", 900) + "/>", "<iq id='1'" + strings.Repeat(" ", 900) + "/>"},
		"endless attribute": {"<iq id='" + strings.Repeat("x", 9000) + "'>z</iq>", "<iq/>"},
		"endless name":      {"<" + strings.Repeat("x", 9000) + "/>", "<x/>"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := "<s><before/>" + c.in + "<after><b/></after></s>"
			for _, step := range []int{1, 2, 7, 100, len(whole)} {
				l := Lexer{MaxBytes: 200, MaxDepth: 4, MaxSkip: 20000}
				var got []string
				for rest := []byte(whole); len(rest) > 0; {
					n := min(step, len(rest))
					err := l.Feed(rest[:n], func(u Unit) error {
						got = append(got, string(u.Raw))
						if u.Cut != (len(got) == 3) {
							t.Errorf("step %d: Cut is %v for %.80s", step, u.Cut, u.Raw)
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if d := cmp.Diff([]string{"<s>", "<before/>", c.want, "<after><b/></after>", "</s>"}, got); d != "" {
					t.Errorf("step %d: %s", step, d)
				}
			}
		})
	}
}

func TestLexerNeverCutsTheHeader(t *testing.T) {
	for _, step := range []int{1, 50, 1000} {
		l := Lexer{MaxBytes: 200, MaxSkip: 20000}
		rest := []byte("<s a='" + strings.Repeat("x", 300) + "'>")
		var err error
		for len(rest) > 0 && err == nil {
			n := min(step, len(rest))
			err, rest = l.Feed(rest[:n], func(Unit) error { return nil }), rest[n:]
		}
		if err != ErrTooLong {
			t.Errorf("step %d: %v, want ErrTooLong", step, err)
		}
	}
}

func TestLexerSkipsNotForEver(t *testing.T) {
	l := Lexer{MaxBytes: 200, MaxSkip: 5000}
	in := []byte("<s><a>" + strings.Repeat("x", 100))
	var err error
	for range 1000 {
		if err = l.Feed(in, func(Unit) error { return nil }); err != nil {
			break
		}
		in = in[6:]
		in = append(in, "xxxxxx"...)
	}
	if err != ErrTooLong {
		t.Errorf("got %v, want ErrTooLong", err)
	}
	if cap(l.buf) > 2*maxHead {
		t.Errorf("%d bytes are held", cap(l.buf))
	}
}
