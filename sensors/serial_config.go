package sensors

import (
	"regexp"
	"slices"

	"pipit/agent"
)

const (
	maxPattern = 1 << 10
	maxSend    = 256
)

type serialConfig struct {
	Port     string            `toml:"port"`
	Baud     int               `toml:"baud"`
	Mode     string            `toml:"mode"`
	Protocol string            `toml:"protocol"`
	Pattern  string            `toml:"pattern"`
	Units    map[string]string `toml:"units"`
	Send     string            `toml:"send"`
}

func (c *serialConfig) settings() serialSettings {
	return serialSettings{c.Port, c.Baud, c.Mode}
}

func (c *serialConfig) check() (lineParser, error) {
	var bad checker
	if c.Port == "" {
		bad.fail("port", "the path of a serial port is needed, such as \"/dev/ttyUSB0\"")
	}
	bad.whole("port", c.Port)
	if _, ok := baudRates[c.Baud]; !ok {
		bad.fail("baud", "%d is no standard rate, such as 4800, 9600, 19200, 38400, 57600 or 115200", c.Baud)
	}
	if !slices.Contains(serialModes(), c.Mode) {
		bad.fail("mode", "%q is not known: write data bits (7 or 8), parity (N, E or O) and stop bits (1 or 2), such as \"8N1\"", c.Mode)
	}
	if len(c.Send) > maxSend {
		bad.fail("send", "it is longer than %d bytes", maxSend)
	}
	bad.oneOf("protocol", c.Protocol, "lines", "nmea")
	if c.Protocol == "nmea" {
		if c.Pattern != "" || len(c.Units) > 0 {
			bad.fail("pattern", "pattern and units are for protocol = \"lines\"")
		}
		return nmea{}, bad.err()
	}
	return c.lines(&bad), bad.err()
}

// lines checks what belongs to protocol = "lines".
func (c *serialConfig) lines(bad *checker) lineParser {
	if c.Pattern == "" || len(c.Pattern) > maxPattern {
		bad.fail("pattern", "a regular expression of at most %d bytes is needed, such as \"T=(?P<temperature>[-0-9.]+)\"", maxPattern)
		return nil
	}
	re, err := regexp.Compile(c.Pattern)
	if err != nil {
		bad.fail("pattern", "%s", err)
		return nil
	}
	p := &linePattern{re: re}
	for _, name := range re.SubexpNames() {
		if name != "" && !slices.Contains(p.fields, name) { // two alternatives may share a name
			bad.field("pattern", name)
			p.fields = append(p.fields, name)
		}
	}
	if len(p.fields) == 0 {
		bad.fail("pattern", "it has no named group, such as (?P<temperature>[-0-9.]+)")
	}
	p.units = bad.units(c.Units, p.fields)
	return p
}

// linePattern implements lineParser.
type linePattern struct {
	re     *regexp.Regexp
	fields []string
	units  map[string]string
}

func (p *linePattern) names() []string  { return p.fields }
func (p *linePattern) unparsed() string { return "but none that the pattern matches" }
func (p *linePattern) wholeLines() bool { return false }

// parse makes a field of each named group that took part in the match.
func (p *linePattern) parse(line []byte) []agent.Reading {
	at := p.re.FindSubmatchIndex(line)
	if at == nil {
		return nil
	}
	l := new(fieldList)
	for i, name := range p.re.SubexpNames() {
		if name == "" || at[2*i] < 0 {
			continue
		}
		v := wordValue(string(line[at[2*i]:at[2*i+1]]))
		if err := numeric(v, p.units[name]); err != nil {
			l.fail(err, name)
			continue
		}
		l.add(agent.Reading{Name: name, Value: v, Unit: p.units[name]})
	}
	return l.readings
}
