// Package stanza is the layer between the framed stream and the protocols on
// it: it matches replies with requests by id and sender, dispatches what comes
// in, answers every request exactly once, and keeps a faulty handler or a
// hostile stanza from harming anything but itself (RFC 6120 section 8).
package stanza

import (
	"context"
	"encoding/xml"
	"fmt"

	"pipit/agent/xmpp/wire"
)

// A Stanza is a whole inbound stanza. Its bytes must not be changed.
type Stanza struct {
	wire.Head
	Raw []byte
}

// Parse reads the start tag of a whole stanza; raw is kept.
func Parse(raw []byte) (*Stanza, error) {
	h, err := wire.Scan(raw)
	if err != nil {
		return nil, err
	}
	return &Stanza{h, raw}, nil
}

// Decode reads the stanza into v as encoding/xml does: v stands for the stanza
// element itself, its children are named by fields.
func (s *Stanza) Decode(v any) error {
	if err := xml.Unmarshal(s.Raw, v); err != nil {
		return fmt.Errorf("%s from %q: %w", s.Name, s.From, err)
	}
	return nil
}

// A Requester sends an IQ and waits for its reply. An error reply is returned
// as *Error. to is "" for the own account. payload is the one child element
// and is not kept.
type Requester interface {
	Request(ctx context.Context, to, typ string, payload []byte) (*Stanza, error)
}

// A Starter sends an IQ and does not wait. done is called once: with the reply,
// a result or an error, as it came, or with the reason why there is none. It is
// called where stanzas come in, perhaps before Start returns, so it must not
// block; not at all when Start returns an error. The payload is not kept.
type Starter interface {
	Start(to, typ string, payload []byte, done func(*Stanza, error)) error
}

// A Sender sends one whole stanza. The bytes must not be changed afterwards.
type Sender interface{ Send(raw []byte) error }

// An IQHandler answers a get or a set with the payload of the result (nil for
// an empty result) or an error; one that is no *Error becomes
// internal-server-error with no detail.
type IQHandler func(ctx context.Context, iq *Stanza) (payload []byte, err error)
