package stream

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Kind tells what failed. Within Dial, a greater one got further.
type Kind uint8

const (
	KindDNS          Kind = iota + 1 // the host's name has no address
	KindUnreachable                  // no route, or the network is down
	KindTimeout                      // no answer in time
	KindRefused                      // nothing listens there
	KindTLS                          // the handshake failed, or the server offers no TLS
	KindCertificate                  // the server's certificate is not good for the JID's domain
	KindSeeOtherHost                 // sent to another host, and again from there
	KindStream                       // a stream error, or not XMPP at all
	KindPolicy                       // the server broke a rule that protects us: limits, forbidden XML
	KindClosed                       // the stream or the connection was closed
	KindNoMechanism                  // no SASL mechanism that both sides accept
	KindAuth                         // the login was refused
	KindBind                         // the resource was refused
	KindConflict                     // another client uses the resource
	KindSilent                       // nothing came in, not even the reply to a ping or an acknowledgement
)

const hintPort = "check the port: STARTTLS is usual on 5222, direct TLS on 5223 or 443"

// kinds holds for each Kind what the error begins with, how long to wait before
// the next Dial, and what to do.
var kinds = [...]struct {
	what  string
	retry time.Duration
	hint  string
}{
	0:                {"stream of", 0, ""},
	KindDNS:          {"looking up", 0, "check the domain of the JID and the network's DNS, or set the server"},
	KindUnreachable:  {"connecting to", 0, "check the network"},
	KindTimeout:      {"waiting for", 0, "check the network, the firewall and the port"},
	KindRefused:      {"connecting to", 0, "check that the server runs and that host and port are right"},
	KindTLS:          {"encrypting the connection to", 10 * time.Second, hintPort},
	KindCertificate:  {"certificate of", 2 * time.Minute, "renew it"},
	KindSeeOtherHost: {"stream with", 0, "set the server to the host it names"},
	KindStream:       {"stream with", 0, ""},
	KindPolicy:       {"stream with", 10 * time.Second, ""},
	KindClosed:       {"stream with", 0, ""},
	KindNoMechanism:  {"login at", 15 * time.Minute, "turn on SCRAM-SHA-256 at the server, or allow PLAIN"},
	KindAuth:         {"login as", 5 * time.Minute, "check the JID and the password"},
	KindBind:         {"resource of", 30 * time.Second, "choose another resource"},
	KindConflict:     {"resource of", 5 * time.Minute, "give each device its own resource, and stop the other client that uses this one"},
	KindSilent:       {"stream with", 0, "check the network"},
}

// conditions holds what differs for a condition that the server sent. retry
// below 0 leaves the waiting time to the Kind.
var conditions = map[string]struct {
	retry time.Duration
	hint  string
}{
	"host-unknown":             {5 * time.Minute, "this server does not serve the domain of the JID: check both"},
	"host-gone":                {5 * time.Minute, "this server no longer serves the domain of the JID"},
	"account-disabled":         {-1, "ask the server's administrator to enable the account"},
	"credentials-expired":      {-1, "set a new password"},
	"temporary-auth-failure":   {0, "the server cannot check passwords now: try again later"},
	"system-shutdown":          {0, "the server is being stopped"},
	"resource-constraint":      {10 * time.Second, "the server is overloaded, or this account has too many connections"},
	"policy-violation":         {30 * time.Second, "the server limits size or rate of stanzas: raise its limits or send less"},
	"unsupported-stanza-type":  {0, ""},
	"not-well-formed":          {0, "this is a fault of Pipit: report it"},
	"invalid-namespace":        {0, "this may be no XMPP server, or a port for servers"},
	"remote-connection-failed": {0, "the server cannot reach a part of itself"},
}

// An Error says what failed, with whom, and what to do. Its text never holds
// the password nor anything made from it.
type Error struct {
	Kind      Kind
	On        string // what it was done on: "example.org:5222", a domain, a JID
	Text      string // what happened, for people: lower case, no period
	Condition string // defined condition that the server sent: "host-unknown"; else ""
	Said      string // the server's own words, one line
	Hint      string // what to do next; "" takes that of the condition or the Kind
	Err       error  // may be nil

	lost bool // the transport failed, the stream did not end: it may be resumed
}

func (e *Error) Error() string {
	if h := e.Advice(); h != "" {
		return e.What() + "; " + h
	}
	return e.What()
}

// What is the error without the advice.
func (e *Error) What() string {
	var b strings.Builder
	b.WriteString(kinds[e.Kind].what)
	b.WriteString(" ")
	b.WriteString(e.On)
	for _, s := range []string{e.Text, e.Condition, errText(e.Err)} {
		if s != "" {
			b.WriteString(": ")
			b.WriteString(s)
		}
	}
	if e.Said != "" {
		fmt.Fprintf(&b, " (%s)", e.Said)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Advice is what to do next, "" when there is nothing to say.
func (e *Error) Advice() string {
	if e.Hint != "" {
		return e.Hint
	}
	if c, ok := conditions[e.Condition]; ok && e.Kind != KindConflict {
		return c.hint
	}
	return kinds[e.Kind].hint
}

// RetryAfter is the least time to wait before the next Dial, so that a fault
// that only people can mend costs the server nothing and locks no account. 0
// leaves it to the usual back-off.
func (e *Error) RetryAfter() time.Duration {
	if c, ok := conditions[e.Condition]; ok && c.retry >= 0 {
		return c.retry
	}
	return kinds[e.Kind].retry
}

func errText(err error) string {
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &op): // its own text repeats the addresses
		err = op.Err
	}
	return clean(err.Error())
}

// clean makes text of others fit for a log line: one line, bounded.
func clean(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case r < 0x20, r == 0x7F, 0x80 <= r && r < 0xA0, 0x202A <= r && r <= 0x202E, 0x2066 <= r && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}

// asError returns err as *Error, nil when it is none.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
