package bridge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	dialTime  = 20 * time.Second // for DNS, TCP, TLS and login together
	ackTime   = 30 * time.Second // for the broker to acknowledge a message
	writeTime = 10 * time.Second
	leaveTime = 500 * time.Millisecond
	keepalive = time.Minute
)

// An incoming is a message that came in.
type incoming struct {
	topic    string
	payload  []byte
	retained bool
}

// A conn is one connection to the broker. Its methods may be called from any
// goroutine.
type conn struct {
	client mqtt.Client
	b      *Bridge
	socket atomic.Pointer[guard]
	lost   chan struct{} // closed when the connection is
	once   sync.Once
	why    error          // set before lost is closed
	in     func(incoming) // set before the first subscription
}

// dial connects and logs in. The error says which of them failed.
func dial(ctx context.Context, b *Bridge) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c := &conn{b: b, lost: make(chan struct{})}
	broker := b.cfg.Broker
	var dialed error
	open := func(uri *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		socket, err := openSocket(ctx, uri, broker)
		if dialed = err; err != nil {
			return nil, err
		}
		g := newGuard(socket, maxPayload)
		if c.socket.Store(g); ctx.Err() != nil {
			c.hangUp() // nobody else will
		}
		return g, nil
	}
	options := mqtt.NewClientOptions().AddBroker(broker.URL).SetClientID(broker.ClientID).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetKeepAlive(cmp.Or(broker.Keepalive, keepalive)).SetPingTimeout(10 * time.Second).
		SetConnectTimeout(dialTime).SetWriteTimeout(writeTime).
		SetCustomOpenConnectionFn(open).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.end(err) }).
		SetDefaultPublishHandler(c.receive)
	if b.base != "" { // a probe leaves nothing behind
		options.SetWill(b.base+"/state", stateOffline, 1, true)
	}
	if broker.User != "" {
		options.SetUsername(broker.User).SetPassword(broker.Password)
	}
	c.client = mqtt.NewClient(options)
	token := c.client.Connect()
	stop := context.AfterFunc(ctx, c.hangUp)
	defer stop()
	<-token.Done() // openSocket and hangUp see to that
	if err := token.Error(); err != nil {
		c.hangUp()
		return nil, explain(broker, dialed, cmp.Or(c.guardError(), err))
	}
	return c, nil
}

// openSocket makes the connection below MQTT.
func openSocket(ctx context.Context, uri *url.URL, broker Broker) (net.Conn, error) {
	config := &tls.Config{RootCAs: broker.RootCAs, ServerName: uri.Hostname(), MinVersion: tls.VersionTLS12}
	if broker.Certificate != nil {
		config.Certificates = []tls.Certificate{*broker.Certificate}
	}
	switch uri.Scheme {
	case "mqtts":
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", uri.Host)
	case "wss", "ws":
		return openWebsocket(ctx, uri.String(), config)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", uri.Host)
}

// openWebsocket ends with ctx, which paho's function does not: what that makes
// later is closed.
func openWebsocket(ctx context.Context, url string, config *tls.Config) (net.Conn, error) {
	type result struct {
		net.Conn
		error
	}
	made := make(chan result, 1)
	go func() {
		c, err := mqtt.NewWebsocket(url, config, dialTime, nil, nil)
		made <- result{c, err}
	}()
	select {
	case r := <-made:
		return r.Conn, r.error
	case <-ctx.Done():
		go func() {
			if r := <-made; r.error == nil {
				_ = r.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// receive hands on what came; it is called in order and must not block.
func (c *conn) receive(_ mqtt.Client, m mqtt.Message) {
	if c.in != nil {
		c.in(incoming{m.Topic(), m.Payload(), m.Retained()})
	}
}

func (c *conn) end(err error) {
	c.once.Do(func() {
		c.why = cmp.Or(c.guardError(), err)
		close(c.lost)
	})
}

// guardError returns why the guard ended the connection, nil when it did not.
func (c *conn) guardError() error {
	if g := c.socket.Load(); g != nil {
		return g.failure()
	}
	return nil
}

// hangUp ends the connection at once.
func (c *conn) hangUp() {
	if g := c.socket.Load(); g != nil {
		_ = g.Close()
	}
}

// close leaves, and gives what is on its way a moment.
func (c *conn) close() {
	select {
	case <-c.lost:
	default:
		c.client.Disconnect(uint(leaveTime / time.Millisecond))
	}
	c.hangUp()
}

var errLost = errors.New("the connection to the broker was lost")

// cause says why the connection is lost.
func (c *conn) cause() error {
	if c.why == nil {
		return errLost
	}
	return lostError(c.why)
}

// subscribe asks for topics with QoS 0, and says which the broker refuses.
func (c *conn) subscribe(ctx context.Context, topics ...string) (refused []string, err error) {
	for len(topics) > 0 {
		some := topics[:min(len(topics), 64)]
		topics = topics[len(some):]
		filters := make(map[string]byte, len(some))
		for _, t := range some {
			filters[t] = 0
		}
		token := c.client.SubscribeMultiple(filters, nil)
		err := c.wait(ctx, token)
		granted := token.(*mqtt.SubscribeToken).Result()
		for _, t := range some {
			if granted[t] == 0x80 {
				refused = append(refused, t)
			}
		}
		if err != nil && len(refused) == 0 {
			return nil, err
		}
	}
	return refused, nil
}

// send publishes a message with QoS 1 without waiting.
func (c *conn) send(topic string, payload []byte, retained bool) mqtt.Token {
	return c.client.Publish(topic, 1, retained, payload)
}

// wait waits until the broker has acknowledged. An error ends the connection.
func (c *conn) wait(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done(): // before ctx, so that what the broker has is not sent again after a stop
		return c.outcome(token)
	default:
	}
	timer := time.NewTimer(ackTime)
	defer timer.Stop()
	select {
	case <-token.Done():
		return c.outcome(token)
	case <-c.lost:
		return c.cause()
	case <-timer.C:
		return errors.New("the broker has not acknowledged a message for 30 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// outcome is what a token says that is done. paho ends those of a lost connection
// with an error.
func (c *conn) outcome(token mqtt.Token) error {
	err := token.Error()
	if err == nil {
		return nil
	}
	timer := time.NewTimer(time.Second) // paho says why a little later
	defer timer.Stop()
	select {
	case <-c.lost:
		return c.cause()
	case <-timer.C:
		return err
	}
}

// waitAll waits for messages that were sent.
func (c *conn) waitAll(ctx context.Context, tokens []mqtt.Token) error {
	for _, t := range tokens {
		if err := c.wait(ctx, t); err != nil {
			return err
		}
		c.b.counted.published.Add(1)
	}
	return nil
}

// publish sends a message and waits until the broker has it.
func (c *conn) publish(ctx context.Context, topic string, payload []byte, retained bool) error {
	return c.waitAll(ctx, []mqtt.Token{c.send(topic, payload, retained)})
}
