// Package config reads Pipit's one file, TOML 1.1, into a Config. It is strict:
// an unknown key, a wrong type or a value out of range is a Problem with its
// file, line and key, and Load returns all of them at once. It is the only
// importer of the toml module.
//
//	file ──index──> line of each key ─┐
//	     └─toml───> map[string]any ───┴─> sections ──> Config, or Problems
//
// What the config cannot know (addresses, kinds of sensors) comes in as Env.
package config

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
)

// Bounds of a config file.
const (
	maxFile    = 256 << 10
	maxSensors = 256
	maxOutputs = 64
	maxPeople  = 256
)

// Env is what the config cannot know by itself. All functions must be set.
type Env struct {
	// ParseAccount returns the normal form of a JID that has a local part and
	// may have a resource.
	ParseAccount func(string) (string, error)
	// ParseJID returns the normal form of a JID without a resource.
	ParseJID func(string) (string, error)
	// Kinds names the kinds of sensors, in the order of documentation.
	Kinds []string
	// NewSensor builds a sensor of one of Kinds without touching hardware. It
	// calls decode once, with a pointer to a struct that holds the defaults and
	// has toml tags. decode reports by itself what is wrong with a key, leaves
	// its default and returns nil, so that the rest is checked too. An error of
	// NewSensor is reported at the sensor, or at the key that an
	// *agent.ParamError names; several may be joined.
	NewSensor func(name, kind string, decode func(into any) error) (Made, error)
	// OutputKinds names the kinds of outputs, and NewOutput builds one, as
	// NewSensor does.
	OutputKinds []string
	NewOutput   func(name, kind string, decode func(into any) error) (MadeOutput, error)
	// Commands are the names that a command of the config cannot have.
	Commands []string
	// CheckProgram says why the program at an absolute path would not be run;
	// one that is not there is an *agent.MissingError.
	CheckProgram func(path string) error
}

// Made is a sensor with the defaults of its kind.
type Made struct {
	Sensor  agent.Sensor
	Bus     string        // "": one of its own
	Fields  []string      // names of the fields as far as they are known
	Every   time.Duration // 0: 30 s
	Timeout time.Duration // 0: that of agent.Task
}

// MadeOutput is an output with what its kind says of its values.
type MadeOutput struct {
	Output   agent.Output
	Min, Max float64 // the range of a number when Min < Max; else it is a switch
	Unit     string
	Off      agent.Value // no value: there is no off
}

// Config is a file without a problem.
type Config struct {
	Path     string
	Device   Device
	XMPP     XMPP
	MQTT     MQTT
	People   map[string]agent.Role // by normalised bare JID
	Roles    map[string]agent.Role // who may run a command, where that is not what it says itself
	Sensors  []agent.Task          // in the order of the file
	Outputs  []agent.OutputTask    // in the order of the file
	Fields   []agent.FieldRule     // in the order of the file
	Rules    []alarm.Rule          `json:"-"` // in the order of the file
	Alarms   alarm.Plan            `json:"-"` // who is told of all rules
	Rooms    []Room                `json:"-"` // in the order of the file
	Commands []agent.Custom        `json:"-"` // in the order of the file
	Warnings []string              // each FILE:LINE: key: text, in the order of the file

	table func() map[string]any // the file as it is written; behind a function, so that no print shows its secrets
}

// Device is the table [device].
type Device struct {
	Name     string // the host's name unless the file says otherwise
	Location string // may be ""
	StateDir string
	LogLevel slog.Level
	Summary  []string // names or globs of readings for the presence line; nil: the first three

	Flush   time.Duration // readings are written to disk this often, 1 s to 10 min
	Keep    time.Duration // how long readings are kept, 1 hour to 10 years
	MaxSize int64         // bytes of the file of readings, 1 MB to 1 GB

	TrustClock bool          // the time of day is right from the start
	ClockWait  time.Duration // else how long readings wait until it is known to be, 0 to 1 hour

	Avatar   []byte    // PNG, nil: the usual one
	Position *Position // nil: none

	Dangerous []string           // commands that are turned on: restart, reboot, shutdown
	Confirm   agent.Confirmation // what they and outputs with confirm = true ask for
	Codes     *agent.TOTP        // nil unless that is ConfirmTOTP
}

