// Package stanza is the layer between the framed stream and the protocols on
// it: it matches replies with requests by id and sender, dispatches what comes
// in, answers every request exactly once, and keeps a faulty handler or a
// hostile stanza from harming anything but itself (RFC 6120 section 8).
package stanza

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
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

// Bounds of a stanza that is decoded. An empty element takes 4 bytes of XML and
// up to 200 bytes of memory, an attribute 4 and 50. The most crowded honest
// stanza answers with 4096 readings: 4096 elements, six attributes each.
const (
	maxTags  = 16 << 10
	maxAttrs = 32 << 10
)

var errCrowded = errors.New("too many elements or attributes")

// Decode reads the stanza into v as encoding/xml does: v stands for the stanza
// element itself, its children are named by fields. It refuses a stanza that
// would take much more memory than its length.
func (s *Stanza) Decode(v any) error {
	err := errCrowded
	if bytes.Count(s.Raw, []byte("<")) <= maxTags && bytes.Count(s.Raw, []byte("=")) <= maxAttrs {
		err = xml.Unmarshal(s.Raw, v)
	}
	if err != nil {
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
