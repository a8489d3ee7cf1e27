package config

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strconv"
	"strings"
)

const maxCA = 1 << 20

// xmpp reads [xmpp].
func (l *loader) xmpp(s section) XMPP {
	x := XMPP{Access: "presence"}
	s.decode(&x)
	if s.table == nil {
		return x // not a table: reported
	}
	l.account(s, &x)
	l.password(s, &x)
	if s.given("server") {
		if err := checkServer(x.Server); err != nil {
			s.fail("server", "%s", err)
		}
	}
	if s.given("pubsub") && x.PubSub != "" {
		jid, err := l.env.ParseJID(x.PubSub)
		if err != nil {
			s.fail("pubsub", "%s", err)
		}
		x.PubSub = jid
	}
	if x.DirectTLS && !s.has("server") {
		s.warn("direct_tls", "it changes nothing without server: SRV records say which port speaks TLS at once")
	}
	l.caFile(s, &x)
	s.oneOf("access", x.Access, "presence", "whitelist", "open")
	if x.Access == "open" {
		s.warn("access", "everybody may read what this device publishes")
	}
	return x
}

// account normalises the JID and finds the resource: that of the key, else
// that of the JID, else pipit.
func (l *loader) account(s section, x *XMPP) {
	if !s.has("jid") {
		s.r.fail(s.path, `there is no jid: write jid = "name@example.org"`)
	}
	if !s.given("jid") {
		return
	}
	full, err := l.env.ParseAccount(x.JID)
	if err != nil {
		s.fail("jid", "%s", err)
		return
	}
	bare, resource, _ := strings.Cut(full, "/")
	x.JID = bare
	switch {
	case s.given("resource"):
		if full, err = l.env.ParseAccount(bare + "/" + x.Resource); err != nil || x.Resource == "" {
			s.fail("resource", "%q cannot be a resource", x.Resource)
			return
		}
		_, x.Resource, _ = strings.Cut(full, "/")
	case resource != "":
		x.Resource = resource
	default:
		x.Resource = "pipit"
	}
}

func checkServer(server string) error {
	host, port, err := net.SplitHostPort(server)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || n == 0 || strings.ContainsAny(host, " /@") {
		return fmt.Errorf(`%q is not a server: write "host:port", such as "xmpp.example.org:5222"`, server)
	}
	return nil
}

func (l *loader) caFile(s section, x *XMPP) {
	if !s.given("ca_file") {
		return
	}
	x.CAFile = l.resolve(x.CAFile)
	pool, err := readCA(l.open, x.CAFile)
	if err != nil {
		s.fail("ca_file", "%s", err)
	}
	x.RootCAs = pool
}

// ReadCA reads a file of at most 1 MiB with the certificates to trust, in PEM.
// It holds at least one, and all are sound.
func ReadCA(path string) (*x509.CertPool, error) { return readCA(openFile, path) }

func readCA(open opener, path string) (*x509.CertPool, error) {
	data, _, err := readFile(open, path, maxCA)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	pool, found := x509.NewCertPool(), 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		found++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s holds a damaged certificate (number %d): %w", path, found, err)
		}
		pool.AddCert(cert)
	}
	if found == 0 {
		return nil, fmt.Errorf("%s holds no certificate: it wants PEM text with BEGIN CERTIFICATE", path)
	}
	return pool, nil
}
