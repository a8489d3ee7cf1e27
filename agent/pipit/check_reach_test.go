package main

import (
	"context"
	"net"
	"strings"
	"testing"

	"pipit/agent/config"
)

// names is a resolver with these hosts and SRV records.
type names struct {
	srv   map[string][]*net.SRV
	hosts map[string][]string
	err   error // of what is not there; nil: not found
}

func (n names) fail(name string) error {
	if n.err != nil {
		return n.err
	}
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (n names) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	if list, ok := n.srv[service]; ok {
		return "", list, nil
	}
	return "", nil, n.fail(name)
}

func (n names) LookupHost(_ context.Context, host string) ([]string, error) {
	if list, ok := n.hosts[host]; ok {
		return list, nil
	}
	return nil, n.fail(host)
}

func TestDNSAndTCPApart(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	records := map[string][]*net.SRV{"xmpp-client": {{Target: "xmpp.example.org.", Port: port}}}
	for name, c := range map[string]struct {
		names names
		want  string // states of dns and tcp
		says  string // of dns
	}{
		"SRV and address": {names{srv: records, hosts: map[string][]string{"xmpp.example.org": {"127.0.0.1"}}}, "ok ok", "xmpp.example.org is 127.0.0.1"},
		"no SRV": {names{hosts: map[string][]string{"example.org": {"127.0.0.1"}}}, "ok failed",
			"_xmpp-client._tcp.example.org and _xmpps-client._tcp.example.org name no other host: example.org:5222, example.org:5223 (direct TLS); example.org is 127.0.0.1"},
		"SRV of a host without address": {names{srv: records}, "failed ", "xmpp.example.org has no address (A, AAAA)"},
		"nothing":                       {names{}, "failed ", "example.org has no address"},
		"no DNS":                        {names{err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, "failed ", "A and AAAA of example.org: server misbehaving"},
		"SRV fails, address is there": {names{err: &net.DNSError{Err: "server misbehaving"}, hosts: map[string][]string{"example.org": {"127.0.0.1"}}},
			"warning failed", "SRV lookup failed"},
		"none offered": {names{srv: map[string][]*net.SRV{"xmpp-client": {{Target: "."}}}}, "failed ", "offers no XMPP"},
		"one address refuses": {names{srv: records, hosts: map[string][]string{"xmpp.example.org": {"127.0.0.2", "127.0.0.1"}}}, "ok ok",
			"xmpp.example.org is 127.0.0.2, 127.0.0.1"},
	} {
		i := newInspection(&config.Config{XMPP: config.XMPP{JID: "pi@example.org"}})
		i.resolver = c.names
		tr := &tree{}
		b := branch{tree: tr}
		addrs := i.lookUp(t.Context(), b)
		if len(addrs) > 0 {
			i.connect(t.Context(), b, addrs)
		}
		list := append(tr.findings(), finding{}, finding{})
		if got := list[0].State + " " + list[1].State; got != c.want || !strings.Contains(list[0].Text, c.says) {
			t.Errorf("%s: %+v", name, list)
		}
		for _, f := range list {
			if f.State != "" && f.State != stateOK && f.Hint == "" {
				t.Errorf("%s: %+v does not say what to do", name, f)
			}
		}
	}
}
