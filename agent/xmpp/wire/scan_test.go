package wire

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScan(t *testing.T) {
	tests := []struct {
		in   string
		want Head
	}{
		{"<iq type='get' id=\"7\" from='a@example.org/x y' to='b@example.org'><query xmlns='jabber:iq:version'/></iq>",
			Head{Name: "iq", Type: "get", ID: "7", From: "a@example.org/x y", To: "b@example.org", Child: xml.Name{Space: "jabber:iq:version", Local: "query"}}},
		{"<message xml:lang = 'de'\n\tid\t=\t'&lt;&amp;&apos;&quot;&gt;&#65;&#x1F600;'/>", Head{Name: "message", Lang: "de", ID: "<&'\">A😀"}},
		{"<presence></presence>", Head{Name: "presence"}},
		{"<iq>boo<![CDATA[<x>]]>\n<error/></iq>", Head{Name: "iq", Child: xml.Name{Local: "error"}}},
		{"<iq xmlns='jabber:client' xmlns:p='urn:x'><p:q/></iq>", Head{Name: "iq", Child: xml.Name{Space: "urn:x", Local: "q"}}},
		{"<iq xmlns='jabber:client'><q/></iq>", Head{Name: "iq", Child: xml.Name{Space: "jabber:client", Local: "q"}}},
		{"<iq xmlns:p='urn:x'><p:q xmlns:p='urn:y'/></iq>", Head{Name: "iq", Child: xml.Name{Space: "urn:y", Local: "q"}}},
		{"<p:iq ns:id='3' lang='de' id='4'/>", Head{Name: "iq", ID: "4"}},
		{"<iq id='a\r\nb\tc'/>", Head{Name: "iq", ID: "a\nb\tc"}},
	}
	for _, tt := range tests {
		got, err := Scan([]byte(tt.in))
		if d := cmp.Diff(tt.want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", tt.in, err, d)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	for _, in := range []string{
		"", "iq", "<", "<iq", "<>", "<iq a>", "<iq a=b/>", "<iq a='b", "<iq id='1' id='2'/>", "<iq id='&bogus;'/>",
		"<iq id='&#0;'/>", "<iq id='&#xFFFFFFFFFF;'/>", "<iq id='&amp'/>", "<iq id='a\x01'/>", "<iq id='a\xff'/>",
		"<a:b:c/>", "<:a/>", "<iq><a:/></iq>", "<iq><q", "<iq id='<'/>",
	} {
		if h, err := Scan([]byte(in)); err == nil {
			t.Errorf("%q gives %+v", in, h)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"<iq type='get' id='1' from='a' to='b' xml:lang='c'><q xmlns='d'/></iq>", "<message>x<![CDATA[<y/>]]><z/></message>",
		"<a:b xmlns:a='c'><a:d/></a:b>", "<iq id='&#xd800;&lt;'/>", "<iq id='a\r\rb'/>", "<", "<iq a='",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Scan([]byte(in))
		want, ok := decodeHead(in)
		if !ok {
			return
		}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("encoding/xml disagrees: %v\n%s", err, d)
		}
	})
}

// decodeHead does with encoding/xml what Scan does. ok is false for input that
// is malformed or that Scan is stricter about.
func decodeHead(in string) (h Head, ok bool) {
	if !strings.HasPrefix(in, "<") || strings.Contains(in, "<?") || strings.Contains(in, "<!") && !strings.Contains(in, "<![CDATA[") {
		return h, false
	}
	d := xml.NewDecoder(strings.NewReader(in))
	depth := 0
	seen := make(map[string]int)
	for {
		tok, err := d.Token()
		if err != nil {
			return h, err.Error() == "EOF" && h.Name != ""
		}
		start, isStart := tok.(xml.StartElement)
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
			continue
		case xml.CharData:
			continue
		default:
			return h, false
		}
		if !isStart || depth > 2 || h.Child.Local != "" {
			continue
		}
		if oddName(start.Name) {
			return h, false
		}
		if depth == 2 {
			h.Child = start.Name
		} else if h.Name != "" {
			return h, false // two documents
		} else {
			h.Name = start.Name.Local
		}
		for _, a := range start.Attr {
			key := a.Name.Space + " " + a.Name.Local
			if seen[key]++; seen[key] > 1 && depth == 1 || oddName(a.Name) {
				return h, false
			}
			if depth == 1 {
				switch key {
				case " type":
					h.Type = a.Value
				case " id":
					h.ID = a.Value
				case " from":
					h.From = a.Value
				case " to":
					h.To = a.Value
				case "http://www.w3.org/XML/1998/namespace lang", "xml lang":
					h.Lang = a.Value
				}
			}
		}
	}
}

func oddName(n xml.Name) bool { return strings.Contains(n.Local, ":") }

func BenchmarkScan(b *testing.B) {
	in := []byte("<iq type='result' id='p7-3k' from='pubsub.example.org' to='device@example.org/pipit'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(in); err != nil {
			b.Fatal(err)
		}
	}
}
