package xmpptest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// answer takes what the client sends until it goes.
func (s *Session) answer() {
	for {
		raw, err := s.stream.element()
		if err != nil {
			why := "the client has gone"
			if !errors.Is(err, io.EOF) {
				why = err.Error()
			}
			_ = s.stream.send("</stream:stream>")
			s.inbox.end(why)
			return
		}
		if s.behaviour.Manage && s.manages(raw) {
			continue
		}
		s.inbox.put(raw)
		if reply := s.replyTo(raw); reply != "" {
			_ = s.stream.send(reply)
		}
	}
}

// manages answers what belongs to stream management and counts stanzas.
func (s *Session) manages(raw string) bool {
	switch {
	case strings.HasPrefix(raw, "<enable "):
		s.handled = 0
		_ = s.stream.send("<enabled xmlns='" + nsSM + "'/>")
	case strings.HasPrefix(raw, "<r "):
		_ = s.stream.send(fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, s.handled))
	case strings.HasPrefix(raw, "<a "):
	default:
		s.handled++
		return false
	}
	return true
}

func (s *Session) replyTo(raw string) string {
	if tag, _, _ := strings.Cut(raw, ">"); !strings.Contains(tag, "get") && !strings.Contains(tag, "set") {
		return "" // no request; a flood of answers need not be parsed twice
	}
	var iq struct {
		XMLName xml.Name
		ID      string `xml:"id,attr"`
		To      string `xml:"to,attr"`
		Type    string `xml:"type,attr"`
	}
	if xml.Unmarshal([]byte(raw), &iq) != nil || iq.XMLName.Local != "iq" || iq.Type != "get" && iq.Type != "set" {
		return ""
	}
	if s.behaviour.Answer != nil {
		if reply, ok := s.behaviour.Answer(raw); ok {
			return reply
		}
	}
	from := ""
	if iq.To != "" {
		from = " from='" + escape(iq.To) + "'"
	}
	return "<iq type='result' id='" + escape(iq.ID) + "'" + from + "/>"
}
