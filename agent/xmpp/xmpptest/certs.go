package xmpptest

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"time"

	"pipit/agent/xmpp/server"
)

// A CertFunc makes a server's certificate, for server.Options and Hostile.
type CertFunc = func(ca *server.CA, domain string) (tls.Certificate, error)

// BadCerts are the certificates that a client must refuse, by what is wrong.
func BadCerts() map[string]CertFunc {
	return map[string]CertFunc{
		"expired": changed(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour / 2) }),
		"future":  changed(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(24 * time.Hour) }),
		"wrong host": changed(func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames, c.IPAddresses = "other.example", []string{"other.example"}, nil
		}),
		"name only in CN": changed(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }),
		"other CA":        otherCA,
		"self-signed":     selfSigned,
	}
}

func changed(change func(*x509.Certificate)) CertFunc {
	return func(ca *server.CA, domain string) (tls.Certificate, error) { return ca.Issue(domain, change) }
}

func otherCA(_ *server.CA, domain string) (tls.Certificate, error) {
	ca, err := server.NewCA()
	if err != nil {
		return tls.Certificate{}, err
	}
	return ca.Issue(domain, nil)
}

func selfSigned(ca *server.CA, domain string) (tls.Certificate, error) {
	cert, err := ca.Issue(domain, nil)
	if err != nil {
		return cert, err
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return cert, err
	}
	key := cert.PrivateKey.(crypto.Signer)
	cert.Certificate[0], err = x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	return cert, err
}
