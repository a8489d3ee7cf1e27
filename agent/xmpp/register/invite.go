package register

import (
	"errors"
	"net/url"
	"strings"

	"pipit/agent/xmpp/jid"
)

// maxInvite bounds an invitation, in bytes.
const maxInvite = 1024

// An Invite is an invitation to make an account.
type Invite struct {
	Domain string // of the server; "" of a bare token
	Local  string // of the account, when the invitation is for one name
	Token  string
}

var errInvite = errors.New("this is no invitation to make an account: it looks like xmpp:example.org?register;preauth=TOKEN")

// ParseInvite reads an invitation as people get it: an xmpp: link (XEP-0445
// section 2: of a domain or an account to register, or of a contact with ibr=y),
// a web page's link that ends in such a one, or a token alone.
func ParseInvite(text string) (Invite, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxInvite {
		return Invite{}, errInvite
	}
	i := strings.Index(strings.ToLower(text), "xmpp:")
	if i < 0 {
		if strings.ContainsAny(text, " \t\r\n:/?#&;=<>\"'@") {
			return Invite{}, errInvite
		}
		return Invite{Token: text}, nil
	}
	return parseLink(strings.TrimPrefix(text[i+len("xmpp:"):], "//"))
}

// parseLink reads what follows "xmpp:".
func parseLink(text string) (Invite, error) {
	address, query, _ := strings.Cut(text, "?")
	address, err := url.PathUnescape(address)
	if err != nil {
		return Invite{}, errInvite
	}
	action, rest, _ := strings.Cut(query, ";")
	keys := make(map[string]string)
	for pair := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(pair, "=")
		if keys[key], err = url.PathUnescape(value); err != nil {
			return Invite{}, errInvite
		}
	}
	in := Invite{Token: keys["preauth"]}
	account, err := jid.Parse(address)
	if err != nil || in.Token == "" || strings.ContainsAny(in.Token, "\x00\r\n") {
		return Invite{}, errInvite
	}
	in.Domain = jid.Domain(account)
	switch {
	case action == "register":
		in.Local = jid.Local(account)
	case action != "roster" || keys["ibr"] != "y":
		return Invite{}, errInvite
	}
	return in, nil
}
