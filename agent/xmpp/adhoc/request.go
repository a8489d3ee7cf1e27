package adhoc

import (
	"errors"
	"slices"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/stanza"
)

// A request is what came in, with who asks.
type request struct {
	from   string // full JID as it came: sessions are bound to it
	person string // normalised bare JID
	node   string
	id     string // of the session, "" to start one
	action string
	form   *dataform.Submission
}

func (r request) cancels() bool {
	return r.action == "cancel" || r.form != nil && r.form.Type == "cancel"
}

// forward tells whether the request goes on. Each step has one way on, so next,
// complete, execute and none mean the same.
func (r request) forward() bool { return !r.cancels() && r.action != "prev" }

// badRequest is an error with a condition of XEP-0050 section 4.4.
func badRequest(condition, text string) *stanza.Error {
	e := *stanza.BadRequest
	e.App, e.Text = app(condition), text
	return &e
}

var actions = []string{"", "execute", "next", "prev", "complete", "cancel"}

// parse reads the <command/>. Nothing in it but the names of the request
// counts: clients copy much else back.
func parse(iq *stanza.Stanza, person string) (request, error) {
	var v struct {
		Command *struct {
			Node   string               `xml:"node,attr"`
			ID     string               `xml:"sessionid,attr"`
			Action string               `xml:"action,attr"`
			Form   *dataform.Submission `xml:"jabber:x:data x"`
		} `xml:"http://jabber.org/protocol/commands command"`
	}
	err := iq.Decode(&v)
	switch {
	case errors.Is(err, dataform.ErrBounds):
		return request{}, badRequest("bad-payload", err.Error())
	case iq.Type != "set" || err != nil || v.Command == nil:
		return request{}, stanza.BadRequest
	case !slices.Contains(actions, v.Command.Action):
		return request{}, badRequest("malformed-action", "the actions are execute, next, prev, complete and cancel")
	}
	c := v.Command
	return request{iq.From, person, c.Node, c.ID, c.Action, c.Form}, nil
}
