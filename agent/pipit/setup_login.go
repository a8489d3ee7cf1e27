package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"pipit/agent/config"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stream"
)

// connect makes the account if it is to be made, and logs in. A person may
// correct what was wrong.
func (s *setup) connect(ctx context.Context) (introducer, error) {
	for {
		device, err := s.try(ctx)
		switch {
		case err == nil:
			return device, nil
		case ctx.Err() != nil:
			return nil, errInterrupted
		case s.ask.terminal == nil:
			return nil, fmt.Errorf("%w; nothing was written", err)
		}
		fmt.Fprintf(s.out, "  failed: %s\nCorrect it, or end with Ctrl-C; an empty line leaves a value as it is.\n", clean(err.Error()))
		if err := s.correct(ctx); err != nil {
			return nil, err
		}
	}
}

func (s *setup) try(ctx context.Context) (introducer, error) {
	l := &s.login
	t := &steps{setup: s}
	cfg := stream.Config{JID: jid.Bare(l.jid), Server: l.server, DirectTLS: l.direct, AllowPlain: l.plain, Log: slog.New(slog.DiscardHandler),
		Resolver: t, Password: t.password}
	if l.ca != "" {
		roots, err := config.ReadCA(l.ca)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = roots
	}
	if l.create {
		fmt.Fprintln(s.out, "Making the account "+cfg.JID)
		if err := s.register(ctx, cfg, l.token); err != nil {
			return nil, err
		}
		l.create, l.made = false, true
		t.say("account", "made")
	}
	fmt.Fprintln(s.out, "Logging in as "+cfg.JID)
	if l.server != "" {
		t.say("server", l.server)
	}
	device, err := s.dial(ctx, cfg) // without a resource: an agent that runs keeps its own
	if err == nil {
		t.say("login", "accepted")
	}
	return device, err
}

// correct asks again for what the login depends on.
func (s *setup) correct(ctx context.Context) error {
	l := &s.login
	if err := s.name(ctx, ""); err != nil {
		return err
	}
	var err error
	if l.server, err = s.ask.ask(ctx, question{text: "Its server, host:port (nothing: DNS tells)", usual: l.server, maybe: true}); err != nil {
		return err
	}
	if l.ca, err = s.ask.ask(ctx, question{text: "A PEM file with the certificate to trust (nothing: those of the system)", usual: l.ca, maybe: true, check: filepath.Abs}); err != nil {
		return err
	}
	answer, err := s.ask.ask(ctx, question{text: "Its password (not shown; nothing: as before)", secret: true, maybe: true, check: onePassword})
	if answer != "" {
		l.password, l.typed, l.invented = answer, true, false
	}
	return err
}

// lost tells a password that would be lost with the account that was made.
func (s *setup) lost(err error) error {
	if s.login.made && s.login.invented {
		fmt.Fprintf(s.out, "The account %s was made all the same. Its password: %s\n", jid.Bare(s.login.jid), s.login.password)
	}
	return err
}

// steps show how far a login gets.
type steps struct {
	setup *setup
	mu    sync.Mutex
	tls   bool // said
}

func (t *steps) say(what, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.setup.out, "  %-8s%s\n", what, clean(text))
}

// LookupSRV implements stream.Resolver.
func (t *steps) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	cname, records, err := t.setup.resolver.LookupSRV(ctx, service, proto, name)
	hosts := make([]string, len(records))
	for i, r := range records {
		hosts[i] = net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
	}
	found := strings.Join(hosts, ", ")
	if found == "" {
		found = "no records"
	}
	t.say("DNS", "_"+service+"._"+proto+"."+strings.TrimSuffix(name, ".")+": "+found)
	return cname, records, err
}

// password is asked for inside TLS alone, when the certificate was found good.
func (t *steps) password() (string, error) {
	if !t.tls {
		t.tls = true
		t.say("TLS", "encrypted, the certificate is good")
	}
	return t.setup.login.password, nil
}
