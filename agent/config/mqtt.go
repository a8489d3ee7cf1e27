package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// MQTT is the table [mqtt]. Broker is "" when the file has no such table.
type MQTT struct {
	Broker       string        `toml:"broker"` // mqtt://, mqtts://, ws:// or wss://, with a port
	User         string        `toml:"user"`
	Password     Secret        `toml:"password"`      // from whichever source
	PasswordFile string        `toml:"password_file"` // where Password was read, "" when it stands in the config
	CAFile       string        `toml:"ca_file"`
	CertFile     string        `toml:"cert_file"`
	KeyFile      string        `toml:"key_file"`
	ClientID     string        `toml:"client_id"`
	Prefix       string        `toml:"prefix"`
	Device       string        `toml:"device"` // the topic's level below prefix
	Plain        bool          `toml:"plain"`
	Keepalive    time.Duration `toml:"keepalive"`

	HomeAssistant string             `toml:"-"`          // the prefix of discovery, "": off
	Commands      agent.Role         `toml:"-"`          // what topics may ask for; Stranger: nothing
	RootCAs       *x509.CertPool     `toml:"-" json:"-"` // the certificates of CAFile, nil: those of the system
	Certificate   *tls.Certificate   `toml:"-" json:"-"` // of CertFile and KeyFile, nil: none
	Imports       []agent.Import     `toml:"-"`          // in the order of the file
	Outputs       []agent.OutputTask `toml:"-" json:"-"` // those of imports, without a driver
}

const writeMQTT = "[mqtt]"

// ports of the schemes of a broker's address.
var ports = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// wrongSchemes are what others write for ours.
var wrongSchemes = map[string]string{"tcp": "mqtt", "ssl": "mqtts", "tls": "mqtts", "http": "ws", "https": "wss"}

// mqtt reads [mqtt]. device is the device's name, taken the names of sensors and
// outputs.
func (l *loader) mqtt(s section, device string, taken []string) MQTT {
	m := MQTT{Prefix: "pipit", Device: agent.CleanName(device), Keepalive: time.Minute}
	s.decode(&m, "home_assistant", "commands", "import")
	if s.table == nil {
		return m // not a table: reported
	}
	secure := l.broker(s, &m)
	l.mqttLogin(s, &m)
	l.mqttTLS(s, &m, secure)
	checkPrefix(s, &m)
	m.HomeAssistant = homeAssistant(s)
	if m.HomeAssistant != "" && overlaps(m.HomeAssistant+"/#", m.Prefix+"/"+m.Device+"/#") {
		s.fail("home_assistant", "it lies below prefix and device, or they below it: that would be a loop")
	}
	m.Commands = mqttCommands(s)
	s.between("keepalive", m.Keepalive, 10*time.Second, 10*time.Minute)
	if !s.has("client_id") {
		m.ClientID = "pipit-" + m.Device
	}
	if n := len(m.ClientID); n == 0 || n > 64 {
		s.fail("client_id", "wants 1 to 64 bytes")
	}
	l.imports(s.sub("import", "[mqtt.import.NAME], one for each topic"), &m, taken)
	return m
}

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

// mqttLogin finds the password: a key, a file or the systemd credential
// mqtt_password. Without a user there is none.
func (l *loader) mqttLogin(s section, m *MQTT) {
	given := l.givenPassword(s, &m.Password, &m.PasswordFile)
	switch {
	case m.User == "" && given:
		s.r.fail(s.path, "there is a password and no user")
	case m.User != "" && !given:
		if path := credentialPath("mqtt_password"); path != "" {
			m.PasswordFile = path
			l.passwordFile(s, &m.Password, "password_file", path)
			return
		}
		s.fail("user", "there is no password: give password_file, or the systemd credential mqtt_password")
	}
}

// credentialPath returns where a systemd credential is, "" when there is none.
func credentialPath(name string) string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// mqttTLS reads the certificates.
func (l *loader) mqttTLS(s section, m *MQTT, secure bool) {
	for _, key := range []string{"ca_file", "cert_file", "key_file"} {
		if s.has(key) && !secure {
			s.fail(key, "it is for TLS: mqtts:// or wss://")
			return
		}
	}
	if s.given("ca_file") {
		m.CAFile = l.resolve(m.CAFile)
		pool, err := readCA(l.open, m.CAFile)
		if err != nil {
			s.fail("ca_file", "%s", err)
		}
		m.RootCAs = pool
	}
	if s.has("cert_file") != s.has("key_file") {
		s.r.fail(s.path, "cert_file and key_file belong together")
	}
	if s.given("cert_file") && s.given("key_file") {
		l.certificate(s, m)
	}
}

