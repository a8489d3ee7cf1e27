package chat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

func TestFallback(t *testing.T) {
	const reply = "<reply xmlns='urn:xmpp:reply:0' to='pi@example.org/pipit' id='x'/>"
	fallback := func(inner string) string {
		return reply + "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>" + inner + "</fallback>"
	}
	for _, tt := range []struct{ name, body, extra, want string }{
		{"a range", "Pi wrote: 61 °C\nsay ack", fallback("<body start='0' end='16'/>"), "ack"},
		{"code points, not bytes", "🔥🔥 é\nsay ack", fallback("<body start='0' end='5'/>"), "ack"},
		{"at the end", "say ack -- Pi wrote", fallback("<body start='7'/>"), "ack"},
		{"two ranges that overlap", "aaabbbsay ackccc", fallback("<body start='0' end='4'/><body start='2' end='6'/><body start='13' end='99'/>"), "ack"},
		{"inside", "say onetwo", fallback("<body start='7' end='10'/>"), "one"},
		{"the whole body", "say ack", fallback("<body/>"), ""},
		{"the whole message", "say ack", fallback(""), ""},
		{"only the subject", "say ack", fallback("<subject/>"), "ack"},
		{"out of range", "say ack", fallback("<body start='100' end='9223372036854775807'/>"), "ack"},
		{"negative", "say ack", fallback("<body start='-5' end='3'/>"), "ack"},
		{"backwards", "say ack", fallback("<body start='5' end='2'/>"), "ack"},
		{"no number", "say ack", fallback("<body start='x' end='1e3'/><body start='0' end='99999999999999999999'/>"), "ack"},
		{"nonsense, but the quote is one", "> 61 °C\nsay ack", fallback("<body start='x'/>"), "ack"},
		{"quote without a range", "> 61 °C\n> more\n\nsay ack", reply, "ack"},
		{"for something else", "say ack", "<fallback xmlns='urn:xmpp:fallback:0' for='urn:example:1'><body/></fallback>", "ack"},
	} {
		var want []string
		if tt.want != "" {
			want = []string{tt.want}
		}
		if got := said(t, newDevice().receive(t, write("m", tt.body, tt.extra))); !cmp.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, want)
		}
	}
}

// Many ranges that overlap in a long body: squared it would be 2·10⁹ steps.
func TestCutManyRanges(t *testing.T) {
	spans := make([]span, 20000)
	for i := range spans {
		spans[i] = span{i, i + 100000}
	}
	got := cut(strings.Repeat("é", 200000), spans)
	if n := len([]rune(got)); n != 200000-119999 {
		t.Errorf("%d code points are left", n)
	}
}

func TestBody(t *testing.T) {
	rows := func(n int) [][]string {
		list := make([][]string, n)
		for i := range list {
			list[i] = []string{fmt.Sprintf("n%03d", i), strings.Repeat("x", 40)}
		}
		return list
	}
	two := []string{"a", "b"}
	for _, tt := range []struct {
		name string
		ans  agent.Answer
		want string
	}{
		{"nothing", agent.Answer{Text: " \n"}, "Done."},
		{"text", agent.Answer{Text: "one\ntwo\n"}, "one\ntwo"},
		{"table", agent.Answer{Text: "T:", Columns: two, Rows: [][]string{{"é", "2"}, {"long", "4"}}}, "T:\n```\né     2\nlong  4\n```"},
		{"table without text", agent.Answer{Columns: two, Rows: [][]string{{"1", "2"}, {"3", "4"}}}, "```\n1  2\n3  4\n```"},
		{"one row", agent.Answer{Text: "T:", Columns: two, Rows: [][]string{{"1", "2"}}}, "T:\n1  2"},
		{"one column", agent.Answer{Text: "T:", Columns: two[:1], Rows: [][]string{{"1"}, {"2"}}}, "T:\n1\n2"},
	} {
		if got := body(tt.ans); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name      string
		ans       agent.Answer
		last      string
		min, size int
	}{
		{"long table", agent.Answer{Text: "T:", Columns: two, Rows: rows(300)}, "\n```\n… 216 more lines", 3900, maxBody},
		{"long text", agent.Answer{Text: strings.Repeat(strings.Repeat("é", 60)+"\n", 100)}, "\n… 68 more lines", 3800, maxBody},
		{"long text above a table", agent.Answer{Text: strings.Repeat(strings.Repeat("é", 60)+"\n", 100), Columns: two, Rows: rows(2)}, "\n… 70 more lines", 3800, maxBody},
		{"one line too many", agent.Answer{Text: strings.Repeat("x", 3900) + "\n" + strings.Repeat("y", 3900)}, "x\n… 1 more line", 3900, maxBody},
		{"a line that is too long", agent.Answer{Text: strings.Repeat("€", 3000)}, "€…", 3900, maxBody},
		{"long lines", agent.Answer{Text: strings.Repeat("€", 3000) + "\nb\nc"}, "€…\n… 2 more lines", 3900, maxBody},
	} {
		got := body(tt.ans)
		if len(got) > tt.size || len(got) < tt.min || !strings.HasSuffix(got, tt.last) {
			t.Errorf("%s: %d bytes, end %q, want %d to %d and %q", tt.name, len(got), got[max(0, len(got)-40):], tt.min, tt.size, tt.last)
		}
		if n := strings.Count(got, fence); n%2 != 0 {
			t.Errorf("%s: a block is not closed", tt.name)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range []string{
		write("m", "help", request+markable),
		write("m", "set pump on", "<delay xmlns='urn:xmpp:delay' stamp='2001-01-01T00:00:00Z'/>"),
		write("m", "> quote\nread outside", "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='8'/></fallback>"),
		write("m", "say x", "<replace xmlns='urn:xmpp:message-correct:0' id='n'/>"),
		write("m", "say &#x1F525; &lt;", "<thread>t</thread>"),
		write("m", "I sent you an encrypted message", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"),
		messageFrom("eve@example.org/x", "chat", "m", "help", request),
		messageFrom("anna@example.org.evil.test/x", "", "m", "help", request),
		messageFrom(phone, "error", "m", "help", "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"),
		"<message from='" + phone + "'><body>help</body>",
		"<message from='anna@example.org&#47;x' type='chat'><x:body xmlns:x='jabber:client'>help</x:body></message>",
		"<message",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := stanza.Parse(raw)
		if err != nil {
			return
		}
		d := newDevice()
		d.Message(t.Context(), s)
		sent := d.take()
		if len(sent) > 3 {
			t.Errorf("%d stanzas sent", len(sent))
		}
		for _, out := range sent {
			o, err := stanza.Parse([]byte(out))
			if err != nil {
				t.Fatalf("sent %q: %v", out, err)
			}
			if d.Agent.Role(d.Bare(o.To)) == agent.Stranger || o.To != s.From {
				t.Errorf("sent to %q: %s", o.To, out)
			}
			if len(out) > 8*maxBody {
				t.Errorf("sent %d bytes", len(out))
			}
		}
		said(t, sent) // is XML
	})
}
