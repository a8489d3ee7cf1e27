package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"pipit/agent/config"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/remote"
	"pipit/agent/xmpp/stream"
)

// account holds the flags with which a person logs in for watch, call and chat.
type account struct {
	config, jid, passwordFile, server, ca string
	direct, verbose                       bool
}

func (a *account) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&a.config, "config", "c", "", "a config whose [xmpp] to log in with, instead of --jid and the rest")
	f.StringVar(&a.jid, "jid", "", "your own account, name@domain")
	f.StringVar(&a.passwordFile, "password-file", "", "a file that holds your password, for you alone (chmod 600)")
	f.StringVar(&a.server, "server", "", "host:port of the server, instead of DNS SRV records")
	f.BoolVar(&a.direct, "direct-tls", false, "with --server: TLS from the first byte")
	f.StringVar(&a.ca, "ca", "", "a PEM file of certificate authorities, instead of the system's")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log what happens to standard error")
}

// open logs in for dealing with a device.
func (a *account) open(ctx context.Context, device string) (*remote.Client, error) {
	cfg, err := a.stream()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if j, err := jid.ParseAccount(device); err != nil {
		return nil, &exitError{exitUsage, err}
	} else if device = j; jid.Bare(device) == cfg.JID {
		return nil, &exitError{exitUsage, fmt.Errorf("%s is the device's own account: log in as a person of its [people]", cfg.JID)}
	}
	c, err := remote.Open(ctx, cfg, device)
	if err != nil {
		return nil, &exitError{exitNoLogin, err}
	}
	return c, nil
}

// stream turns the flags into what a connection needs.
func (a *account) stream() (stream.Config, error) {
	level := slog.LevelError + 1
	if a.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if a.config != "" {
		if a.jid != "" {
			return stream.Config{}, errors.New("give either --config or --jid")
		}
		cfg, err := load(a.config)
		if err != nil {
			return stream.Config{}, err
		}
		return stream.Config{JID: cfg.XMPP.JID, Password: reveal(cfg.XMPP.Password), Server: cfg.XMPP.Server,
			DirectTLS: cfg.XMPP.DirectTLS, RootCAs: cfg.XMPP.RootCAs, AllowPlain: cfg.XMPP.AllowPlain, Log: log}, nil
	}
	if a.jid == "" || a.passwordFile == "" {
		return stream.Config{}, errors.New("--jid and --password-file are needed, or --config")
	}
	full, err := jid.ParseAccount(a.jid)
	if err != nil {
		return stream.Config{}, err
	}
	password, err := config.ReadPassword(a.passwordFile)
	if err != nil {
		return stream.Config{}, err
	}
	var roots *x509.CertPool // the system's
	if a.ca != "" {
		if roots, err = config.ReadCA(a.ca); err != nil {
			return stream.Config{}, err
		}
	}
	return stream.Config{JID: jid.Bare(full), Resource: jid.Resource(full), Password: reveal(password),
		Server: a.server, DirectTLS: a.direct, RootCAs: roots, Log: log}, nil
}
