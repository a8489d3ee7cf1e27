package xmpp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/wire"
)

// alertMessage is an alert as people's clients get it: to the bare JID, so that
// the server picks the devices, archives it and wakes phones (XEP-0359,
// XEP-0184, XEP-0333, XEP-0334). What fires offers an answer (XEP-0439), and for
// Cheogram commands (XEP-0050).
func (s *session) alertMessage(a agent.Alert, to, replaces string, now time.Time) []byte {
	b := openAlert(a.ID, to, a.Body())
	if a.Number > 0 {
		b = append(b, fmt.Sprintf("<thread>alert-%d</thread>", a.Number)...)
	}
	if replaces != "" {
		b = append(wire.Attr(append(b, "<replace xmlns='urn:xmpp:message-correct:0'"...), "id", replaces), "/>"...)
	}
	if a.State == agent.Firing && a.Number > 0 {
		b = answers(b, a, s.link.FullJID())
	}
	if s.link.agent.Clock.Sane() && now.Sub(a.Time) > lateAfter {
		b = append(b, "<delay xmlns='urn:xmpp:delay'"...)
		b = append(wire.Attr(b, "stamp", agent.Stamp(a.Time)), "/>"...)
	}
	return append(b, "</message>"...)
}

// openAlert writes what all alerts have.
func openAlert(id, to, body string) []byte {
	b := wire.Attr([]byte("<message type='chat'"), "id", id)
	b = wire.Attr(b, "to", to)
	b = append(b, "><body>"...)
	b = wire.Escape(b, body)
	b = append(b, "</body><active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0'"...)
	b = wire.Attr(b, "id", id)
	return append(b, "/><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/><store xmlns='urn:xmpp:hints'/>"...)
}

// answers offers what can be done about a firing.
func answers(b []byte, a agent.Alert, self string) []byte {
	number := strconv.FormatUint(a.Number, 10)
	quick := []struct{ value, label string }{{"ack " + number, "Acknowledge"}}
	buttons := []struct{ node, name string }{{"ack#" + number, "Acknowledge"}}
	if a.Rule != "" {
		quick = append(quick, struct{ value, label string }{"silence " + a.Rule + " 1h", "Silence 1 h"})
		buttons = append(buttons, struct{ node, name string }{"silence#" + a.Rule, "Silence"})
	}
	for _, q := range quick {
		b = append(b, "<response xmlns='urn:xmpp:tmp:quick-response'"...)
		b = wire.Attr(b, "value", q.value)
		b = append(wire.Attr(b, "label", q.label), "/>"...)
	}
	b = append(b, "<query xmlns='"+disco.NSItems+"' node='"+adhoc.NS+"'>"...)
	for _, c := range buttons {
		b = wire.Attr(append(b, "<item"...), "jid", self)
		b = wire.Attr(b, "node", c.node)
		b = append(wire.Attr(b, "name", c.name), "/>"...)
	}
	return append(b, "</query>"...)
}

const (
	maxDigestLines = 20
	maxDigestBytes = 3500
)

func digestMessage(id, to string, alerts []agent.Alert) []byte {
	return append(openAlert(id, to, digest(alerts)), "</message>"...)
}

// digest sums alerts up: what is the newest of each firing, and all that is no
// firing.
func digest(alerts []agent.Alert) string {
	newest := make(map[uint64]int)
	firing := 0
	for i, a := range alerts {
		if a.Number > 0 {
			newest[a.Number] = i
		}
	}
	var lines []string
	size := 0
	for i, a := range alerts {
		if a.Number > 0 && newest[a.Number] != i {
			continue
		}
		if a.State == agent.Firing {
			firing++
		}
		line := a.Time.Local().Format("2 Jan 15:04") + " " + a.Body()
		size += len(line) + 1
		lines = append(lines, line)
	}
	first := fmt.Sprintf("%d alerts came up while I was away; %s.", len(alerts), stillFires(firing))
	kept := lines
	for len(kept) > maxDigestLines || size > maxDigestBytes && len(kept) > 1 {
		size -= len(kept[0]) + 1
		kept = kept[1:]
	}
	if n := len(lines) - len(kept); n > 0 {
		first += fmt.Sprintf(" The first %d are left out.", n)
	}
	return first + "\n" + strings.Join(kept, "\n")
}

func stillFires(n int) string {
	switch n {
	case 0:
		return "nothing of it fires now"
	case 1:
		return "1 still fires"
	}
	return strconv.Itoa(n) + " still fire"
}

// digestID is the same for the same alerts.
func digestID(alerts []agent.Alert) string {
	sum := sha256.New()
	for _, a := range alerts {
		sum.Write([]byte(a.ID + "\x00"))
	}
	return "digest-" + hex.EncodeToString(sum.Sum(nil)[:12])
}

// returns knows which alerts a message told, for what comes back for it.
type returns struct {
	mu      sync.Mutex
	digests map[string][]string // ids of the alerts
}

const maxDigests = 16

func (r *returns) digest(id string, alerts []agent.Alert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.digests == nil || len(r.digests) >= maxDigests {
		r.digests = make(map[string][]string)
	}
	ids := make([]string, len(alerts))
	for i, a := range alerts {
		ids[i] = a.ID
	}
	r.digests[id] = ids
}

// alerts returns the ids of the alerts that a message told.
func (r *returns) alerts(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ids, ok := r.digests[id]; ok {
		return ids
	}
	return []string{strings.TrimSuffix(id, newLineAfter)}
}

// events takes what came back for messages to what became of alerts.
type events struct{ link *Link }

// Delivered implements agent.AlertEvents.
func (e events) Delivered(id, to string) {
	for _, id := range e.link.returned.alerts(id) {
		e.link.agent.Events.Delivered(id, to)
	}
}

// Unreachable implements agent.AlertEvents.
func (e events) Unreachable(id, to, reason string) {
	for _, id := range e.link.returned.alerts(id) {
		e.link.agent.Events.Unreachable(id, to, reason)
	}
}
