// Package jid normalises and compares XMPP addresses (RFC 7622). Addresses of
// others stay opaque strings until something depends on who they are; an
// address that does not parse is nobody.
package jid

import (
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
)

// MaxLen is the longest address in bytes (three parts of 1023 and two marks).
const MaxLen = 3071

// Parse returns the normal form of an address with or without a resource.
func Parse(s string) (string, error) {
	if len(s) > MaxLen {
		return "", fmt.Errorf("JID of %d bytes is too long", len(s))
	}
	j, err := jid.Parse(s)
	if err != nil {
		return "", fmt.Errorf("%q is not a JID: %w", s, err)
	}
	return j.String(), nil
}

// ParseAccount returns the normal form of an account's address: it has a local
// part. It may have a resource.
func ParseAccount(s string) (string, error) {
	full, err := Parse(s)
	if err != nil {
		return "", err
	}
	if Local(full) == "" {
		return "", fmt.Errorf("%q is not an account: write name@domain", s)
	}
	return full, nil
}

// Bare returns the normal form without the resource, or "" when s is not an
// address: such a sender is nobody and may do nothing.
func Bare(s string) string {
	full, err := Parse(s)
	if err != nil {
		return ""
	}
	bare, _, _ := strings.Cut(full, "/")
	return bare
}

// Local, Domain and Resource return a part of an address, "" where it has none.
// They do not validate.
func Local(s string) string {
	bare, _, _ := strings.Cut(s, "/")
	if local, _, ok := strings.Cut(bare, "@"); ok {
		return local
	}
	return ""
}

// Domain returns the domain part.
func Domain(s string) string {
	bare, _, _ := strings.Cut(s, "/")
	if _, domain, ok := strings.Cut(bare, "@"); ok {
		return domain
	}
	return bare
}

// Resource returns the part behind the first slash.
func Resource(s string) string {
	_, resource, _ := strings.Cut(s, "/")
	return resource
}
