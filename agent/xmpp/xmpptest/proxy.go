package xmpptest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// A Proxy passes TCP connections on to a server and can break them. All its
// methods may be called at any time from any goroutine; they return at once.
type Proxy struct {
	Addr string // host:port on loopback, the same for the proxy's whole life

	t        testing.TB
	upstream string
	ctx      context.Context // ends with the proxy
	end      context.CancelFunc
	wg       sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	hole     bool
	delay    time.Duration
}

// A link is one connection through the proxy.
type link struct {
	client net.Conn
	server net.Conn // nil for one that was accepted into the black hole
	lost   bool     // bytes were swallowed: nothing more may pass
}

// NewProxy returns a proxy for a server's host:port that ends with the test.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{Addr: "127.0.0.1:0", t: t, upstream: upstream, links: make(map[*link]struct{})}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.Refuse(false)
	t.Cleanup(p.close)
	return p
}

func (p *Proxy) close() {
	p.end()
	p.Refuse(true)
	p.Cut()
	p.wg.Wait()
}

// Refuse makes new connections fail with "connection refused", or work again.
// Those that exist stay.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
	case !on && p.listener == nil:
		l, err := net.Listen("tcp4", p.Addr)
		if err != nil {
			p.t.Errorf("proxy: %v", err)
			return
		}
		p.Addr, p.listener = l.Addr().String(), l
		p.wg.Go(func() { p.accept(l) })
	}
}

// Blackhole makes the proxy swallow all bytes in both directions, and the ends
// of connections too, so that either side sees only silence. New connections
// are accepted into it. A connection that lost bytes stays silent afterwards,
// until Cut; others go on.
func (p *Proxy) Blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = on
}

// Delay holds every piece of data back for d in each direction.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut resets all connections (RST); bytes on their way are lost.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		delete(p.links, l)
		reset(l.client)
		reset(l.server)
	}
}

// Connections returns how many connections there are, the silent ones too.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
}

func (p *Proxy) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.join(conn) })
	}
}

// join connects an accepted connection to the server.
func (p *Proxy) join(client net.Conn) {
	l := &link{client: client}
	if !p.swallowing() {
		var d net.Dialer
		server, err := d.DialContext(p.ctx, "tcp", p.upstream)
		if err != nil {
			reset(client)
			return
		}
		l.server = server
	}
	p.mu.Lock()
	p.links[l] = struct{}{}
	l.lost = l.server == nil
	p.mu.Unlock()
	if p.ctx.Err() != nil { // the proxy was closed meanwhile
		p.Cut()
	}
	if l.server != nil {
		p.wg.Go(func() { p.pump(l, l.client, l.server) })
	}
	p.pump(l, l.server, l.client)
}

func (p *Proxy) swallowing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hole
}

// pump passes data on until src ends, and then the end, unless the black hole
// takes it.
func (p *Proxy) pump(l *link, dst, src net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if !p.passes(l) {
			if err != nil {
				return // the other side must not notice
			}
			continue
		}
		if err == nil {
			_, err = dst.Write(buf[:n])
		}
		if err != nil {
			p.drop(l)
			return
		}
	}
}

// passes waits for the delay and tells whether data may pass.
func (p *Proxy) passes(l *link) bool {
	p.mu.Lock()
	delay := p.delay
	p.mu.Unlock()
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.lost = l.lost || p.hole
	return !l.lost
}

// drop ends a connection as its other side did.
func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	_ = l.client.Close()
	_ = l.server.Close()
}
