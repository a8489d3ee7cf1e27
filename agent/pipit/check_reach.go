package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/stream"
)

const (
	nameTime    = 5 * time.Second  // for the addresses of one host
	dialTime    = 5 * time.Second  // for one address
	reachTime   = 15 * time.Second // for all of them
	maxAddress  = 4                // of one host
	hintNetwork = "check the network's DNS and the domain of the JID, or name the server by server in [xmpp]"
)

// login is how check logs in: beside the agent, with another resource.
func (i *inspection) login(resource string) stream.Config {
	x := i.cfg.XMPP
	return stream.Config{
		JID: x.JID, Resource: resource, Password: reveal(x.Password), Server: x.Server,
		DirectTLS: x.DirectTLS, RootCAs: x.RootCAs, AllowPlain: x.AllowPlain, Resolver: i.resolver,
	}
}

// lookUp looks up where the server is, apart from connecting there, and returns
// the addresses to connect to, none when there are none.
func (i *inspection) lookUp(ctx context.Context, b branch) (addrs []string) {
	places, warning, err := stream.Places(ctx, i.login(""))
	var e *stream.Error
	switch {
	case errors.As(err, &e):
		b.fail("dns", e.What(), e.Advice())
		return nil
	case err != nil:
		b.fail("dns", err.Error(), hintNetwork)
		return nil
	}
	told, failed := i.named(places), 0
	if warning != "" {
		told = append(told, warning)
	}
	seen := make(map[string]bool)
	for _, p := range places {
		host, port, _ := net.SplitHostPort(p.Addr)
		list, err := i.addresses(ctx, host)
		if net.ParseIP(host) == nil && !seen[host] {
			told = append(told, resolved(host, list, err))
		}
		if seen[host] = true; err != nil {
			failed++
		}
		for _, a := range list[:min(len(list), maxAddress)] {
			addrs = append(addrs, net.JoinHostPort(a, port))
		}
	}
	switch text := strings.Join(told, "; "); {
	case len(addrs) == 0:
		b.fail("dns", text, hintNetwork)
	case failed > 0 || warning != "":
		b.warn("dns", text, hintNetwork)
	default:
		b.ok("dns", text)
	}
	return addrs
}

// named says where the names come from.
func (i *inspection) named(places []stream.Place) []string {
	domain := jid.Domain(i.cfg.XMPP.JID)
	var list []string
	own := true
	for _, p := range places {
		word := p.Addr
		if p.Direct {
			word += " (direct TLS)"
		}
		list = append(list, word)
		host, _, _ := net.SplitHostPort(p.Addr)
		own = own && host == strings.Trim(domain, "[]")
	}
	records := "_xmpp-client._tcp." + domain + " and _xmpps-client._tcp." + domain
	text := strings.Join(list, ", ")
	switch {
	case i.cfg.XMPP.Server != "":
		return []string{"server in the config: " + text}
	case own:
		return []string{"SRV " + records + " name no other host: " + text}
	}
	return []string{"SRV " + records + ": " + text}
}

// addresses returns those of a host (A and AAAA); an address is its own.
func (i *inspection) addresses(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	return i.resolver.LookupHost(ctx, host)
}

func resolved(host string, list []string, err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return host + " has no address (A, AAAA)"
	case errors.As(err, &dns):
		return "A and AAAA of " + host + ": " + dns.Err
	case err != nil:
		return "A and AAAA of " + host + ": " + err.Error()
	}
	return host + " is " + strings.Join(list, ", ")
}

// connect opens and closes a connection to the first address that answers.
func (i *inspection) connect(ctx context.Context, b branch, addrs []string) bool {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	var told []string
	hint := "check the network, the firewall and the port"
	for _, a := range addrs {
		began := time.Now()
		err := i.dialOnce(ctx, a)
		if err == nil {
			told = append(told, fmt.Sprintf("%s answers in %.0f ms", a, time.Since(began).Seconds()*1000))
			b.ok("tcp", strings.Join(told, "; "))
			return true
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			hint = "check that the server runs and that host and port are right"
		}
		told = append(told, a+": "+causeOf(err))
	}
	b.fail("tcp", strings.Join(slices.Compact(told), "; "), hint)
	return false
}

func (i *inspection) dialOnce(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := i.dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

// causeOf is an error of a dial without the addresses.
func causeOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		return "no answer"
	}
	return err.Error()
}
