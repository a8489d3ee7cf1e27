package chat

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/wire"
)

// maxBody is the longest body that is sent, in bytes.
const maxBody = 4000

// answer sends a text to the client that asked.
func (r *Responder) answer(in *message, text string) {
	if in.room != "" {
		in.answer(text)
		return
	}
	id := rand.Text()
	b := head(in, "chat", id)
	b = textElement(b, "body", text)
	if in.thread != "" {
		b = textElement(b, "thread", in.thread)
	}
	b = append(b, "<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0'"...)
	b = append(wire.Attr(b, "id", id), "/>"...)
	if in.id != "" {
		b = append(b, "<reply xmlns='urn:xmpp:reply:0'"...)
		b = wire.Attr(b, "to", in.from)
		b = append(wire.Attr(b, "id", in.id), "/>"...)
	}
	b = append(b, "<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-replied</header></headers>"...)
	r.send(b)
	r.Sent(in.bare, id, time.Now())
}

// sendFile sends the file of an answer behind its text.
func (r *Responder) sendFile(in *message) {
	send := in.send
	if in.room == "" && r.File != nil {
		send = func(f *agent.File) bool { return r.File(in.from, f) }
	}
	if send == nil || !send(in.file) {
		r.answer(in, "Too many files wait to be sent: ask again in a minute.")
	}
}

// receipt sends a delivery receipt, which holds nothing else (XEP-0184 section 5).
func (r *Responder) receipt(in *message) {
	b := append(head(in, sameType(in), rand.Text()), "<received xmlns='urn:xmpp:receipts'"...)
	r.send(append(wire.Attr(b, "id", in.id), "/>"...))
}

// displayed sends a displayed marker, in the thread of the message (XEP-0333).
func (r *Responder) displayed(in *message) {
	b := append(head(in, sameType(in), rand.Text()), "<displayed xmlns='urn:xmpp:chat-markers:0'"...)
	b = append(wire.Attr(b, "id", in.id), "/>"...)
	if in.thread != "" {
		b = textElement(b, "thread", in.thread)
	}
	r.send(b)
}

func sameType(in *message) string {
	if in.typ == "chat" {
		return "chat"
	}
	return "normal"
}

func head(in *message, typ, id string) []byte {
	b := wire.Attr([]byte("<message"), "type", typ)
	b = wire.Attr(b, "to", in.from)
	return append(wire.Attr(b, "id", id), '>')
}

// textElement writes an element of the stream's namespace that holds a text.
func textElement(b []byte, name, text string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = wire.Escape(append(b, '>'), text)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

func (r *Responder) send(b []byte) {
	if err := r.Send.Send(append(b, "</message>"...)); err != nil {
		r.log().Warn("chat answer not sent", "error", err)
	}
}

const fence = "```" // XEP-0393 section 6.2: the block is shown in a fixed width

// body writes an answer as at most maxBody bytes of text. A table with at
// least two columns and two rows stands in a preformatted block.
func body(ans agent.Answer) string {
	var lines []string
	if text := strings.TrimSpace(ans.Text); text != "" {
		lines = strings.Split(text, "\n")
	}
	block := len(lines) // where the block starts
	if len(ans.Rows) > 0 {
		table := agent.Answer{Columns: ans.Columns, Rows: ans.Rows}
		lines = append(lines, strings.Split(table.String(), "\n")...)
	}
	if len(lines) == 0 {
		return "Done."
	}
	kept := fitting(lines)
	dropped := len(lines) - len(kept)
	if len(ans.Columns) >= 2 && len(ans.Rows) >= 2 && len(kept) > block {
		kept = append(append(kept[:block:block], fence), append(kept[block:], fence)...)
	}
	switch {
	case dropped == 1:
		kept = append(kept, "… 1 more line")
	case dropped > 1:
		kept = append(kept, fmt.Sprintf("… %d more lines", dropped))
	}
	return strings.Join(kept, "\n")
}

// fitting returns the lines that fit into a body, at least the first one,
// which is cut when it is too long. It leaves room for what body adds.
func fitting(lines []string) []string {
	room := maxBody - 2*(len(fence)+1) - len("… 1000000 more lines")
	for i, l := range lines {
		if room -= len(l) + 1; room >= 0 {
			continue
		}
		if i > 0 {
			return lines[:i:i]
		}
		return []string{strings.ToValidUTF8(l[:len(l)+room-len("…")], "") + "…"}
	}
	return lines
}