func (l *loader) certificate(s section, m *MQTT) {
	m.CertFile, m.KeyFile = l.resolve(m.CertFile), l.resolve(m.KeyFile)
	chain, _, err := readFile(l.open, m.CertFile, maxCA)
	if err != nil {
		s.fail("cert_file", "cannot read %s: %s", m.CertFile, err)
		return
	}
	key, mode, err := readFile(l.open, m.KeyFile, maxCA)
	switch {
	case err != nil:
		s.fail("key_file", "cannot read %s: %s", m.KeyFile, err)
		return
	case mode&othersRead != 0 && !below(m.KeyFile, os.Getenv("CREDENTIALS_DIRECTORY")):
		s.fail("key_file", "others may read %s (mode %04o): run chmod 600 on it", m.KeyFile, mode.Perm())
		return
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		s.fail("cert_file", "certificate and key do not fit: %s", err)
		return
	}
	m.Certificate = &cert
}

// checkPrefix checks what all topics begin with.
func checkPrefix(s section, m *MQTT) {
	if len(m.Prefix) > 64 || strings.HasPrefix(m.Prefix, "$") || checkTopic(m.Prefix) != nil {
		s.fail("prefix", "%.70q cannot be the beginning of a topic: at most 64 bytes, no + and #, no empty level, no $ at the start", m.Prefix)
	}
	if agent.CheckName(m.Device) != nil || strings.Contains(m.Device, ".") {
		s.fail("device", "is made of a-z, 0-9, _ and -, such as %q", sensorName(m.Device))
	}
}

// homeAssistant reads the prefix of discovery: true for the usual one.
func homeAssistant(s section) string {
	switch v := s.table["home_assistant"].(type) {
	case nil:
	case bool:
		if v {
			return "homeassistant"
		}
	case string:
		if checkTopic(v) == nil && len(v) <= 64 {
			return v
		}
		s.fail("home_assistant", "%.70q cannot be the beginning of a topic", v)
	default:
		s.fail("home_assistant", "%s", wants("true, false or the prefix of discovery", v))
	}
	return ""
}

// mqttCommands reads what anybody may do who writes to the topics of commands.
func mqttCommands(s section) agent.Role {
	word, ok := s.table["commands"].(string)
	switch {
	case !s.has("commands"):
		return agent.Stranger
	case !ok:
		s.fail("commands", "%s", wants(`"viewer" or "operator"`, s.table["commands"]))
		return agent.Stranger
	case word == "owner":
		s.fail("commands", "a topic does not say who writes to it, so nobody is an owner there: write viewer or operator")
		return agent.Stranger
	}
	s.oneOf("commands", word, "viewer", "operator")
	role, _ := agent.ParseRole(word)
	return role
}

// checkTopic tells whether a text may be a topic (MQTT 3.1.1 section 4.7): no
// wildcards here, and no empty levels.
func checkTopic(topic string) error {
	if strings.ContainsAny(topic, "+#\x00") {
		return errors.New("has a + or #, which stand for many topics")
	}
	return checkFilter(topic)
}

// checkFilter tells whether a text may be a topic filter.
func checkFilter(filter string) error {
	if strings.HasPrefix(filter, "$") && !strings.HasPrefix(filter, "$SYS/") {
		return errors.New("begins with a $: that is not for topics of devices") // $share would get round the check for loops
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		switch {
		case l == "" && (i > 0 || len(levels) == 1):
			return errors.New("has an empty level")
		case strings.Contains(l, "+") && l != "+", strings.Contains(l, "#") && (l != "#" || i < len(levels)-1):
			return errors.New("has a + or # that is no level of its own, or a # that is not the last")
		case strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
			return errors.New("has signs that a topic cannot have")
		}
	}
	if len(filter) > 256 {
		return errors.New("has more than 256 bytes")
	}
	return nil
}

// overlaps tells whether two filters can match one topic.
func overlaps(a, b string) bool {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range max(len(x), len(y)) {
		switch {
		case i < len(x) && x[i] == "#", i < len(y) && y[i] == "#":
			return true
		case i >= len(x):
			return false
		case i >= len(y):
			return false
		case x[i] != y[i] && x[i] != "+" && y[i] != "+":
			return false
		}
	}
	return true
}

// own returns the filters of what this device writes, or is told.
func (m *MQTT) own() []string {
	list := []string{m.Prefix + "/" + m.Device + "/#"}
	if m.HomeAssistant != "" {
		list = append(list, m.HomeAssistant+"/#")
	}
	return list
}

// loops tells which topics of this device a filter matches, "" for none.
func (m *MQTT) loops(filter string) string {
	i := slices.IndexFunc(m.own(), func(own string) bool { return overlaps(own, filter) })
	if i < 0 {
		return ""
	}
	return m.own()[i]
}
