// Package stream makes an XMPP stream to the account's server and moves whole
// stanzas over it: SRV records with fall-back (RFC 2782, XEP-0368), STARTTLS or
// direct TLS, SASL, resource binding (RFC 6120), keepalive (XEP-0199).
//
//	Dial, Open ── targets (resolve.go) ── connect, TLS (dial.go, tls.go) ── negotiate ──> *Conn ──> *Managed
//	                                                                           │
//	   STARTTLS (tls.go), SASL (sasl.go, scram.go), resume, bind, enable (bind.go, management.go)
//
// A Conn is framed from its first byte: a reader cuts what comes in into whole
// units within limits, a writer sends whole stanzas and joins those that wait
// into one write. Above it mellium's Session does the negotiation and nothing
// else: it writes the stream headers, reads the list of features and calls
// ours. Our features take their replies as units from the Conn, so the
// Session's decoder never sees them; it sees headers and lists of features,
// one unit for each read, and so never holds a byte of what comes next. When
// the stream is ready the Session is dropped. Its Serve never runs, not even
// with a nil handler: it would answer requests and end the stream on what it
// does not like.
//
// No context reaches mellium, which cannot end a blocked read. Dial closes the
// transport under it when the context ends; each read and write has a deadline
// of its own.
//
// A Conn ends with its transport. A Managed (managed.go) is a stream that does
// not (XEP-0198): it holds what it sent until the server acknowledges it
// (ledger.go), and Open puts a new Conn under it when the server resumes the
// stream there, so that nothing above a Managed notices. The new Conn hands out
// nothing, and answers no <r/>, before it is in place: all that follows
// <resumed/> belongs to the older stream and its counters.
package stream

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"time"
)

// Limits. Prosody and ejabberd take at most 256 KiB from a client by default,
// and may wrap what they forward: twice that lets through every honest stanza.
const (
	MaxStanza   = 512 << 10 // bytes of one inbound stanza
	MaxDepth    = 128       // nesting in one inbound stanza
	MaxUnsent   = 1 << 20   // bytes that wait to be sent
	maxSkip     = 4 << 20   // bytes passed over of a stanza beyond those
	maxUnbound  = 64 << 10  // bytes of one unit before the stream is ready
	maxTargets  = 8         // hosts tried in one Dial
	maxReadSize = 16 << 10  // of one read: a TLS record
)

// Config says where to log in and how. Only JID and Password are needed.
type Config struct {
	JID       string                 // the account: normalised, bare
	Resource  string                 // asked for; "" lets the server choose
	Password  func() (string, error) // called once in each Dial that gets as far as SASL
	Server    string                 // "host:port" to use in place of the SRV records
	DirectTLS bool                   // with Server: TLS from the first byte, no STARTTLS
	RootCAs   *x509.CertPool         // nil: those of the system
	// AllowPlain allows the mechanism PLAIN, always inside TLS, to a server
	// that offers nothing better.
	AllowPlain bool
	Resolver   Resolver     // nil: net.DefaultResolver
	Turn       func()       // called before each read of Serve: every 25 s at least, unless a handler hangs; nil: nobody is told
	Log        *slog.Logger // nil: silent
}

// A Resolver looks up SRV records; *net.Resolver is one. It must return when
// ctx ends. The name has a final dot.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// timing holds every duration of the package; tests shorten some.
type timing struct {
	dial      time.Duration // all of Dial
	lookup    time.Duration // one SRV lookup
	connect   time.Duration // TCP to one target, all its addresses
	negotiate time.Duration // from TCP to ready, with one target
	read      time.Duration // one read before the stream is ready
	write     time.Duration // one write; and waiting for room in Send
	idle      time.Duration // without any inbound byte, until a ping goes out
	reply     time.Duration // without any inbound byte after the ping: dead
	end       time.Duration // to send the end of a stream that failed
	ask       time.Duration // from a stanza until its acknowledgement is asked for, at the latest
	ack       time.Duration // from that request to the answer: then the link is dead
}

func defaultTiming() timing {
	return timing{
		dial:      60 * time.Second,
		lookup:    5 * time.Second,
		connect:   10 * time.Second,
		negotiate: 30 * time.Second,
		read:      15 * time.Second,
		write:     20 * time.Second,
		idle:      25 * time.Second,
		reply:     20 * time.Second,
		end:       2 * time.Second,
		ask:       15 * time.Second,
		ack:       20 * time.Second,
	}
}

// Namespaces.
const (
	nsStream       = "http://etherx.jabber.org/streams"
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
	nsClient       = "jabber:client"
	nsTLS          = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASLCB       = "urn:xmpp:sasl-cb:0"
	nsBind         = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSM           = "urn:xmpp:sm:3"
	nsStanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
)