// XMPP is the table [xmpp]. JID is "" when the file has no such table.
type XMPP struct {
	JID          string `toml:"jid"`           // bare, normalised
	Password     Secret `toml:"password"`      // from whichever source
	PasswordFile string `toml:"password_file"` // where Password was read, "" when it stands in the config
	Resource     string `toml:"resource"`      // never ""
	Server       string `toml:"server"`        // host:port, "": SRV records of the JID's domain
	DirectTLS    bool   `toml:"direct_tls"`
	CAFile       string `toml:"ca_file"` // PEM with at least one certificate, "": those of the system
	PubSub       string `toml:"pubsub"`  // a service's JID, "": the account's own PEP
	Access       string `toml:"access"`  // presence, whitelist or open
	AllowPlain   bool   `toml:"allow_plain"`

	RootCAs *x509.CertPool `toml:"-" json:"-"` // the certificates of CAFile, nil: those of the system
}

// Load reads and checks a config file and the files it names, and builds its
// sensors; it touches neither hardware nor network. The error is Problems when
// the file could be read and is wrong.
func Load(path string, env Env) (*Config, error) {
	return (&loader{env: env, open: openFile}).load(path)
}

type loader struct {
	env  Env
	open opener
	path string
	mode uint32 // permission bits of the config file
}

func (l *loader) load(path string) (*Config, error) {
	top, err := l.read(path)
	if err != nil {
		return nil, err
	}
	c := l.config(top)
	if len(top.r.problems) > 0 {
		return nil, top.r.problems.sorted()
	}
	for _, w := range top.r.warnings.sorted() {
		c.Warnings = append(c.Warnings, w.String())
	}
	return c, nil
}

// read returns the whole file as a section.
func (l *loader) read(path string) (section, error) {
	data, mode, err := readFile(l.open, path, maxFile)
	if err != nil {
		return section{}, fmt.Errorf("cannot read the config %s: %w (pipit init prints a commented one)", path, err)
	}
	l.path, l.mode = path, uint32(mode.Perm())
	table, root, problem := parse(path, string(data))
	if problem != nil {
		return section{}, Problems{*problem}
	}
	return section{r: &report{file: path, index: root}, table: table}, nil
}

func (l *loader) config(top section) *Config {
	top.onlyKeys([]string{"device", "xmpp", "people", "sensor", "field", "output", "rule", "alerts", "quiet", "room", "command", "roles", "mqtt"})
	c := &Config{Path: l.path, table: func() map[string]any { return top.table }}
	sensors := top.sub("sensor", "[sensor.NAME], one for each sensor")
	l.sensors(sensors, c)
	outputs := top.sub("output", writeOutput)
	c.Outputs = l.outputs(outputs, append(append([]string{}, sensors.keys()...), importSources(top)...)) // not nil
	l.fields(top.sub("field", `[field."NAME"], one for each reading or glob`), slices.Concat(sensors.keys(), importSources(top)), c)
	c.Rules, c.Alarms = l.allRules(top)
	c.Commands = l.commands(top.sub("command", "[command.NAME], one for each command"))
	c.Device = l.device(top.sub("device", "[device]"), slices.Concat(sensors.keys(), outputs.keys(), importSources(top)))
	for _, cmd := range c.Commands {
		if cmd.Confirm == agent.ConfirmTOTP && c.Device.Codes == nil {
			top.sub("command", "").sub(cmd.Name, "").fail("confirm", "there is no totp_file in [device]: it holds the secret of your authenticator")
		}
	}
	c.Roles = l.roles(top.sub("roles", "[roles]"), c.Commands)
	c.People = l.people(top.sub("people", "[people]"))
	c.Rooms = l.rooms(top.sub("room", "[room.NAME], one for each room"), c.Device.Name)
	if top.has("mqtt") {
		c.MQTT = l.mqtt(top.sub("mqtt", writeMQTT), c.Device.Name, slices.Concat(sensors.keys(), outputs.keys()))
	}
	if top.has("xmpp") {
		c.XMPP = l.xmpp(top.sub("xmpp", "[xmpp]"))
	} else {
		top.warn("xmpp", "there is no [xmpp]: readings stay on this device")
	}
	return c
}
