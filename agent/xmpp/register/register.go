// Package register makes accounts: in-band registration (XEP-0077), also with
// the token of an invitation (XEP-0445, XEP-0401).
package register

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/wire"
)

const (
	nsRegister = "jabber:iq:register"
	nsForm     = "jabber:x:data"
	nsPreAuth  = "urn:xmpp:pars:0"
	nsFeature  = "http://jabber.org/features/iq-register"
	nsToken    = "urn:xmpp:ibr-token:0"
	maxSaid    = 200 // bytes of the server's own words
)

// What an error of Account wraps when the server has refused; each says what to do.
var (
	ErrUnsupported = errors.New("the server does not let people make accounts this way: make one on its web page or with its administrator")
	ErrConflict    = errors.New("somebody has this name: choose another, or log in with its password")
	ErrToken       = errors.New("the server wants a valid invitation: ask for a new one; each can be used once and for some days")
	ErrPassword    = errors.New("the server does not take this name or password: choose a longer password, or another name")
	ErrForm        = errors.New("the server asks more than a name and a password: make the account with a client or on its web page")
	ErrWait        = errors.New("the server makes no more accounts for now: try again later")
)

// Account makes the account cfg.JID with cfg.Password at its server, over TLS
// (XEP-0077 section 3.1.1). token is that of an invitation, or "". It logs
// nobody in, and blocks as stream.Dial does, 60 s at most.
//
// The error wraps one of those above when the server has refused, and is that of
// stream.Dial when it was not reached.
func Account(ctx context.Context, cfg stream.Config, token string) error {
	password, err := cfg.Password()
	if err != nil {
		return err
	}
	local, domain := jid.Local(cfg.JID), jid.Domain(cfg.JID)
	err = stream.Visit(ctx, cfg, func(g *stream.Guest) error {
		d := desk{guest: g, domain: domain}
		return d.register(local, password, token)
	})
	var refused *refusal
	if errors.As(err, &refused) {
		return fmt.Errorf("making the account %s: %w", cfg.JID, err)
	}
	return err
}

// A desk is where a server makes accounts.
type desk struct {
	guest  *stream.Guest
	domain string
	asked  int
}

func (d *desk) register(local, password, token string) error {
	invites := d.guest.Offers(nsToken, "register")
	switch {
	case token != "" && !invites:
		return &refusal{why: ErrUnsupported, said: "it takes no invitations"}
	case token == "" && !d.guest.Offers(nsFeature, "register"):
		return &refusal{why: ErrUnsupported}
	}
	if token != "" {
		if _, err := d.ask("set", append(wire.Attr([]byte("<preauth xmlns='"+nsPreAuth+"'"), "token", token), "/>"...)); err != nil {
			return said(err, func(string) error { return ErrToken })
		}
	}
	wanted, err := d.ask("get", []byte("<query xmlns='"+nsRegister+"'/>"))
	if err != nil {
		return said(err, reason)
	}
	fill, err := wanted.answer(local, password)
	if err != nil {
		return err
	}
	_, err = d.ask("set", fill)
	return said(err, func(condition string) error {
		if condition == "not-acceptable" && invites && token == "" {
			return ErrToken
		}
		return reason(condition)
	})
}

// reason is what the condition of a stanza error means here (XEP-0077 section 9).
func reason(condition string) error {
	switch condition {
	case "conflict":
		return ErrConflict
	case "not-acceptable", "bad-request", "jid-malformed":
		return ErrPassword
	case "resource-constraint", "policy-violation":
		return ErrWait
	}
	return ErrUnsupported
}

// A refusal is an error that the server sent.
type refusal struct {
	why       error // one of the exported ones
	condition string
	said      string
}

func (r *refusal) Error() string {
	if words := strings.Join(slices.DeleteFunc([]string{r.condition, r.said}, func(s string) bool { return s == "" }), ": "); words != "" {
		return r.why.Error() + " (" + words + ")"
	}
	return r.why.Error()
}

func (r *refusal) Unwrap() error { return r.why }

// said gives a refusal its reason.
func said(err error, why func(condition string) error) error {
	var r *refusal
	if errors.As(err, &r) {
		r.why = why(r.condition)
	}
	return err
}

// A reply is an answer to an IQ.
type reply struct {
	XMLName xml.Name
	Type    string `xml:"type,attr"`
	ID      string `xml:"id,attr"`
	Query   query  `xml:"jabber:iq:register query"`
	Error   struct {
		Any []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"error"`
}

// ask sends a request and returns what the answer asks for.
func (d *desk) ask(kind string, payload []byte) (query, error) {
	d.asked++
	id := fmt.Sprintf("register-%d", d.asked)
	iq := wire.Attr([]byte("<iq type='"+kind+"' id='"+id+"'"), "to", d.domain)
	iq = append(append(append(iq, '>'), payload...), "</iq>"...)
	var r reply
	if err := d.guest.Ask(iq, &r); err != nil {
		return query{}, err
	}
	switch {
	case r.XMLName.Local != "iq" || r.ID != id:
		return query{}, &refusal{why: ErrUnsupported, said: "it answered something else"}
	case r.Type == "result":
		return r.Query, nil
	}
	refused := &refusal{why: ErrUnsupported}
	for _, e := range r.Error.Any {
		if e.XMLName.Local == "text" {
			refused.said = oneLine(e.Text)
		} else if refused.condition == "" {
			refused.condition = oneLine(e.XMLName.Local)
		}
	}
	return query{}, refused
}

// oneLine bounds what the server said.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxSaid {
		s = s[:maxSaid]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
