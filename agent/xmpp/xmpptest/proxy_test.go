package xmpptest

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echoServer answers with what it is sent and counts its connections' ends.
func echoServer(t *testing.T) (addr string, ended <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ends := make(chan struct{}, 16)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
				ends <- struct{}{}
			}()
		}
	}()
	return l.Addr().String(), ends
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// echo sends and returns what comes back until limit.
func echo(conn net.Conn, text string, limit time.Duration) (string, error) {
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	buf := make([]byte, len(text))
	n, err := io.ReadFull(conn, buf)
	return string(buf[:n]), err
}

func mustEcho(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if got, err := echo(conn, text, 10*time.Second); got != text {
		t.Errorf("echo of %q = %q, %v", text, got, err)
	}
}

func TestProxyCut(t *testing.T) {
	addr, ended := echoServer(t)
	p := NewProxy(t, addr)
	conn := dial(t, p.Addr)
	mustEcho(t, conn, "hello")
	p.Cut()
	if _, err := echo(conn, "x", 10*time.Second); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after Cut: %v, want a reset", err)
	}
	<-ended
	mustEcho(t, dial(t, p.Addr), "again")
}

func TestProxyRefuse(t *testing.T) {
	addr, _ := echoServer(t)
	p := NewProxy(t, addr)
	conn := dial(t, p.Addr)
	mustEcho(t, conn, "hello")
	for range 3 {
		p.Refuse(true)
		if _, err := net.Dial("tcp", p.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dial: %v, want refused", err)
		}
		mustEcho(t, conn, "still here")
		p.Refuse(false)
		mustEcho(t, dial(t, p.Addr), "back")
	}
}

func TestProxyBlackhole(t *testing.T) {
	addr, ended := echoServer(t)
	p := NewProxy(t, addr)
	used, quiet, closed := dial(t, p.Addr), dial(t, p.Addr), dial(t, p.Addr)
	for _, c := range []net.Conn{used, quiet, closed} {
		mustEcho(t, c, "hello")
	}
	p.Blackhole(true)
	into := dial(t, p.Addr)
	for _, c := range []net.Conn{used, into} {
		if got, err := echo(c, "x", 50*time.Millisecond); got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("black hole answered %q, %v", got, err)
		}
	}
	if _, err := io.WriteString(closed, "x"); err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	waitLost(p, 3)
	p.Blackhole(false)
	if got, err := echo(used, "y", 50*time.Millisecond); got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection with a gap went on: %q, %v", got, err)
	}
	mustEcho(t, quiet, "unharmed")
	select {
	case <-ended:
		t.Error("the server saw the end of a connection")
	default:
	}
	if n := p.Connections(); n != 4 {
		t.Errorf("%d connections, want 4", n)
	}
	p.Cut()
	for range 3 {
		<-ended
	}
}

// waitLost waits until n connections have lost bytes.
func waitLost(p *Proxy, n int) {
	for lost := 0; lost < n; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		lost = 0
		for l := range p.links {
			if l.lost {
				lost++
			}
		}
		p.mu.Unlock()
	}
}

func TestProxyServerGone(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	conn, err := net.Dial("tcp", NewProxy(t, l.Addr().String()).Addr)
	if err == nil {
		defer conn.Close()
		_, err = echo(conn, "x", 10*time.Second)
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a proxy without a server: %v, want a reset", err)
	}
}

func TestProxyDelay(t *testing.T) {
	addr, _ := echoServer(t)
	p := NewProxy(t, addr)
	const d = 30 * time.Millisecond
	p.Delay(d)
	conn := dial(t, p.Addr)
	begun := time.Now()
	mustEcho(t, conn, "slow")
	if took := time.Since(begun); took < 2*d {
		t.Errorf("there and back took %v, want at least %v", took, 2*d)
	}
}
