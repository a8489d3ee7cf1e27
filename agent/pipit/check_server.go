package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
)

const (
	loginTime = 25 * time.Second
	leaveTime = 2 * time.Second
	daysLeft  = 14 // of a certificate, below which it is worth a warning
)

// serverNodes are there in any case.
const serverNodes = "server server/dns server/tcp server/tls server/certificate server/login server/management " +
	"server/pubsub server/upload server/rooms clock/server"

// server logs in beside an agent that may run, and looks around.
func (i *inspection) server(ctx context.Context, b branch) {
	if i.cfg.XMPP.JID == "" {
		b.tree.rest(serverNodes, finding{State: stateSkipped, Text: "there is no [xmpp] in the config"})
		return
	}
	b.ok("server", "account "+i.cfg.XMPP.JID)
	s := b.under("server")
	conn, failed := i.enter(ctx, s)
	if conn == nil {
		if ctx.Err() == nil {
			b.tree.rest(serverNodes, finding{State: stateSkipped, Text: "not tried: " + failed + " failed"})
		}
		return
	}
	peer, _ := conn.Peer()
	tellPeer(s, peer, conn.Acknowledges())
	served, stop := context.WithCancel(context.Background())
	router := stanza.NewRouter(conn, conn.JID(), func(string) bool { return false }, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	wg.Go(func() { router.Run(served) })
	wg.Go(func() { conn.Serve(served, router.Receive) })
	i.services(ctx, b, router)
	leave, cancel := context.WithTimeout(context.Background(), leaveTime)
	conn.Close(leave) // else the server would hold the stream for its resumption
	cancel()
	stop()
	wg.Wait()
}

// enter goes from DNS to the login, and returns what failed on the way.
func (i *inspection) enter(ctx context.Context, b branch) (conn *stream.Managed, failed string) {
	addrs := i.lookUp(ctx, b)
	if len(addrs) == 0 {
		return nil, "dns"
	}
	if !i.connect(ctx, b, addrs) {
		return nil, "tcp"
	}
	bound, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	conn, err := stream.Open(bound, i.login("check-"+rand.Text()), nil)
	if err != nil {
		return nil, refused(ctx, b, err)
	}
	return conn, ""
}

// stages are those of a login behind TCP, in their order.
var stages = []string{"tls", "certificate", "login"}

// stageOf tells at which of the stages a login failed.
func stageOf(err error) int {
	var e *stream.Error
	switch {
	case !errors.As(err, &e), e.Kind < stream.KindCertificate: // no answer is one before TLS
		return 0
	case e.Kind == stream.KindCertificate:
		return 1
	}
	return 2
}

// refused tells how far a login got.
func refused(ctx context.Context, b branch, err error) (failed string) {
	if ctx.Err() != nil {
		return ""
	}
	text, hint := err.Error(), "check the network and the server"
	var e *stream.Error
	if errors.As(err, &e) {
		text, hint = e.What(), cmp.Or(e.Advice(), "see the server's log")
	}
	at := stageOf(err)
	for _, done := range stages[:at] {
		b.ok(done, map[string]string{"tls": "the handshake got as far as the certificate", "certificate": "trusted, and for this domain"}[done])
	}
	b.fail(stages[at], text, hint)
	return stages[at]
}

// tellPeer tells what the login found.
func tellPeer(b branch, p stream.Peer, acknowledges bool) {
	b.ok("tls", p.TLS+", "+p.Cipher+", with "+p.Addr)
	if p.Certificate != nil {
		tellCertificate(b, p.Certificate, time.Now())
	}
	tellLogin(b, p)
	within := "the server does not say for how long"
	if p.ResumeMax != "" {
		within = "for " + p.ResumeMax + " s"
	}
	const hint = "turn on stream management at the server (XEP-0198), so that nothing is lost when the connection breaks"
	switch {
	case !acknowledges:
		b.warn("management", "the server does not acknowledge what it gets", hint)
	case !p.Resumes:
		b.warn("management", "the server acknowledges what it gets, and does not resume", hint)
	default:
		b.ok("management", "acknowledges, and resumes "+strings.TrimPrefix(within, "the server "))
	}
}

func tellLogin(b branch, p stream.Peer) {
	text := p.Mechanism + " without channel binding"
	if strings.HasSuffix(p.Mechanism, "-PLUS") {
		text = p.Mechanism + " with channel binding"
	}
	text += "; offered: " + strings.Join(slices.Sorted(slices.Values(p.Offered)), ", ")
	if p.Mechanism == "PLAIN" {
		b.warn("login", text+"; the server gets the password itself", "turn on SCRAM-SHA-256 at the server")
		return
	}
	b.ok("login", text)
}

// tellCertificate tells for whom a certificate is, and how long it is still good.
func tellCertificate(b branch, c *x509.Certificate, now time.Time) {
	days := int(c.NotAfter.Sub(now) / (24 * time.Hour))
	text := fmt.Sprintf("%d days left, until %s, for %s, issued by %s", days, c.NotAfter.UTC().Format(time.DateOnly),
		strings.Join(c.DNSNames[:min(len(c.DNSNames), 4)], ", "), cmp.Or(c.Issuer.CommonName, c.Issuer.String()))
	if days < daysLeft {
		b.warn("certificate", text, "renew it at the server, and see why that has not happened by itself")
		return
	}
	b.ok("certificate", text)
}
