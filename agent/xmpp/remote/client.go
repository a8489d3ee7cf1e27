// Package remote is the operator's side of the wire: it logs in as a person
// and watches, calls and chats with devices. The command line uses it, and so
// do the tests as a second client.
package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/entity"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/wire"
)

// software names this client in entity capabilities.
const software = "urn:pipit:remote"

// A Client is a person's connection. Its methods may be called from any goroutine.
type Client struct {
	conn   *stream.Conn
	router *stanza.Router
	device string // normalised bare JID of the device this client deals with
	log    *slog.Logger
	end    context.CancelCauseFunc
	ended  context.Context
	wg     sync.WaitGroup

	mu       sync.Mutex
	features []string // PubSub interests, as nodes
	online   string   // full JID of the device, "" while it is not seen
	changed  chan struct{}

	messages chan *stanza.Stanza // of the device, for Watch and Chat
}

// Open logs in for dealing with one device, becomes available and asks to see
// the device. Close must be called.
func Open(ctx context.Context, cfg stream.Config, device string) (*Client, error) {
	bare := jid.Bare(device)
	if bare == "" || jid.Local(bare) == "" {
		return nil, fmt.Errorf("%q is not a device's JID: write name@domain", device)
	}
	conn, err := stream.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Client{conn: conn, device: bare, log: log, changed: make(chan struct{}), messages: make(chan *stanza.Stanza, 256)}
	c.ended, c.end = context.WithCancelCause(context.Background())
	c.router = stanza.NewRouter(conn, conn.JID(), c.mayAsk, log)
	c.serve()
	c.wg.Go(func() { c.router.Run(c.ended) })
	c.wg.Go(func() {
		err := conn.Serve(c.ended, c.router.Receive)
		if err == nil {
			err = errors.New("the server closed the stream")
		}
		c.end(err)
	})
	if err := c.hello(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close takes leave of the server, for at most two seconds.
func (c *Client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c.conn.Close(ctx)
	c.end(stanza.ErrClosed)
	c.wg.Wait()
}

// JID returns the full JID of this client.
func (c *Client) JID() string { return c.conn.JID() }

func (c *Client) mayAsk(from string) bool {
	bare := jid.Bare(from)
	return from == "" || bare == c.device || bare == jid.Bare(c.conn.JID()) || from == jid.Domain(c.conn.JID())
}

func (c *Client) serve() {
	c.router.Handle("get", entity.NSPing, "ping", entity.Ping)
	c.router.Handle("get", disco.NSInfo, "query", c.serveInfo)
	c.router.OnPresence(c.presence)
	c.router.OnMessage(func(ctx context.Context, m *stanza.Stanza) {
		select {
		case c.messages <- m:
		default:
			c.log.Warn("message dropped: they come faster than they are read", "from", m.From)
		}
	})
}

func (c *Client) info() disco.Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	features := []string{disco.NSInfo, disco.NSCaps, entity.NSPing}
	for _, node := range c.features {
		features = append(features, node+"+notify")
	}
	return disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "console", Name: "Pipit"}},
		Features:   features,
	}
}

// serveInfo answers the server that wants to know which nodes interest us.
func (c *Client) serveInfo(_ context.Context, iq *stanza.Stanza) ([]byte, error) {
	node, err := disco.NodeOf(iq)
	if err != nil {
		return nil, err
	}
	info := c.info()
	if node != "" && node != software+"#"+info.Ver() {
		return nil, stanza.ItemNotFound
	}
	return info.Append(nil, node), nil
}

// announce sends the presence with the present capabilities.
func (c *Client) announce() error {
	b := []byte("<presence><priority>-1</priority>")
	b = c.info().AppendCaps(b, software)
	return c.router.Send(append(b, "</presence>"...))
}

// hello fetches the roster (so that pushes and presences come), becomes
// available and asks to see the device when that is not the case yet.
func (c *Client) hello(ctx context.Context) error {
	reply, err := c.router.Request(ctx, "", "get", []byte("<query xmlns='jabber:iq:roster'/>"))
	if err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	var v struct {
		Items []struct {
			JID          string `xml:"jid,attr"`
			Subscription string `xml:"subscription,attr"`
		} `xml:"query>item"`
	}
	if err := reply.Decode(&v); err != nil {
		return err
	}
	if err := c.announce(); err != nil {
		return err
	}
	for _, i := range v.Items {
		if jid.Bare(i.JID) == c.device && (i.Subscription == "to" || i.Subscription == "both") {
			return nil
		}
	}
	return c.subscription("subscribe")
}

func (c *Client) subscription(typ string) error {
	b := []byte("<presence")
	b = wire.Attr(b, "type", typ)
	b = wire.Attr(b, "to", c.device)
	return c.router.Send(append(b, "/>"...))
}

func (c *Client) presence(_ context.Context, p *stanza.Stanza) {
	if jid.Bare(p.From) != c.device {
		return
	}
	switch p.Type {
	case "subscribe": // the device wants to see us: PEP needs that
		if err := c.subscription("subscribed"); err != nil {
			c.log.Debug("subscription not answered", "error", err)
		}
	case "", "unavailable":
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case p.Type == "" && strings.Contains(p.From, "/"):
			c.online = p.From
		case c.online == p.From:
			c.online = ""
		}
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// Online waits until the device is seen and returns its full JID. A JID with a
// resource needs no waiting: see Address.
func (c *Client) Online(ctx context.Context) (string, error) {
	for {
		c.mu.Lock()
		full, changed := c.online, c.changed
		c.mu.Unlock()
		if full != "" {
			return full, nil
		}
		select {
		case <-changed:
		case <-c.ended.Done():
			return "", context.Cause(c.ended)
		case <-ctx.Done():
			return "", fmt.Errorf("%s is not seen online: is it running, and is %s in its [people]?", c.device, jid.Bare(c.JID()))
		}
	}
}
