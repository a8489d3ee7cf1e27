package disco

import (
	"context"
	"fmt"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// maxItems bounds what is read of others; what exceeds it is left out.
const maxItems = 10000

// NodeOf returns the node that a disco#info or disco#items request asks for,
// "" for none. The error is bad-request.
func NodeOf(iq *stanza.Stanza) (string, error) {
	var v struct {
		Query struct {
			Node string `xml:"node,attr"`
		} `xml:"query"`
	}
	if iq.Decode(&v) != nil {
		return "", stanza.BadRequest
	}
	return v.Query.Node, nil
}

// Ask asks an entity what it is and can do; the forms of its answer are left
// out. jid "" is the own account. It waits as long as the Requester does.
func Ask(ctx context.Context, r stanza.Requester, jid string) (Info, error) {
	reply, err := r.Request(ctx, jid, "get", query(NSInfo, ""))
	if err != nil {
		return Info{}, fmt.Errorf("disco#info of %q: %w", jid, err)
	}
	var v struct {
		Query struct {
			Identities []struct {
				Category string `xml:"category,attr"`
				Type     string `xml:"type,attr"`
				Lang     string `xml:"lang,attr"`
				Name     string `xml:"name,attr"`
			} `xml:"identity"`
			Features []struct {
				Var string `xml:"var,attr"`
			} `xml:"feature"`
		} `xml:"http://jabber.org/protocol/disco#info query"`
	}
	if err := reply.Decode(&v); err != nil {
		return Info{}, fmt.Errorf("disco#info of %q: %w", jid, err)
	}
	var info Info
	for _, i := range v.Query.Identities[:min(len(v.Query.Identities), maxItems)] {
		info.Identities = append(info.Identities, Identity(i))
	}
	for _, f := range v.Query.Features[:min(len(v.Query.Features), maxItems)] {
		info.Features = append(info.Features, f.Var)
	}
	return info, nil
}

// Items asks for the parts of an entity or of one of its nodes. jid "" is the
// own account. It waits as long as the Requester does.
func Items(ctx context.Context, r stanza.Requester, jid, node string) ([]Item, error) {
	reply, err := r.Request(ctx, jid, "get", query(NSItems, node))
	if err != nil {
		return nil, fmt.Errorf("disco#items of %q: %w", jid, err)
	}
	var v struct {
		Query struct {
			Items []struct {
				JID  string `xml:"jid,attr"`
				Node string `xml:"node,attr"`
				Name string `xml:"name,attr"`
			} `xml:"item"`
		} `xml:"http://jabber.org/protocol/disco#items query"`
	}
	if err := reply.Decode(&v); err != nil {
		return nil, fmt.Errorf("disco#items of %q: %w", jid, err)
	}
	var items []Item
	for _, i := range v.Query.Items[:min(len(v.Query.Items), maxItems)] {
		items = append(items, Item(i))
	}
	return items, nil
}

func query(ns, node string) []byte {
	b := []byte("<query xmlns='" + ns + "'")
	b = wire.Attr(b, "node", node)
	return append(b, "/>"...)
}
