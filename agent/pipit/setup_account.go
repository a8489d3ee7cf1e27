package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"pipit/agent/config"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/register"
)

// A login is an account and the way to it.
type login struct {
	jid      string // normalised, perhaps with a resource
	password string
	typed    bool   // the password is not from the config
	create   bool   // the account is to be made
	token    string // of an invitation
	inviter  string // the domain of that; "" when it does not say
	made     bool   // the account was made, and its password is written nowhere yet
	invented bool   // the password was made up here

	server, ca    string
	direct, plain bool
}

// account asks for the device's account.
func (s *setup) account(ctx context.Context) error {
	l := &s.login
	l.server, l.ca = s.text("xmpp", "server"), s.text("xmpp", "ca_file")
	if l.ca != "" && !filepath.IsAbs(l.ca) {
		l.ca = filepath.Join(filepath.Dir(s.config), l.ca)
	}
	l.direct, _ = s.have.Value("xmpp", "direct_tls").(bool)
	l.plain, _ = s.have.Value("xmpp", "allow_plain").(bool)
	if err := s.way(); err != nil {
		return &exitError{exitUsage, err}
	}
	l.create = s.newAccount
	given := s.jid
	if s.invitation != "" {
		local, err := s.accept(s.invitation)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("--invite: %w", err)}
		}
		if given == "" {
			given = local
		}
	}
	if err := s.name(ctx, given); err != nil {
		return err
	}
	return s.password(ctx)
}

// way takes the options that say how to reach the server.
func (s *setup) way() error {
	l := &s.login
	if s.server != "" {
		l.server, l.direct = s.server, s.direct
	}
	if s.ca != "" {
		path, err := filepath.Abs(s.ca)
		if err != nil {
			return err
		}
		l.ca = path
	}
	if s.direct && l.server == "" {
		return errors.New("--direct-tls wants --server")
	}
	return nil
}

// accept takes an invitation and returns the JID that it is for, "" when that is
// free to choose.
func (s *setup) accept(text string) (string, error) {
	i, err := register.ParseInvite(text)
	if err != nil {
		return "", err
	}
	s.login.create, s.login.token, s.login.inviter = true, i.Token, i.Domain
	if i.Local == "" {
		fmt.Fprintln(s.out, "An invitation to "+clean(i.Domain))
		return "", nil
	}
	return i.Local + "@" + i.Domain, nil
}

// name asks for the device's JID, or for an invitation in its place.
func (s *setup) name(ctx context.Context, given string) error {
	usual := s.login.jid
	if usual == "" {
		usual = s.text("xmpp", "jid")
	}
	text := "The device's JID, name@domain, or an invitation"
	for {
		answer, err := s.ask.ask(ctx, question{text: text, usual: usual, flag: "--jid", given: given, check: func(answer string) (string, error) {
			if isInvitation(answer) {
				return s.accept(answer)
			}
			return s.invited(answer)
		}})
		if err != nil {
			return err
		}
		if answer != "" {
			s.login.jid = answer
			return nil
		}
		text, usual, given = "The device's JID there", "", "" // an invitation that leaves the name free
	}
}

// invited takes a JID; an invitation is never shown to another server than its own.
func (s *setup) invited(answer string) (string, error) {
	account, err := jid.ParseAccount(answer)
	if l := &s.login; err == nil && l.token != "" && l.inviter != "" && jid.Domain(account) != l.inviter {
		return "", fmt.Errorf("the invitation is to %s: write NAME@%[1]s", clean(l.inviter))
	}
	return account, err
}

func isInvitation(answer string) bool {
	return strings.HasPrefix(answer, "xmpp:") || strings.HasPrefix(answer, "https://")
}

// password asks for the password where nothing tells it.
func (s *setup) password(ctx context.Context) error {
	l := &s.login
	switch {
	case s.passwordFile != "":
		secret, err := config.ReadPassword(s.passwordFile)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("--password-file: %w", err)}
		}
		l.password, l.typed = secret.Reveal(), true
		return nil
	case s.old != nil && s.old.XMPP.JID == jid.Bare(l.jid) && !l.create:
		l.password = s.old.XMPP.Password.Reveal()
		return nil
	}
	if err := s.exists(ctx); err != nil {
		return err
	}
	if l.create && s.yes {
		l.invent()
		return nil
	}
	q := question{text: "Its password", secret: true, check: onePassword}
	if s.ask.terminal != nil {
		q.text += " (not shown)"
	}
	if l.create {
		q.text, q.maybe = "A password for the new account (nothing: one is made up)", true
	}
	answer, err := s.ask.ask(ctx, q)
	if err != nil {
		return err
	}
	if l.password, l.typed = answer, true; answer == "" {
		l.invent()
	}
	return nil
}

// exists asks whether the account has to be made, if that can be.
func (s *setup) exists(ctx context.Context) error {
	if s.login.create || s.offline {
		return nil
	}
	answer, err := s.ask.ask(ctx, question{text: "Does this account exist already (no: it is made now)", usual: "yes", check: yesNo})
	s.login.create = answer == "no"
	return err
}

// invent makes a password up: 26 characters with 130 random bits.
func (l *login) invent() { l.password, l.typed, l.invented = rand.Text(), true, true }

func onePassword(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) || strings.ToValidUTF8(s, "") != s {
		return "", errors.New("this is no password: it wants one line of text")
	}
	return s, nil
}

// person asks who owns the device.
func (s *setup) person(ctx context.Context) (err error) {
	usual := ""
	for _, key := range s.have.Keys("people") {
		if usual == "" && s.text("people", key) == "owner" {
			usual = key
		}
	}
	s.master, err = s.ask.ask(ctx, question{text: "Your own JID, which may do everything with the device", usual: usual, flag: "--owner", given: s.owner,
		check: func(answer string) (string, error) {
			full, err := jid.ParseAccount(answer)
			if err != nil {
				return "", err
			}
			if jid.Bare(full) == jid.Bare(s.login.jid) {
				return "", errors.New("this is the device's own account: the owner is another one, with which you chat")
			}
			return jid.Bare(full), nil
		}})
	return err
}
