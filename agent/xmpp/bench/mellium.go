package main

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// login makes a stream with stock mellium, over a socket that acknowledges at
// once as that of the agent does.
func (j job) login() (*xmpp.Session, *tls.Conn, error) {
	pool, err := j.pool()
	if err != nil {
		return nil, nil, err
	}
	tcp, err := net.Dial("tcp", j.TLSAddr)
	if err != nil {
		return nil, nil, err
	}
	raw, err := tcp.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	conn := tls.Client(&quickConn{tcp, raw}, &tls.Config{ServerName: j.Domain, RootCAs: pool, NextProtos: []string{"xmpp-client"}})
	account, err := jid.Parse(j.JID)
	if err != nil {
		return nil, nil, err
	}
	s, err := xmpp.NewSession(context.Background(), account.Domain(), account, conn, xmpp.Secure,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: []xmpp.StreamFeature{xmpp.SASL("", j.Password, sasl.ScramSha1), xmpp.BindResource()}}
		}))
	return s, conn, err
}

// A quickConn sets TCP_QUICKACK again after each read.
type quickConn struct {
	net.Conn
	raw syscall.RawConn
}

func (c *quickConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		_ = c.raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
	return n, err
}

// A melliumPlayer sends tokens that are ready through a mellium Session, one
// goroutine for each request in flight, and reads the replies to their end.
type melliumPlayer struct {
	job
	session *xmpp.Session
	all     []string
	batch   []tokens
}

func newMelliumPlayer(_ context.Context, j job) (player, error) {
	all, err := j.payloads()
	if err != nil {
		return nil, err
	}
	s, err := j.melliumSession()
	return &melliumPlayer{job: j, session: s, all: all}, err
}

// melliumSession logs in, reads in the background until the process ends, and
// becomes available.
func (j job) melliumSession() (*xmpp.Session, error) {
	s, _, err := j.login()
	if err != nil {
		return nil, err
	}
	go func() { _ = s.Serve(nil) }()
	return s, s.Send(context.Background(), stanza.Presence{}.Wrap(nil))
}

func (p *melliumPlayer) load(context.Context) (err error) {
	p.batch = make([]tokens, p.Batch)
	for i := range p.batch {
		if p.batch[i], err = tokensOf(string(iq("m"+strconv.Itoa(i), p.Service, []byte(p.all[i])))); err != nil {
			return err
		}
	}
	return nil
}

func (p *melliumPlayer) send(context.Context) (time.Duration, error) {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		next  int
		first time.Time
		errs  []error
	)
	take := func() (t *tokens) {
		mu.Lock()
		defer mu.Unlock()
		if next < len(p.batch) {
			t = &p.batch[next]
			next++
		}
		return t
	}
	for range inFlight {
		wg.Go(func() {
			for t := take(); t != nil; t = take() {
				err := ask(p.session, t)
				mu.Lock()
				if first.IsZero() {
					first = time.Now()
				}
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return time.Since(first), errors.Join(errs...)
}

// ask sends a request and reads its reply. No context: mellium cannot end a
// blocked write or read anyway.
func ask(s *xmpp.Session, t *tokens) error {
	reply, err := s.SendIQ(context.Background(), t)
	if err != nil {
		return err
	}
	defer reply.Close()
	tok, err := reply.Token()
	if err != nil {
		return err
	}
	start, _ := tok.(xml.StartElement)
	for _, a := range start.Attr {
		if a.Name.Local == "type" && a.Value != "result" {
			err = fmt.Errorf("the server answers %s", a.Value)
		}
	}
	for {
		if _, end := reply.Token(); end != nil {
			return err
		}
	}
}

// tokens is a stanza that is ready to be encoded, once: mellium changes it.
type tokens []xml.Token

// Token implements xml.TokenReader.
func (t *tokens) Token() (xml.Token, error) {
	if len(*t) == 0 {
		return nil, io.EOF
	}
	tok := (*t)[0]
	*t = (*t)[1:]
	return tok, nil
}

// clone returns a copy to send while the original stays as it is.
func (t tokens) clone() tokens {
	c := make(tokens, len(t))
	for i, tok := range t {
		c[i] = xml.CopyToken(tok)
	}
	return c
}

// tokensOf reads a stanza without looking at its namespaces: written again,
// their declarations stand where they stood.
func tokensOf(stanza string) (list tokens, err error) {
	d := xml.NewDecoder(strings.NewReader(stanza))
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, xml.CopyToken(tok))
	}
}
