package xmpp

import (
	"context"
	"slices"

	"pipit/agent"
	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/stanza"
)

// Software names the program in entity capabilities (XEP-0115 section 4).
const Software = "urn:pipit:agent"

// discoInfo is what the device says of itself (XEP-0030, XEP-0115). It must
// hold only what is really served.
func discoInfo(a *agent.Agent) disco.Info {
	features := []string{
		disco.NSInfo, disco.NSItems, disco.NSCaps,
		adhoc.NS, "jabber:x:data", "http://jabber.org/protocol/xdata-validate",
		entity.NSPing, entity.NSVersion, entity.NSTime, entity.NSLast,
		"urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "urn:xmpp:reply:0",
		"urn:xmpp:fallback:0", "urn:xmpp:message-correct:0", "urn:xmpp:sid:0",
		"http://jabber.org/protocol/chatstates", "urn:xmpp:delay",
	}
	features = append(features, sensordata.Namespaces...)
	slices.Sort(features)
	return disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "bot", Name: a.Name}},
		Features:   features,
	}
}

// discoInfo answers disco#info of the device, of its capabilities and of commands.
func (s *session) discoInfo(_ context.Context, iq *stanza.Stanza) ([]byte, error) {
	node, err := disco.NodeOf(iq)
	if err != nil {
		return nil, err
	}
	if node == "" || node == Software+"#"+s.info.Ver() {
		return s.info.Append(nil, node), nil
	}
	if info, ok := s.adhoc.Info(iq.From, node); ok {
		return info.Append(nil, node), nil
	}
	return nil, stanza.ItemNotFound
}

// discoItems answers disco#items: the commands the asker may run, nothing else.
func (s *session) discoItems(_ context.Context, iq *stanza.Stanza) ([]byte, error) {
	node, err := disco.NodeOf(iq)
	if err != nil {
		return nil, err
	}
	switch node {
	case "":
		return disco.AppendItems(nil, node, nil), nil
	case adhoc.NS:
		return disco.AppendItems(nil, node, s.adhoc.Items(iq.From)), nil
	}
	return nil, stanza.ItemNotFound
}
