package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"pipit/bridge/mqtttest"
)

func tester(url string) Broker {
	return Broker{URL: url, User: mqtttest.Tester, Password: mqtttest.TesterPassword, ClientID: "t"}
}

func probe(t testing.TB, b Broker) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return Probe(ctx, b, "pipit/bench")
}

// A probe works over every transport, and leaves nothing behind.
func TestTransports(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/#")
	cert, key := b.ClientCert("tester")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	secure := tester("mqtts://" + b.TLSAddr)
	secure.RootCAs = b.Pool()
	socket := tester("wss://" + b.WSSAddr + "/mqtt")
	socket.RootCAs = b.Pool()
	mutual := Broker{URL: "mqtts://" + b.MTLSAddr, ClientID: "m", RootCAs: b.Pool(), Certificate: &pair}
	for _, broker := range []Broker{tester("mqtt://" + b.Addr), secure, tester("ws://" + b.WSAddr + "/mqtt"), socket, mutual} {
		if err := probe(t, broker); err != nil {
			t.Errorf("%s: %v", broker.URL, err)
		}
	}
	for _, m := range sub.Messages() {
		if m.Topic != "pipit/bench/probe" {
			t.Errorf("the probe left %v", m)
		}
	}
}

// Each step that can fail says which it is and what to do.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t, func(o *mqtttest.Options) {
		o.Users["narrow"] = "narrow-test-password"
		o.ACL = "user narrow\ntopic read pipit/#\n"
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	wrong := tester("mqtt://" + b.Addr)
	wrong.Password = "wrong-test-password"
	trusting := tester("mqtts://" + b.MTLSAddr)
	trusting.RootCAs = b.Pool()
	other := tester("mqtts://" + strings.Replace(b.TLSAddr, "localhost", "127.0.0.2", 1))
	other.RootCAs = b.Pool()
	narrow := Broker{URL: "mqtt://" + b.Addr, User: "narrow", Password: "narrow-test-password", ClientID: "n"}
	for name, tt := range map[string]struct {
		broker Broker
		want   string
	}{
		"DNS":            {tester("mqtt://no-such-host.invalid:1883"), "no-such-host.invalid"},
		"TCP":            {tester("mqtt://" + closed.Addr().String()), "connection refused: check that the broker runs"},
		"password":       {wrong, "the broker refuses it as tester: check user and password"},
		"nobody":         {Broker{URL: "mqtt://" + b.Addr, ClientID: "x"}, "the broker refuses it without a user"},
		"no TLS there":   {tester("mqtts://" + b.Addr), "the broker"},
		"TLS there":      {tester("mqtt://" + b.TLSAddr), "the broker closed the connection"},
		"authority":      {tester("mqtts://" + b.TLSAddr), "from nobody who is trusted: ca_file"},
		"of a websocket": {tester("wss://" + b.WSSAddr + "/mqtt"), "from nobody who is trusted: ca_file"},
		"no certificate": {trusting, "cert_file and key_file"},
		"ACL":            {narrow, "does not deliver it: allow pipit/bench/# in its ACL"},
	} {
		err := probe(t, tt.broker)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "test-password") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		var retry interface{ RetryAfter() time.Duration }
		if login := name == "password" || name == "nobody"; errors.As(err, &retry) != login {
			t.Errorf("%s: waits longer %t", name, !login)
		}
	}
}

// A certificate that is not right is refused, in six ways.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	for name, make := range mqtttest.BadCerts() {
		b := mqtttest.Start(t, func(o *mqtttest.Options) { o.Cert = make })
		broker := tester("mqtts://" + b.TLSAddr)
		broker.RootCAs = b.Pool()
		if err := probe(t, broker); err == nil || !strings.Contains(err.Error(), "certificate is") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A broker that takes the connection and says nothing does not hold the bridge up
// when it is to end.
func TestMuteBroker(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Probe(ctx, tester("mqtt://"+l.Addr().String()), "x") }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a mute broker is well")
		}
	case <-time.After(patience):
		t.Fatal("it waits for a mute broker")
	}
}
