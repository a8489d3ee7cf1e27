package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

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
	f.StringVar(&a.passwordFile, "password-file", "", "a file that holds your password, - for standard input")
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
		roots, err := caPool(cfg.XMPP.CAFile)
		return stream.Config{JID: cfg.XMPP.JID, Password: reveal(cfg.XMPP.Password), Server: cfg.XMPP.Server,
			DirectTLS: cfg.XMPP.DirectTLS, RootCAs: roots, AllowPlain: cfg.XMPP.AllowPlain, Log: log}, err
	}
	if a.jid == "" || a.passwordFile == "" {
		return stream.Config{}, errors.New("--jid and --password-file are needed, or --config")
	}
	full, err := jid.ParseAccount(a.jid)
	if err != nil {
		return stream.Config{}, err
	}
	password, err := readPassword(a.passwordFile)
	if err != nil {
		return stream.Config{}, err
	}
	roots, err := caPool(a.ca)
	return stream.Config{JID: jid.Bare(full), Resource: jid.Resource(full),
		Password: func() (string, error) { return password, nil },
		Server:   a.server, DirectTLS: a.direct, RootCAs: roots, Log: log}, err
}

// readPassword reads the first line of a small file, or of standard input.
func readPassword(path string) (string, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("password file: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("password file %s is empty", path)
	}
	return line, nil
}
