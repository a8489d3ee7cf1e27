// Package upload puts files on the HTTP upload service of an XMPP server and
// posts their links (XEP-0363 1.2.0, XEP-0066).
//
//	Find -> Put: slot request -> HTTPS PUT -> URL -> AppendMessage
//
// Whoever has the URL can read the file, the server too: the URL is as secret
// as the file and stands in no error.
package upload

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// Namespaces of HTTP upload and of out-of-band data.
const (
	NS    = "urn:xmpp:http:upload:0"
	NSOOB = "jabber:x:oob"
)

const (
	maxComponents = 20          // of a server that are asked
	findWait      = time.Minute // for all of them
)

// ErrNoService is in the chain of Find's error when the server answered and
// has no upload service: asking again on this connection is of no use.
var ErrNoService = errors.New("no file upload service (XEP-0363)")

// A Conn is a connection to the server; *stanza.Router is one. An error reply
// is needed as it came, which a Requester does not give.
type Conn interface {
	stanza.Requester
	stanza.Starter
}

// A Service is an upload service.
type Service struct {
	JID     string
	MaxSize int64 // bytes of the largest file it takes, 0 when it does not say
}

// Find looks for an upload service at a domain: the server itself, then its
// first 20 components. It takes one minute at most. The error holds
// ErrNoService only when all that were asked gave a final answer.
func Find(ctx context.Context, r stanza.Requester, domain string) (Service, error) {
	ctx, cancel := context.WithTimeout(ctx, findWait)
	defer cancel()
	s, ok, err := ask(ctx, r, domain)
	if err != nil || ok {
		return s, err
	}
	items, err := disco.Items(ctx, r, domain, "")
	if err != nil && !final(err) {
		return Service{}, fmt.Errorf("looking for file upload: %w", err)
	}
	var unsure error // of the first component that may be one
	for _, jid := range components(items) {
		s, ok, err := ask(ctx, r, jid)
		switch {
		case ok:
			return s, nil
		case ctx.Err() != nil, errors.Is(err, stanza.ErrClosed):
			return Service{}, err
		case unsure == nil:
			unsure = err
		}
	}
	if unsure != nil {
		return Service{}, unsure
	}
	return Service{}, fmt.Errorf("%s has %w", domain, ErrNoService)
}

// components returns the addresses of the parts that are entities themselves.
func components(items []disco.Item) (jids []string) {
	for _, i := range items {
		if i.JID != "" && i.Node == "" && len(jids) < maxComponents {
			jids = append(jids, i.JID)
		}
	}
	return jids
}

// ask tells whether an entity is an upload service. One that refuses to say is none.
func ask(ctx context.Context, r stanza.Requester, jid string) (Service, bool, error) {
	reply, err := r.Request(ctx, jid, "get", []byte("<query xmlns='"+disco.NSInfo+"'/>"))
	var s Service
	var ok bool
	if err == nil {
		s, ok, err = parseInfo(reply, jid)
	}
	if err == nil || final(err) {
		return s, ok, nil
	}
	return Service{}, false, fmt.Errorf("looking for file upload: disco#info of %q: %w", jid, err)
}

// final tells whether err is a refusal that waiting does not change.
func final(err error) bool {
	var e *stanza.Error
	return errors.As(err, &e) && e.Type != "wait"
}

// parseInfo reads a disco#info result; ok tells whether it is of an upload service.
func parseInfo(reply *stanza.Stanza, jid string) (s Service, ok bool, err error) {
	var v struct {
		Query struct {
			Features []struct {
				Var string `xml:"var,attr"`
			} `xml:"feature"`
			Forms []dataform.Submission `xml:"jabber:x:data x"`
		} `xml:"http://jabber.org/protocol/disco#info query"`
	}
	if err := reply.Decode(&v); err != nil {
		return Service{}, false, err
	}
	for _, f := range v.Query.Features {
		ok = ok || f.Var == NS
	}
	for _, form := range v.Query.Forms {
		if first(form.Values["FORM_TYPE"]) == NS {
			s.MaxSize = parseSize(first(form.Values["max-file-size"]))
		}
	}
	s.JID = jid
	return s, ok, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// parseSize reads a number of bytes; 0 stands for one that is none.
func parseSize(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// AppendMessage writes the children of a message that posts a link: clients
// show the file when the body is the URL and nothing else.
func AppendMessage(b []byte, url string) []byte {
	b = append(b, "<body>"...)
	b = wire.Escape(b, url)
	return AppendLink(append(b, "</body>"...), url)
}

// AppendLink writes what makes a body that is a URL a file (XEP-0066).
func AppendLink(b []byte, url string) []byte {
	b = append(b, "<x xmlns='"+NSOOB+"'><url>"...)
	b = wire.Escape(b, url)
	return append(b, "</url></x>"...)
}
