package server

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ca     *CA
		change func(*x509.Certificate)
		name   string
		refuse any // a pointer to the type of error
	}{
		"domain":       {ca, nil, domain, nil},
		"service":      {ca, nil, "pubsub." + domain, nil},
		"address":      {ca, nil, "127.0.0.1", nil},
		"other domain": {ca, nil, "other.example", new(x509.HostnameError)},
		"other CA":     {other, nil, domain, new(x509.UnknownAuthorityError)},
		"changed": {ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
			domain, new(x509.CertificateInvalidError)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pair, err := tt.ca.Issue(domain, tt.change)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(pair.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			_, err = cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: tt.name})
			if tt.refuse == nil && err != nil || tt.refuse != nil && !errors.As(err, tt.refuse) {
				t.Errorf("verified as %s: %v, want %T", tt.name, err, tt.refuse)
			}
		})
	}
}
