package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"mellium.im/xmpp/jid"
)

// Dial connects, encrypts, logs in and binds the resource. It never takes
// longer than 60 s, and returns at once when ctx ends, but for the derivation
// of keys from the password: at most a million rounds, seconds on a slow board.
//
// Targets are tried one after the other until one accepts the login or refuses
// it. The error is an *Error, the one that got furthest, or wraps the cause of
// ctx when that ended.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	c, _, err := d.run(ctx)
	if err != nil {
		return nil, err
	}
	c.start()
	return c, nil
}

// A dialer does one Dial or Open.
type dialer struct {
	cfg     Config
	account jid.JID                  // bare
	domain  string                   // of the account, in ASCII
	manage  bool                     // ask for stream management
	old     *token                   // of the stream to resume, or nil
	talk    func(*negotiation) error // in place of the login, or nil
	resumed string                   // the full JID of that
	log     *slog.Logger
	timing  timing
	tcp     func(ctx context.Context, network, addr string) (net.Conn, error)
}

func newDialer(cfg Config) (*dialer, error) {
	account, err := jid.Parse(cfg.JID)
	if err != nil || account.Localpart() == "" {
		return nil, &Error{Kind: KindAuth, On: clean(cfg.JID), Text: "this is not the JID of an account", Hint: "write name@domain", Err: err}
	}
	d := &dialer{cfg: cfg, account: account.Bare(), log: cfg.Log, timing: defaultTiming()}
	d.domain = asciiDomain(account.Domainpart())
	d.tcp = new(net.Dialer).DialContext
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	return d, nil
}

var errDialTimeout = errors.New("logging in took too long")

// run returns a stream that is ready but not started.
func (d *dialer) run(ctx context.Context) (*Conn, management, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.timing.dial, &Error{
		Kind: KindTimeout, On: d.domain, Text: fmt.Sprintf("not logged in after %v", d.timing.dial), Err: errDialTimeout})
	defer cancel()
	targets, warning, err := d.targets(ctx)
	if err != nil {
		return nil, management{}, err
	}
	if d.old != nil {
		targets = locate(targets, d.old.location)
	}
	if warning != "" {
		d.log.Warn("no SRV records, trying the domain itself", "domain", d.domain, "error", warning)
	}
	c, sm, err := d.try(ctx, targets)
	if e := asError(err); e != nil && warning != "" && e.Kind <= KindRefused {
		e.Text = strings.TrimPrefix(e.Text+"; "+warning, "; ")
	}
	return c, sm, err
}

// try tries the targets until one accepts or refuses the login.
func (d *dialer) try(ctx context.Context, targets []target) (*Conn, management, error) {
	var furthest *Error
	redirected := false
	for len(targets) > 0 {
		t := targets[0]
		targets = targets[1:]
		c, sm, err := d.attempt(ctx, t)
		if err == nil {
			return c, sm, nil
		}
		if ctx.Err() != nil {
			return nil, sm, d.ended(context.Cause(ctx))
		}
		e := d.typed(err, t)
		d.log.Debug("target failed", "target", t.addr, "direct_tls", t.direct, "error", e)
		if e.Kind >= KindNoMechanism {
			return nil, sm, e
		}
		if next, ok := redirect(e, t); ok && !redirected {
			d.log.Info("the server sends us to another host", "from", t.addr, "to", next.addr)
			redirected = true
			targets = append([]target{next}, targets...)
			continue
		}
		if furthest == nil || e.Kind > furthest.Kind {
			furthest = e
		}
	}
	return nil, management{}, furthest
}

// ended returns the error for the end of the context.
func (d *dialer) ended(cause error) error {
	if e := asError(cause); e != nil {
		return e
	}
	return fmt.Errorf("login at %s: %w", d.domain, cause)
}

func (d *dialer) typed(err error, t target) *Error {
	if e := asError(err); e != nil {
		return e
	}
	return &Error{Kind: KindStream, On: t.addr, Err: err}
}

// redirect returns the target of a see-other-host error. It is safe to follow
// also when the error came before TLS: the certificate of the other host must
// be good for the JID's domain all the same.
func redirect(e *Error, from target) (to target, ok bool) {
	var host otherHost
	if e.Kind != KindSeeOtherHost || !errors.As(e, &host) {
		return to, false
	}
	to = target{addr: withPort(string(host), from.direct), direct: from.direct}
	return to, validHost(to.addr)
}

// validHost tells whether an address that a server named can be dialled.
func validHost(addr string) bool {
	h, _, err := net.SplitHostPort(addr)
	return err == nil && h != "" && len(h) <= 255 && !strings.ContainsAny(h, " /@")
}

// attempt makes a stream with one target.
func (d *dialer) attempt(ctx context.Context, t target) (c *Conn, sm management, err error) {
	raw, err := d.connect(ctx, t)
	if err != nil {
		return nil, sm, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.timing.negotiate,
		&Error{Kind: KindTimeout, On: t.addr, Text: fmt.Sprintf("the server did not let us in within %v", d.timing.negotiate)})
	defer cancel()
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c = newConn(raw, t.addr, d.log, d.timing)
	c.turn = d.cfg.Turn
	if t.direct {
		err = d.encrypt(ctx, c, []string{"xmpp-client"})
	}
	if err == nil {
		sm, err = d.negotiate(ctx, c)
	}
	if !stop() { // the transport was closed under it
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, management{}, err
	}
	return c, sm, nil
}

// connect opens a TCP connection to the first address of a target that answers.
func (d *dialer) connect(ctx context.Context, t target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timing.connect)
	defer cancel()
	raw, err := d.tcp(ctx, "tcp", t.addr)
	if err == nil {
		return quickAck(raw), nil
	}
	e := &Error{Kind: KindUnreachable, On: t.addr, Err: err}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		e.Kind, e.Text, e.Err = KindDNS, dns.Err, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Kind, e.Err = KindRefused, syscall.ECONNREFUSED
	case isTimeout(err):
		e.Kind, e.Text, e.Err = KindTimeout, "no answer", context.DeadlineExceeded
	}
	return nil, e
}

// encrypt does the TLS handshake on a fresh transport and verifies that the
// certificate is good for the domain of the JID, whatever host it is.
func (d *dialer) encrypt(ctx context.Context, c *Conn, protocols []string) error {
	if err := c.raw.SetDeadline(time.Now().Add(d.timing.negotiate)); err != nil {
		return c.lost(err)
	}
	t := tls.Client(c.raw, &tls.Config{
		ServerName: strings.Trim(d.domain, "[]"),
		RootCAs:    d.cfg.RootCAs,
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
	})
	c.move(t) // first: after a failure nothing may go out in plain text
	if err := t.HandshakeContext(ctx); err != nil {
		return tlsError(err, c.on, d.domain)
	}
	return nil
}
