package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"pipit/agent"
)

func serialKind() Kind {
	return Kind{
		Name: "serial",
		Doc: "A device on a serial port that sends lines: values by a regular expression with named groups, or the position " +
			"from a GNSS receiver (NMEA 0183: GGA and RMC). The port is listened to all the time; every should be about " +
			"as long as the device's own rhythm: a value that two intervals did not renew is stale.",
		Example: `[sensor.scale]
kind = "serial"
port = "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0" # or "/dev/ttyUSB0"
baud = 9600
mode = "8N1"        # data bits, parity (N, E or O), stop bits
protocol = "lines"  # or "nmea": latitude, longitude, altitude, speed, satellites, fix
pattern = "W=(?P<weight>[-0-9.]+) *kg +T=(?P<temperature>[-0-9.]+)" # RE2; each named group is a field: a number, else a text
units = { weight = "kg", temperature = "°C" } # of the unit table
send = ""           # written before each reading to a device that has to be asked, such as "R\r\n"
`,
		New: newSerial,
	}
}

const (
	// minRenewed is how old a value may be in any case before it is stale.
	minRenewed = 5 * time.Second
	// settle is the wait for the rest of the values after the first one.
	settle = 200 * time.Millisecond
)

// serial implements agent.Sensor and io.Closer. A goroutine listens from the
// first Read until Close, or until the port is lost; the next Read opens the
// port again.
type serial struct {
	host   *Host
	cfg    serialConfig
	parser lineParser

	mu     sync.Mutex // of port, closed: Close may come while a Read waits
	port   *listener  // nil: not open
	closed bool

	last time.Time // the Read before
}

// A lineParser makes readings of a line, nothing when the line holds none. It
// may keep no part of the line.
type lineParser interface {
	parse(line []byte) []agent.Reading
	names() []string  // of all fields there can be
	unparsed() string // what is wrong with lines that hold nothing
	wholeLines() bool // it sees by itself that the head of a line is lost
}

func newSerial(h *Host, decode func(any) error) (Built, error) {
	s := &serial{host: h, cfg: serialConfig{Baud: 9600, Mode: "8N1", Protocol: "lines"}}
	if err := decode(&s.cfg); err != nil {
		return Built{}, err
	}
	var err error
	if s.parser, err = s.cfg.check(); err != nil {
		return Built{}, err
	}
	return Built{Sensor: s, Fields: s.parser.names()}, nil
}

// Read implements agent.Sensor. It returns the newest value of each field with
// the time of its line: at once where a line came since the Read before, else
// also those that were returned before, until they are too old. It waits for a
// line while there is none at all, and after it has sent what the config says.
func (s *serial) Read(ctx context.Context) ([]agent.Reading, error) {
	now := time.Now()
	renewed := minRenewed
	if !s.last.IsZero() {
		renewed = max(renewed, 2*now.Sub(s.last))
	}
	s.last = now
	port, err := s.open()
	if err != nil {
		return nil, err
	}
	if err := s.ask(ctx, port); err != nil {
		return nil, err
	}
	if s.cfg.Send != "" || port.silent() {
		err = port.await(ctx, len(s.parser.names()))
	}
	readings, fresh := port.take(time.Now().Add(-renewed), renewed)
	switch {
	case fresh:
		return readings, nil
	case port.lost() != nil:
		s.drop(port)
		return nil, s.gone(port.lost())
	case err != nil && (s.cfg.Send != "" || len(readings) == 0):
		return nil, s.nothing(port, time.Since(now))
	}
	return readings, nil
}

// open returns the port that is listened to. A port that was lost stays until
// its last values are taken.
func (s *serial) open() (*listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	if s.port != nil {
		return s.port, nil
	}
	file, err := s.host.openSerial(s.cfg.settings())
	if err != nil {
		return nil, err
	}
	// What is asked for begins with a whole line.
	s.port = listen(file, s.parser, s.cfg.Send != "" || s.parser.wholeLines())
	return s.port, nil
}

func (s *serial) drop(port *listener) {
	port.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.port = nil
}

// ask writes what makes the device answer. What came before is not the answer.
func (s *serial) ask(ctx context.Context, port *listener) error {
	if s.cfg.Send == "" || port.lost() != nil {
		return nil
	}
	port.forget()
	end, _ := ctx.Deadline() // zero: none
	_ = port.file.SetWriteDeadline(end)
	if _, err := io.WriteString(port.file, s.cfg.Send); err != nil {
		s.drop(port)
		return s.gone(err)
	}
	return nil
}

// gone is the error of a port that was open: an adapter that is pulled out
// ends reads with nothing, or with EIO.
func (s *serial) gone(err error) error {
	switch {
	case errors.Is(err, os.ErrClosed):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("write to %s: %w", s.cfg.Port, err)
	}
	return missing("%s is gone: is the adapter unplugged?", s.cfg.Port)
}

// nothing says why there is no value.
func (s *serial) nothing(port *listener, waited time.Duration) error {
	lines, line := port.refused()
	switch {
	case lines > 0:
		return fmt.Errorf("%s: lines come, %s; the last one was %s", s.cfg.Port, s.parser.unparsed(), quote(line))
	case s.cfg.Send != "":
		return fmt.Errorf("%s: no answer within %s", s.cfg.Port, waited.Round(100*time.Millisecond))
	}
	return fmt.Errorf("%s: no line yet: are baud and mode right?", s.cfg.Port)
}

// Close implements io.Closer. It waits for the goroutine that listens.
func (s *serial) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.port != nil {
		s.port.close()
	}
	return nil
}
