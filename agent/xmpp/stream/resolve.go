package stream

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/idna"
)

// A target is a host to try.
type target struct {
	addr     string // "host:port"
	direct   bool   // TLS from the first byte
	priority uint16
	weight   uint16
}

const (
	portSTARTTLS = "5222"
	portDirect   = "5223"
)

// targets returns what to try, in order: the configured server, or what the SRV
// records of both services name together (XEP-0368), or the domain itself when
// there are none. warning is not "" when the lookup itself failed.
func (d *dialer) targets(ctx context.Context) (list []target, warning string, err error) {
	if d.cfg.Server != "" {
		return []target{{addr: withPort(d.cfg.Server, d.cfg.DirectTLS), direct: d.cfg.DirectTLS}}, "", nil
	}
	starttls := target{addr: withPort(d.domain, false)}
	direct := target{addr: withPort(d.domain, true), direct: true}
	if net.ParseIP(strings.Trim(d.domain, "[]")) != nil {
		return []target{starttls, direct}, "", nil
	}
	var plain, secure service
	var wg sync.WaitGroup
	wg.Go(func() { plain = d.lookup(ctx, "xmpp-client", false) })
	wg.Go(func() { secure = d.lookup(ctx, "xmpps-client", true) })
	wg.Wait()
	list = order(append(secure.targets, plain.targets...), rand.IntN)
	list = list[:min(len(list), maxTargets)]
	switch failed := cmp.Or(plain.failed, secure.failed); {
	case len(list) > 0:
		return list, "", nil
	case plain.refused:
		return nil, "", &Error{Kind: KindDNS, On: d.domain, Text: "its SRV records say that it offers no XMPP to clients"}
	case failed != nil:
		return []target{starttls}, "SRV lookup failed: " + clean(failed.Error()), nil
	case secure.refused:
		return []target{starttls}, "", nil
	}
	return []target{starttls, direct}, "", nil
}

// A service is what the SRV lookup of one service gave.
type service struct {
	targets []target
	refused bool  // the record says that the service is not offered
	failed  error // the lookup failed; having no record is no failure
}

func (d *dialer) lookup(ctx context.Context, name string, direct bool) (s service) {
	ctx, cancel := context.WithTimeout(ctx, d.timing.lookup)
	defer cancel()
	_, records, err := d.resolver().LookupSRV(ctx, name, "tcp", d.domain+".")
	if dns := (*net.DNSError)(nil); err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
		s.failed = err // there may be records all the same: others of them were bad
	}
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		if host == "" { // "." (RFC 2782)
			s.refused = true
			continue
		}
		s.targets = append(s.targets, target{
			addr:     net.JoinHostPort(host, strconv.Itoa(int(r.Port))),
			direct:   direct,
			priority: r.Priority,
			weight:   r.Weight,
		})
	}
	return s
}

func (d *dialer) resolver() Resolver {
	if d.cfg.Resolver != nil {
		return d.cfg.Resolver
	}
	return net.DefaultResolver
}

// order sorts by priority and, within one, draws by weight (RFC 2782). intn
// returns a random number in [0, n).
func order(list []target, intn func(n int) int) []target {
	slices.SortStableFunc(list, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.weight, b.weight))
	})
	for i := range list {
		total, end := 0, i
		for end < len(list) && list[end].priority == list[i].priority {
			total += int(list[end].weight)
			end++
		}
		drawn := i
		for n := intn(total + 1); n > int(list[drawn].weight) && drawn < end-1; drawn++ {
			n -= int(list[drawn].weight)
		}
		chosen := list[drawn]
		copy(list[i+1:drawn+1], list[i:drawn])
		list[i] = chosen
	}
	return list
}

// withPort adds the usual port to a host that has none.
func withPort(host string, direct bool) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := portSTARTTLS
	if direct {
		port = portDirect
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// asciiDomain returns a domain as DNS and certificates write it.
func asciiDomain(domain string) string {
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		return a
	}
	return domain
}
