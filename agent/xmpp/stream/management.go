package stream

import (
	"context"
	"encoding/xml"
	"fmt"
	"strconv"

	"mellium.im/xmpp"

	"pipit/agent/xmpp/wire"
)

const (
	// resumeTime is how long the server is asked to keep a lost stream: as long
	// it shows contacts a device that may be dead. Prosody 0.12 does not listen.
	resumeTime = 60 // seconds
	maxEarly   = 64 // stanzas between the bound resource and <enabled/>
)

// management is the result of negotiating XEP-0198.
type management struct {
	wanted  bool // whether to ask for it at all
	offered bool // on the present stream
	old     *token

	resumed bool   // the old stream goes on
	h       uint32 // of the old stream: what the server has handled
	known   bool   // h was told
	enabled bool   // for the new stream
	token   token  // of the new stream
}

// A token is what it takes to resume a stream.
type token struct {
	id       string // "": the server does not resume
	location string // "host:port" to resume at, or ""
	in       uint32 // stanzas handled
}

// manageFeature only sees whether stream management is offered; it is
// negotiated in place of the bound resource, or behind it.
func (n *negotiation) manageFeature() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name: xml.Name{Space: nsSM, Local: "sm"},
		Parse: func(_ context.Context, d *xml.Decoder, _ *xml.StartElement) (bool, any, error) {
			n.sm.offered = true
			return false, nil, d.Skip()
		},
	}
}

// An smReply is any of the replies of XEP-0198 sections 3 and 5.
type smReply struct {
	XMLName  xml.Name
	ID       string `xml:"id,attr"`
	PrevID   string `xml:"previd,attr"`
	H        string `xml:"h,attr"`
	Resume   string `xml:"resume,attr"`
	Location string `xml:"location,attr"`
	Max      string `xml:"max,attr"`
}

func (r smReply) count() (h uint32, ok bool) {
	v, err := strconv.ParseUint(r.H, 10, 32)
	return uint32(v), err == nil
}

// resume tries to go on with the old stream.
func (n *negotiation) resume() error {
	sm := &n.sm
	if sm.old == nil || !sm.offered {
		return nil
	}
	b := []byte("<resume xmlns='" + nsSM + "'")
	b = wire.Attr(b, "h", strconv.FormatUint(uint64(sm.old.in), 10))
	b = wire.Attr(b, "previd", sm.old.id)
	reply, err := n.askManagement(string(append(b, "/>"...)), "resumed")
	if err != nil {
		return err
	}
	sm.h, sm.known = reply.count()
	if reply.XMLName.Local == "failed" {
		n.conn.log.Info("the server does not resume the stream; a new one begins", "server", n.conn.on)
		return nil
	}
	if !sm.known || reply.PrevID != sm.old.id {
		return &Error{Kind: KindPolicy, On: n.conn.on, Text: "the server resumed a stream that is not ours"}
	}
	sm.resumed = true
	return nil
}

// enable turns stream management on. A server that refuses costs only that.
func (n *negotiation) enable() error {
	sm := &n.sm
	if !sm.wanted || !sm.offered {
		return nil
	}
	reply, err := n.askManagement(fmt.Sprintf("<enable xmlns='%s' resume='true' max='%d'/>", nsSM, resumeTime), "enabled")
	if err != nil {
		return err
	}
	if reply.XMLName.Local == "failed" {
		n.conn.log.Warn("the server refuses stream management", "server", n.conn.on)
		return nil
	}
	sm.enabled, n.conn.peer.ResumeMax = true, clean(reply.Max)
	if reply.Resume == "true" || reply.Resume == "1" {
		const most = 4096 // of an id: XEP-0198 says 4000 bytes
		sm.token.id, sm.token.location = reply.ID, reply.Location
		if len(reply.ID) > most {
			sm.token.id = ""
		}
	}
	n.conn.log.Debug("stream management is on", "server", n.conn.on, "resume", sm.token.id != "",
		"max", clean(reply.Max), "location", clean(reply.Location))
	return nil
}

// askManagement sends an element and returns the answer to it, which has this
// name or is "failed". What others send in between is kept for Serve.
func (n *negotiation) askManagement(element, name string) (reply smReply, err error) {
	u, err := n.ask(element)
	for ; err == nil; u, err = n.next() {
		if isStanza(u) && len(n.conn.early) < maxEarly {
			n.conn.early = append(n.conn.early, u)
			continue
		}
		if err := n.conn.in.decode(u, &reply); err != nil || reply.XMLName.Space != nsSM ||
			reply.XMLName.Local != name && reply.XMLName.Local != "failed" {
			return reply, &Error{Kind: KindStream, On: n.conn.on,
				Text: "the server did not answer the request for stream management", Err: err}
		}
		return reply, nil
	}
	return reply, err
}

// ready is the end of the negotiation: the old stream resumed, or a resource
// bound with stream management where the server has it.
func (n *negotiation) ready() (err error) {
	if err = n.resume(); err != nil {
		return err
	}
	if n.sm.resumed {
		n.bound = n.dialer.resumed
		return nil
	}
	if n.bound, err = n.bindResource(); err != nil {
		return err
	}
	return n.enable()
}

func ackElement(h uint32) []byte {
	return append(strconv.AppendUint([]byte("<a xmlns='"+nsSM+"' h='"), uint64(h), 10), "'/>"...)
}

// locate puts the place that the server named for resuming in front of the
// others (XEP-0198 section 5). Its certificate is verified like any other.
func locate(targets []target, location string) []target {
	if location == "" {
		return targets
	}
	direct := len(targets) > 0 && targets[0].direct
	to := target{addr: withPort(location, direct), direct: direct}
	if !validHost(to.addr) {
		return targets
	}
	return append([]target{to}, targets...)
}

// streamError is the stream error for a wrong count (XEP-0198 section 4).
func (e *countError) streamError() string {
	return fmt.Sprintf("<stream:error><undefined-condition xmlns='%s'/><handled-count-too-high xmlns='%s' h='%d' send-count='%d'/></stream:error>",
		nsStreamErrors, nsSM, e.h, e.sent)
}

// resumeToken returns the token of an old stream, nil when there is none.
func resumeToken(old *Managed) *token {
	if old == nil {
		return nil
	}
	t, ok := old.token()
	if !ok {
		return nil
	}
	return &t
}
