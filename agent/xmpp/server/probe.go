package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	probeWait = 2 * time.Second
	probeSize = 8 << 10 // bytes of a greeting that are read at most
)

// probe tells whether this server, and not another that got the port first,
// answers on both of its ports.
func (s *Server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	if err := s.probePort(ctx, s.Addr, s.startTLS); err != nil {
		return err
	}
	return s.probePort(ctx, s.TLSAddr, func(net.Conn) error { return nil })
}

func (s *Server) probePort(ctx context.Context, addr string, prepare func(net.Conn) error) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := prepare(conn); err != nil {
		return err
	}
	secure := tls.Client(conn, s.ownTLS())
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	return s.ask(secure, s.header(), "</stream:features>")
}

// ownTLS accepts this server's certificate alone, which may be bad.
func (s *Server) ownTLS() *tls.Config {
	return &tls.Config{
		ServerName: s.Domain, InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if !bytes.Equal(cs.PeerCertificates[0].Raw, s.leaf) {
				return errors.New("another server answered")
			}
			return nil
		},
	}
}

func (s *Server) startTLS(conn net.Conn) error {
	if err := s.ask(conn, s.header(), "</stream:features>"); err != nil {
		return err
	}
	return s.ask(conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed")
}

func (s *Server) header() string {
	return "<?xml version='1.0'?><stream:stream to='" + s.Domain +
		"' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
}

// ask sends text and reads until the answer holds what is wanted.
func (s *Server) ask(conn net.Conn, text, want string) error {
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	buf := make([]byte, probeSize)
	for n := 0; n < len(buf); {
		m, err := conn.Read(buf[n:])
		n += m
		switch {
		case bytes.Contains(buf[:n], []byte(want)):
			return nil
		case err != nil:
			return err
		}
	}
	return fmt.Errorf("no %s in the first %d bytes of the answer", want, probeSize)
}
