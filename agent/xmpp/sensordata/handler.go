package sensordata

import (
	"context"
	"slices"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

// maxReply bounds an answer: servers end the stream over a stanza of 256 KiB.
const maxReply = 200 << 10

// Handler answers requests for readings, <req/> in an IQ of type get, in the
// namespace of the request. source returns the present readings. A request may
// name fields and categories: every reading is momentary, so a request for
// other categories alone gets none. The device has no nodes, so a request for
// one is item-not-found. Who may ask is up to the caller.
func Handler(source func() []agent.Reading) stanza.IQHandler {
	return func(_ context.Context, iq *stanza.Stanza) ([]byte, error) {
		var v struct {
			Req request `xml:"req"`
		}
		if !slices.Contains(Namespaces, iq.Child.Space) {
			return nil, stanza.ServiceUnavailable
		}
		if iq.Type != "get" || iq.Decode(&v) != nil || len(v.Req.Fields) > MaxFields {
			return nil, stanza.BadRequest
		}
		if len(v.Req.Nodes) > 0 {
			return nil, stanza.ItemNotFound
		}
		payload := Encode(v.Req.pick(source()), Options{Namespace: iq.Child.Space, ID: v.Req.ID})
		if len(payload) > maxReply {
			return nil, &stanza.Error{Type: "modify", Condition: "resource-constraint",
				Text: "too many readings for one stanza: ask for fields by name"}
		}
		return payload, nil
	}
}

type request struct {
	ID     string     `xml:"id,attr"`
	All    string     `xml:"all,attr"`
	M      string     `xml:"m,attr"`
	P      string     `xml:"p,attr"`
	S      string     `xml:"s,attr"`
	C      string     `xml:"c,attr"`
	I      string     `xml:"i,attr"`
	H      string     `xml:"h,attr"`
	Nodes  []struct{} `xml:"nd"`
	Fields []struct {
		Name string `xml:"n,attr"`
	} `xml:"f"`
}

// pick returns the readings that are asked for: all when no field is named.
func (r request) pick(all []agent.Reading) []agent.Reading {
	others := isTrue(r.P) || isTrue(r.S) || isTrue(r.C) || isTrue(r.I) || isTrue(r.H)
	if others && !isTrue(r.M) && !isTrue(r.All) {
		return nil
	}
	if len(r.Fields) == 0 {
		return all
	}
	named := make(map[string]bool, len(r.Fields))
	for _, f := range r.Fields {
		named[f.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(x agent.Reading) bool { return !named[x.Name] })
}
