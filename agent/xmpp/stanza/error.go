package stanza

import (
	"encoding/xml"
	"strings"

	"pipit/agent/xmpp/wire"
)

// NSError is the namespace of the defined conditions (RFC 6120 section 8.3.3).
const NSError = "urn:ietf:params:xml:ns:xmpp-stanzas"

// An Error is a stanza error (RFC 6120 section 8.3) with the application
// specific condition that mellium drops.
type Error struct {
	Type      string   // auth, cancel, continue, modify or wait
	Condition string   // a defined condition: "item-not-found"
	Text      string   // for people, may be ""
	App       xml.Name // application specific condition, may be empty
}

// Errors that handlers return; wrap none of them.
var (
	BadRequest         = &Error{Type: "modify", Condition: "bad-request"}
	Forbidden          = &Error{Type: "auth", Condition: "forbidden"}
	ItemNotFound       = &Error{Type: "cancel", Condition: "item-not-found"}
	ServiceUnavailable = &Error{Type: "cancel", Condition: "service-unavailable"}
	ResourceConstraint = &Error{Type: "wait", Condition: "resource-constraint"}
	InternalError      = &Error{Type: "cancel", Condition: "internal-server-error"}
)

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Condition)
	if e.App.Local != "" {
		b.WriteString(" (" + e.App.Local + ")")
	}
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	return b.String()
}

// Append writes the <error/> element.
func (e *Error) Append(b []byte) []byte {
	b = append(b, "<error"...)
	b = wire.Attr(b, "type", e.Type)
	b = append(b, "><"...)
	b = append(b, e.Condition...)
	b = append(b, " xmlns='"+NSError+"'/>"...)
	if e.Text != "" {
		b = append(b, "<text xmlns='"+NSError+"' xml:lang='en'>"...)
		b = wire.Escape(b, e.Text)
		b = append(b, "</text>"...)
	}
	if e.App.Local != "" {
		b = append(b, '<')
		b = append(b, e.App.Local...)
		b = wire.Attr(b, "xmlns", e.App.Space)
		b = append(b, "/>"...)
	}
	return append(b, "</error>"...)
}

// ErrorOf returns the error that a stanza of type error carries, never nil. A
// condition that is missing or malformed becomes undefined-condition.
func ErrorOf(s *Stanza) *Error {
	var v struct {
		E struct {
			Type string `xml:"type,attr"`
			Any  []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"error"`
	}
	e := &Error{Type: "cancel", Condition: "undefined-condition"}
	if s.Decode(&v) != nil {
		return e
	}
	if v.E.Type != "" {
		e.Type = v.E.Type
	}
	for _, a := range v.E.Any {
		switch {
		case a.XMLName.Space == NSError && a.XMLName.Local == "text":
			e.Text = a.Text
		case a.XMLName.Space == NSError:
			e.Condition = a.XMLName.Local
		default:
			e.App = a.XMLName
		}
	}
	return e
}
