package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
)

// A Peer is what the login found of the server.
type Peer struct {
	Addr        string            // host:port
	TLS         string            // version: "TLS 1.3"
	Cipher      string            // suite: "TLS_AES_128_GCM_SHA256"
	Certificate *x509.Certificate // the server's own
	Mechanism   string            // of SASL; one that ends in -PLUS binds to the channel (RFC 5802)
	Offered     []string          // mechanisms
	Resumes     bool              // a stream whose transport was lost (XEP-0198)
	ResumeMax   string            // for how many seconds, "" when the server does not say
}

// Peer tells of the server on the present transport; ok is false while there is none.
func (m *Managed) Peer() (p Peer, ok bool) {
	m.mu.Lock()
	c, resumes := m.conn, m.tok.id != ""
	m.mu.Unlock()
	if c == nil {
		return p, false
	}
	t, ok := c.in.from.(*tls.Conn)
	if !ok {
		return p, false
	}
	state := t.ConnectionState()
	p = c.peer
	p.Addr, p.Resumes = c.on, resumes
	p.TLS, p.Cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	if len(state.PeerCertificates) > 0 {
		p.Certificate = state.PeerCertificates[0]
	}
	return p, true
}

// A Place is where a login connects to.
type Place struct {
	Addr   string // host:port
	Direct bool   // TLS from the first byte
}

// Places looks up where Dial would connect, in the order of one try, and
// connects nowhere. Without SRV records these are ports of the domain itself;
// warning is not "" when it could not be known whether there are some. It takes
// 5 s at most. The error is an *Error.
func Places(ctx context.Context, cfg Config) (list []Place, warning string, err error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, "", err
	}
	targets, warning, err := d.targets(ctx)
	for _, t := range targets {
		list = append(list, Place{t.addr, t.direct})
	}
	return list, warning, err
}
