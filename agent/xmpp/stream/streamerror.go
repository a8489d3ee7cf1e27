package stream

import (
	"cmp"
	"encoding/xml"
	"errors"

	"pipit/agent/xmpp/wire"
)

// streamErrorFor returns the stream error to send for XML that is not allowed
// (RFC 6120 section 4.9.3), "" for any other error.
func streamErrorFor(err error) string {
	var count *countError
	if errors.As(err, &count) {
		return count.streamError()
	}
	condition := ""
	switch {
	case errors.Is(err, wire.ErrTooLong), errors.Is(err, wire.ErrTooDeep):
		condition = "policy-violation"
	case errors.Is(err, wire.ErrForbidden):
		condition = "restricted-xml"
	case errors.Is(err, wire.ErrMalformed):
		condition = "not-well-formed"
	default:
		return ""
	}
	return "<stream:error><" + condition + " xmlns='" + nsStreamErrors + "'/></stream:error>"
}

// streamError types the stream error that u is; nil when it is none after all.
func (c *Conn) streamError(u wire.Unit) error {
	var v struct {
		XMLName xml.Name
		Any     []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := c.in.decode(u, &v); err != nil {
		return &Error{Kind: KindStream, On: c.on, Text: "the server sent a stream error that cannot be read", Err: err}
	}
	if v.XMLName.Space != nsStream {
		return nil
	}
	e := &Error{Kind: KindStream, On: c.on, Text: "the server ended the stream", Condition: "undefined-condition"}
	for _, a := range v.Any {
		switch {
		case a.XMLName.Space != nsStreamErrors:
		case a.XMLName.Local == "text":
			e.Said = clean(a.Text)
		default:
			e.Condition = clean(a.XMLName.Local)
			if e.Condition == "see-other-host" {
				e.Kind, e.Err = KindSeeOtherHost, otherHost(clean(a.Text))
			}
		}
	}
	if e.Condition == "conflict" {
		e.Kind, e.On = KindConflict, cmp.Or(c.jid, c.on)
	}
	return e
}

// otherHost is the host that see-other-host names (RFC 6120 section 4.9.3.19).
type otherHost string

func (h otherHost) Error() string { return string(h) }
