package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent/config"
	"pipit/agent/xmpp"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/upload"
)

const (
	askTime   = 5 * time.Second // for one question to the server
	maxNodes  = 50              // that are asked for
	clockSlip = 5 * time.Second // from the server's clock, above which it is worth a warning
)

// services asks the server what it has for the device, and changes nothing.
func (i *inspection) services(ctx context.Context, b branch, r upload.Conn) {
	domain := jid.Domain(i.cfg.XMPP.JID)
	s := b.under("server")
	for _, look := range []func(context.Context){
		func(ctx context.Context) { i.pubsub(ctx, s, r) },
		func(ctx context.Context) { tellUpload(ctx, s, r, domain) },
		func(ctx context.Context) { i.rooms(ctx, s, r) },
		func(ctx context.Context) { tellTime(ctx, b.under("clock"), r, domain) },
	} {
		if ctx.Err() == nil {
			look(ctx)
		}
	}
}

// pubsub compares each node with what the agent wants of it.
func (i *inspection) pubsub(ctx context.Context, b branch, r stanza.Requester) {
	service := i.cfg.XMPP.PubSub
	if err := askPubSub(ctx, r, service); err != nil {
		b.fail("pubsub", err.Error(), "switch PubSub or PEP on at the server for this account, or name a service by pubsub in [xmpp]")
		return
	}
	b.ok("pubsub", cmp.Or(service, "PEP of the own account")+", wanted access "+i.cfg.XMPP.Access)
	var readings []string
	select {
	case readings = <-i.names:
	case <-ctx.Done():
		return
	}
	nodes := xmpp.Nodes(xmpp.Config{JID: i.cfg.XMPP.JID, PubSub: service, Access: i.cfg.XMPP.Access}, readings)
	for _, n := range nodes[:min(len(nodes), maxNodes)] {
		n.Conn = r
		tellNode(ctx, b.under("pubsub"), n)
	}
	if n := len(nodes) - maxNodes; n > 0 {
		b.under("pubsub").skip("more", fmt.Sprintf("nodes not asked for: %d", n))
	}
}

// askPubSub asks whether there is such a service at all (XEP-0163 section 6, XEP-0060 section 5).
func askPubSub(ctx context.Context, r stanza.Requester, service string) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	info, err := disco.Ask(ctx, r, service)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(info.Identities, func(id disco.Identity) bool { return id.Category == "pubsub" }) {
		return nil
	}
	if service == "" {
		return errors.New("the server has no PEP for this account (XEP-0163)")
	}
	return fmt.Errorf("%s is no PubSub service (XEP-0060)", service)
}

func tellNode(ctx context.Context, b branch, n *pubsub.Node) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	set, err := n.Settings(ctx)
	var e *stanza.Error
	if err != nil {
		switch errors.As(err, &e); {
		case e != nil && e.Condition == "item-not-found":
			b.skip(n.Name, "not there yet: the agent makes it with its first item")
		case e != nil && e.Condition == "forbidden":
			b.warn(n.Name, "it belongs to somebody else, who alone may read its configuration", "see that its owner lets this account publish, and whom else it lets read")
		default:
			b.fail(n.Name, err.Error(), "see the server's log; \"server/pubsub\" says which service was asked")
		}
		return
	}
	var told []string
	for _, name := range []string{"access_model", "publish_model", "max_items", "persist_items", "send_last_published_item"} {
		told = append(told, name+" "+cmp.Or(strings.Join(set["pubsub#"+name], " "), "not told"))
	}
	text, wrong := strings.Join(told, ", "), n.Differing(set)
	const hint = "the agent puts that right when it logs in: restart it; if it stays so, the server refuses, and the agent's log says why"
	switch {
	case len(wrong) == 0:
		b.ok(n.Name, text)
	case strings.HasPrefix(wrong[0], "access_model "):
		b.fail(n.Name, text+"; differs: "+strings.Join(wrong, ", "), "others than you want may read it: "+hint)
	default:
		b.warn(n.Name, text+"; differs: "+strings.Join(wrong, ", "), hint)
	}
}

func tellUpload(ctx context.Context, b branch, r upload.Conn, domain string) {
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	s, err := upload.Find(ctx, r, domain)
	switch {
	case errors.Is(err, upload.ErrNoService):
		b.warn("upload", err.Error(), "turn it on at the server, or do without charts and pictures")
	case err != nil:
		b.warn("upload", err.Error(), "try again later")
	case s.MaxSize > 0:
		b.ok("upload", fmt.Sprintf("%s, files up to %d kB", s.JID, s.MaxSize/1000))
	default:
		b.ok("upload", s.JID+", does not say how large a file may be")
	}
}

func (i *inspection) rooms(ctx context.Context, b branch, r stanza.Requester) {
	if len(i.cfg.Rooms) == 0 {
		b.skip("rooms", "there are none in the config")
		return
	}
	b.ok("rooms", "asked, not joined")
	for _, room := range i.cfg.Rooms {
		tellRoom(ctx, b.under("rooms"), r, room)
	}
}

// tellRoom asks a room what it is (XEP-0045 section 6.4), which is no join.
func tellRoom(ctx context.Context, b branch, r stanza.Requester, room config.Room) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	info, err := disco.Ask(ctx, r, room.JID)
	has := func(feature string) bool { return slices.Contains(info.Features, feature) }
	var e *stanza.Error
	switch errors.As(err, &e); {
	case e != nil && e.Condition == "item-not-found":
		b.warn(room.Name, room.JID+" is not there yet", "check its JID; a room that nobody has made yet is made by the first who joins, where the server lets him")
	case err != nil:
		b.fail(room.Name, err.Error(), "check the room's JID, and that its service runs and can be reached")
	case !has("http://jabber.org/protocol/muc"):
		b.fail(room.Name, room.JID+" is no room (XEP-0045)", "check its JID")
	case has("muc_passwordprotected") && room.Password.Reveal() == "":
		b.fail(room.Name, room.JID+" wants a password", "name its file by password_file in [room."+room.Name+"]")
	case has("muc_membersonly"):
		b.ok(room.Name, room.JID+", for members only: this account must be one of them")
	default:
		b.ok(room.Name, room.JID+", open to this account as far as the room says")
	}
}

// tellTime compares the clocks (XEP-0202).
func tellTime(ctx context.Context, b branch, r stanza.Requester, domain string) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	theirs, err := entity.ServerTime(ctx, r, domain)
	if err != nil {
		b.skip("server", "the server does not tell its time (XEP-0202)")
		return
	}
	off := time.Since(theirs).Round(time.Second / 10)
	way := "ahead of"
	if off < 0 {
		way = "behind"
	}
	text := fmt.Sprintf("%v %s the server's", off.Abs(), way)
	if off.Abs() > clockSlip {
		b.warn("server", text, "let an NTP client set the clock")
		return
	}
	b.ok("server", text)
}
