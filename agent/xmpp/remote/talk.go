package remote

import (
	"context"
	"crypto/rand"
	"fmt"

	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/wire"
)

// Call runs an ad-hoc command of the device (XEP-0050) with values for its
// form and an answer to what it asks before it does something dangerous. It waits until the device is online or ctx ends.
func (c *Client) Call(ctx context.Context, command string, values map[string][]string, consent adhoc.Consent) (adhoc.Result, error) {
	full, err := c.Online(ctx)
	if err != nil {
		return adhoc.Result{}, err
	}
	return adhoc.Execute(ctx, c.router, full, command, values, consent)
}

// Commands lists what this person may run on the device.
func (c *Client) Commands(ctx context.Context) ([]disco.Item, error) {
	full, err := c.Online(ctx)
	if err != nil {
		return nil, err
	}
	return adhoc.List(ctx, c.router, full)
}

// Say sends a chat line to the device and returns the id of the message.
func (c *Client) Say(line string) (id string, err error) {
	id = rand.Text()
	b := []byte("<message type='chat'")
	b = wire.Attr(b, "to", c.device)
	b = wire.Attr(b, "id", id)
	b = append(b, "><body>"...)
	b = wire.Escape(b, line)
	b = append(b, "</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"...)
	return id, c.router.Send(b)
}

// Hear waits for the next chat line of the device. Watch and Hear may not run
// at the same time on one client.
func (c *Client) Hear(ctx context.Context) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-c.ended.Done():
			return "", context.Cause(c.ended)
		case m := <-c.messages:
			var v struct {
				Body string `xml:"body"`
			}
			if jid.Bare(m.From) != c.device || m.Decode(&v) != nil || v.Body == "" {
				continue
			}
			if m.Type == "error" {
				return "", fmt.Errorf("the message to %s was not delivered: the server knows no such account, or nobody is there", c.device)
			}
			return v.Body, nil
		}
	}
}
