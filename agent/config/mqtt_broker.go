package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// ports of the schemes of a broker's address.
var ports = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// wrongSchemes are what others write for ours.
var wrongSchemes = map[string]string{"tcp": "mqtt", "ssl": "mqtts", "tls": "mqtts", "http": "ws", "https": "wss"}

// broker makes an address whole and tells whether it is one of TLS.
func (l *loader) broker(s section, m *MQTT) (secure bool) {
	if !s.has("broker") {
		s.r.fail(s.path, `there is no broker: write broker = "mqtts://broker.example.org"`)
	}
	if !s.given("broker") {
		return true
	}
	address, err := brokerURL(m.Broker)
	if err != nil {
		s.fail("broker", "%s", err)
		return true
	}
	m.Broker = address.String()
	secure = address.Scheme == "mqtts" || address.Scheme == "wss"
	if !secure && m.User != "" && !loopback(address.Hostname()) {
		s.warn("broker", "the password can be read on the way: %s:// is with TLS", map[string]string{"mqtt": "mqtts", "ws": "wss"}[address.Scheme])
	}
	return secure
}

func brokerURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "mqtt://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New(`that is no address: write "mqtts://broker.example.org"`)
	}
	port, ok := ports[u.Scheme]
	switch {
	case wrongSchemes[u.Scheme] != "":
		return nil, fmt.Errorf("write %s:// for %s://", wrongSchemes[u.Scheme], u.Scheme)
	case !ok:
		return nil, fmt.Errorf("%q is not known: write mqtt://, mqtts://, ws:// or wss://", u.Scheme)
	case u.User != nil:
		return nil, errors.New("user and password are keys of their own")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New(`wants a host and perhaps a port: "mqtts://broker.example.org:8883"`)
	case strings.HasPrefix(u.Scheme, "mqtt") && strings.Trim(u.Path, "/") != "":
		return nil, errors.New("only ws:// and wss:// have a path")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Path == "" && strings.HasPrefix(u.Scheme, "ws") {
		u.Path = "/mqtt"
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
