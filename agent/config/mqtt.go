package config

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
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
