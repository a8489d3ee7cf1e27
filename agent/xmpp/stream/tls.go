package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mellium.im/xmpp"
)

// startTLS is the stream feature of RFC 6120 section 5. It is also negotiated
// when the server does not offer it: an attacker may have taken the offer out
// (RFC 7590 section 3.1).
func (n *negotiation) startTLS() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsTLS, Local: "starttls"},
		Prohibited: xmpp.Secure,
		Parse:      required,
		Negotiate: func(ctx context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			if err := n.encrypt(n.ctx); err != nil {
				return 0, nil, n.keep(err)
			}
			s.UpdateAddr(n.dialer.account) // who we are is told inside TLS only
			return xmpp.Secure, n, nil
		},
	}
}

func (n *negotiation) encrypt(ctx context.Context) error {
	u, err := n.ask("<starttls xmlns='" + nsTLS + "'/>")
	if err != nil {
		return err
	}
	var reply struct{ XMLName xml.Name }
	if err := n.conn.in.decode(u, &reply); err != nil || reply.XMLName != (xml.Name{Space: nsTLS, Local: "proceed"}) {
		return &Error{Kind: KindTLS, On: n.conn.on, Text: "the server refuses STARTTLS", Hint: "turn on TLS at the server, or use its port for direct TLS"}
	}
	if stray := n.conn.in.restart(); stray > 0 {
		n.conn.log.Warn("the server sent more before TLS than it may; it was thrown away", "server", n.conn.on)
	}
	return n.dialer.encrypt(ctx, n.conn, nil)
}

// unrecognizedName is how crypto/tls words the alert of a server that has no
// certificate for the name we ask for (RFC 6066 section 3); over TCP its type
// is not exported.
const unrecognizedName = "tls: unrecognized name"

// tlsError types the failure of a handshake.
func tlsError(err error, on, domain string) error {
	var bad *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &bad):
		return certificateError(bad, on, domain, time.Now())
	case errors.As(err, &plain):
		return &Error{Kind: KindTLS, On: on, Text: "the server does not speak TLS on this port"}
	case isTimeout(err):
		return &Error{Kind: KindTimeout, On: on, Text: "no answer in the TLS handshake", Err: err}
	case strings.HasSuffix(err.Error(), unrecognizedName):
		return &Error{Kind: KindTLS, On: on, Condition: "host-unknown", Err: err}
	}
	return &Error{Kind: KindTLS, On: on, Err: err}
}

// certificateError says what is wrong with a certificate, with the names involved.
func certificateError(err *tls.CertificateVerificationError, on, domain string, now time.Time) *Error {
	e := &Error{Kind: KindCertificate, On: on, Err: err.Err}
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host) && len(host.Certificate.DNSNames) == 0:
		e.Text = fmt.Sprintf("it names no domain, only %q", clean(host.Certificate.Subject.CommonName))
		e.Hint = "a common name does not count any more: get one with a subject alternative name for " + domain
	case errors.As(err, &host):
		e.Text = fmt.Sprintf("it is for %s, not for %s", names(host.Certificate), domain)
		e.Hint = "it must name the domain of the JID, not the host: get one that does"
	case errors.As(err, &unknown):
		e.Text = fmt.Sprintf("it was issued by %q, which is not trusted", issuer(err.UnverifiedCertificates))
		e.Hint = "set ca_file to the certificate of its authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		e.Text = fmt.Sprintf("%s is valid only from %s, and here it is %s", names(invalid.Cert), day(invalid.Cert.NotBefore), day(now))
		e.Hint = "the clock of this machine may be wrong: set it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Text = fmt.Sprintf("%s expired on %s, and here it is %s", names(invalid.Cert), day(invalid.Cert.NotAfter), day(now))
		e.Hint = "renew it, or set the clock of this machine if that is wrong"
	default:
		return e
	}
	e.Err = shortError{err}
	return e
}

// shortError keeps an error for errors.As without repeating its text.
type shortError struct{ err error }

func (shortError) Error() string   { return "" }
func (s shortError) Unwrap() error { return s.err }

func names(c *x509.Certificate) string {
	all := make([]string, 0, 4)
	for _, n := range c.DNSNames {
		if len(all) == 3 {
			all = append(all, "...")
			break
		}
		all = append(all, clean(n))
	}
	if len(all) == 0 {
		return clean(c.Subject.CommonName)
	}
	return strings.Join(all, ", ")
}

func issuer(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	return clean(chain[len(chain)-1].Issuer.String())
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
