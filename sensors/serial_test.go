package sensors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const scale = `pattern = "W=(?P<weight>[-0-9.]+)(?: S=(?P<state>[a-z0-9]+))?"` + "\n" + `units = { weight = "kg" }` + "\n"

// A device is the far end of a serial port.
type device struct {
	*os.File
	t *testing.T
}

// plugIn makes a serial port at /dev/ttyUSB0 of a host.
func plugIn(t *testing.T, h *Host) *device {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	err = control(f, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
		remove(h, "/dev/ttyUSB0")
		put(t, h, "/dev/ttyUSB0", fmt.Sprintf("-> /dev/pts/%d", n))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &device{f, t}
}

func (d *device) say(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d, text); err != nil {
		d.t.Error(err)
	}
}

func buildSerial(t *testing.T, h *Host, keys string) *serial {
	t.Helper()
	s := build(t, serialKind(), h, "port = \"/dev/ttyUSB0\"\n"+keys).Sensor.(*serial)
	t.Cleanup(func() { s.Close() })
	return s
}

// limited is a context that ends long after what a test waits for.
func limited(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// listening opens the port as the first Read does.
func listening(t *testing.T, s *serial) *listener {
	t.Helper()
	l, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// heardAll waits until the port has given lines that hold something and lines
// that hold nothing.
func heardAll(t *testing.T, l *listener, fresh, bad int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if n, _ := l.refused(); n >= bad && l.fresh() >= fresh {
			return
		}
	}
	t.Fatal("the lines do not come")
}

func TestSerialLines(t *testing.T) {
	tests := []struct {
		said       string
		fresh, bad int
		want       []string
	}{
		{"\nW=1.5 S=ok\r\n", 2, 0, []string{"weight: 1.5 kg", "state: ok"}},
		{"1 S=half\nW=2\r", 1, 0, []string{"weight: 2 kg"}},                     // the head of the first line is lost
		{"\nW=1\nW=2\nW=3\nW=4", 1, 0, []string{"weight: 3 kg"}},                // the newest whole one
		{"\nW=1 S=7\nW=2\nnoise\n", 2, 1, []string{"weight: 2 kg", "state: 7"}}, // each field its newest
		{"\nnoise\nW=1\n", 1, 0, []string{"weight: 1 kg"}},
		{"\nW=1\n\xff\x00\x1b[2J\n\r\n", 1, 1, []string{"weight: 1 kg"}},                                     // garbage
		{"\n" + strings.Repeat("W=9 ", 300) + "\nW=1\n", 1, 0, []string{"weight: 1 kg"}},                     // a line that is too long
		{"\nW=-\n", 1, 0, []string{`weight: fault: "-" is not a number`}},                                    // a unit needs a number
		{"\n" + strings.Repeat("W=1 S=a\n", 5000) + "W=2 S=z\n", 2, 0, []string{"weight: 2 kg", "state: z"}}, // faster than it is read
	}
	for _, tt := range tests {
		h := NewHost(t.TempDir())
		d := plugIn(t, h)
		s := buildSerial(t, h, scale)
		l := listening(t, s)
		before := time.Now()
		said := make(chan struct{})
		go func() {
			defer close(said)
			d.say(tt.said)
		}()
		for end := time.Now().Add(30 * time.Second); newest(l) != tt.want[0] && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		<-said
		heardAll(t, l, tt.fresh, tt.bad)
		if n, _ := l.refused(); n != tt.bad {
			t.Errorf("%.40q: %d lines hold nothing, want %d", tt.said, n, tt.bad)
		}
		readings, err := s.Read(limited(t, 30*time.Second))
		if diff := cmp.Diff(tt.want, lines(readings, err)); diff != "" {
			t.Errorf("%.40q: %s", tt.said, diff)
		}
		for _, r := range readings {
			if r.Time.Before(before) || r.Time.After(time.Now()) {
				t.Errorf("%s has the time %v", r.Name, r.Time)
			}
		}
	}
}

// newest is the value of the first field, as lines writes it.
func newest(l *listener) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fields) == 0 {
		return ""
	}
	return lines([]agent.Reading{l.fields[0].Reading}, nil)[0]
}

// The first Read waits for a line; later ones do not, and repeat no value as
// if it were new.
func TestSerialKeepsTheTimeOfALine(t *testing.T) {
	h := NewHost(t.TempDir())
	d := plugIn(t, h)
	s := buildSerial(t, h, scale)
	go func() {
		for {
			s.mu.Lock()
			open := s.port != nil
			s.mu.Unlock()
			if open {
				d.say("\nW=7\n")
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	first, err := s.Read(limited(t, 30*time.Second))
	if diff := cmp.Diff([]string{"weight: 7 kg"}, lines(first, err)); diff != "" {
		t.Fatal(diff)
	}
	again, err := s.Read(limited(t, 30*time.Second))
	if diff := cmp.Diff([]string{"weight: 7 kg"}, lines(again, err)); diff != "" || !again[0].Time.Equal(first[0].Time) {
		t.Errorf("without a new line: %s, time %v, want %v", diff, again[0].Time, first[0].Time)
	}
	s.port.mu.Lock()
	s.port.fields[0].Time = time.Now().Add(-time.Minute)
	s.port.mu.Unlock()
	s.last = time.Now().Add(-31 * time.Second) // two intervals are not over
	if diff := cmp.Diff([]string{"weight: 7 kg"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
	s.last = time.Now().Add(-20 * time.Second)
	if diff := cmp.Diff([]string{"weight: 7 kg (stale: no line for more than 40s)"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
	d.say("W=8\n")
	heardAll(t, s.port, 1, 0)
	if diff := cmp.Diff([]string{"weight: 8 kg"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestOutdated(t *testing.T) {
	r := []agent.Reading{
		outdated(agent.Reading{Name: "a", Value: agent.Number(1), Unit: "V"}, "why"),
		outdated(agent.Reading{Name: "b", Quality: agent.Missing, Reason: "no fix"}, "why"),
	}
	if diff := cmp.Diff([]string{"a: 1 V (stale: why)", "b: fault: why"}, lines(r, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestSerialSaysWhyThereIsNothing(t *testing.T) {
	for _, tt := range []struct {
		keys, said string
		bad        int
		want       string
	}{
		{scale, "", 0, "error: /dev/ttyUSB0: no line yet: are baud and mode right?"},
		{scale, "\nT=1\nT=2\n", 2, `error: /dev/ttyUSB0: lines come, but none that the pattern matches; the last one was "T=2"`},
		{`protocol = "nmea"`, "$GPGSV,1\n", 1, `error: /dev/ttyUSB0: lines come, but no GGA or RMC sentence with a right checksum; the last one was "$GPGSV,1"`},
		{scale + `send = "R"`, "", 0, "error: /dev/ttyUSB0: no answer within "},
	} {
		h := NewHost(t.TempDir())
		d := plugIn(t, h)
		s := buildSerial(t, h, tt.keys)
		l := listening(t, s)
		d.say(tt.said)
		heardAll(t, l, 0, tt.bad)
		readings, err := s.Read(limited(t, 50*time.Millisecond))
		if got := strings.Join(lines(readings, err), ""); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.said, got, tt.want)
		}
	}
}

// A device that has to be asked is asked before each reading, and what it said
// before it was asked is no answer.
func TestSerialAsks(t *testing.T) {
	h := NewHost(t.TempDir())
	d := plugIn(t, h)
	s := buildSerial(t, h, scale+`send = "R\r\n"`)
	asked, answers, done := make(chan string, 1), make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		for r := bufio.NewReader(d); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			asked <- line
			d.say(<-answers)
		}
	}()
	ask := func(answer string, wait time.Duration) []string {
		answers <- answer
		readings, err := s.Read(limited(t, wait))
		if line := <-asked; line != "R\r\n" {
			t.Errorf("asked %q", line)
		}
		return lines(readings, err)
	}
	for _, weight := range []string{"1", "2"} {
		if diff := cmp.Diff([]string{"weight: " + weight + " kg", "state: ok"}, ask("W="+weight+" S=ok\r\n", 30*time.Second)); diff != "" {
			t.Error(diff)
		}
	}
	d.say("W=99 S=late\r\n")
	heardAll(t, s.port, 2, 0)
	if got := strings.Join(ask("", 50*time.Millisecond), ""); !strings.HasPrefix(got, "error: /dev/ttyUSB0: no answer within") {
		t.Errorf("without an answer: %q", got)
	}
	d.Close()
	<-done
}

func TestSerialIsUnpluggedAndPluggedIn(t *testing.T) {
	h := NewHost(t.TempDir())
	s := buildSerial(t, h, scale)
	absent := []string{`missing: there is no /dev/ttyUSB0: is the adapter plugged in? "ls /dev/serial/by-id" lists them`}
	if diff := cmp.Diff(absent, read(t, s)); diff != "" {
		t.Error(diff)
	}
	for i := range 3 {
		d := plugIn(t, h)
		l := listening(t, s)
		d.say(fmt.Sprintf("\nW=%d\n", i))
		heardAll(t, l, 1, 0)
		d.Close()
		<-l.done
		// What came before the end is not lost.
		if diff := cmp.Diff([]string{fmt.Sprintf("weight: %d kg", i)}, read(t, s)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"missing: /dev/ttyUSB0 is gone: is the adapter unplugged?"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
		remove(h, "/dev/ttyUSB0")
		if diff := cmp.Diff(absent, read(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSerialIsUnpluggedWhileItIsRead(t *testing.T) {
	h := NewHost(t.TempDir())
	for _, keys := range []string{scale, scale + `send = "R"`} {
		d := plugIn(t, h)
		s := buildSerial(t, h, keys)
		listening(t, s)
		time.AfterFunc(10*time.Millisecond, func() { d.Close() })
		readings, err := s.Read(limited(t, 30*time.Second))
		if diff := cmp.Diff([]string{"missing: /dev/ttyUSB0 is gone: is the adapter unplugged?"}, lines(readings, err)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSerialIsClosed(t *testing.T) {
	h := NewHost(t.TempDir())
	plugIn(t, h)
	s := buildSerial(t, h, scale)
	l := listening(t, s)
	time.AfterFunc(10*time.Millisecond, func() { s.Close() })
	if _, err := s.Read(limited(t, 30*time.Second)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read = %v", err)
	}
	<-l.done
	if _, err := s.Read(t.Context()); !errors.Is(err, os.ErrClosed) || s.Close() != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := buildSerial(t, h, scale).Close(); err != nil {
		t.Errorf("never read: %v", err)
	}
}

func TestSerialPort(t *testing.T) {
	h := tree(t, map[string]string{"/dev/ttyUSB1": ""})
	d := plugIn(t, h)
	settings := serialSettings{"/dev/ttyUSB0", 115200, "8N1"}
	f, err := h.openSerial(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := control(d.File, func(fd int) error {
		now, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil && (now.Cflag&unix.CBAUD != unix.B115200 || now.Lflag != 0 || now.Iflag != unix.IGNBRK || now.Oflag != 0) {
			t.Errorf("settings %+v", now)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for port, want := range map[string]string{
		"/dev/ttyUSB0": `open /dev/ttyUSB0: device or resource busy: another program holds it, "fuser -v /dev/ttyUSB0" tells which`,
		"/dev/ttyUSB1": "/dev/ttyUSB1 is not a serial port",
		"/dev":         "/dev is not a serial port",
	} {
		settings.port = port
		if _, err := h.openSerial(settings); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", port, err, want)
		}
	}
	closeSerial(f)
	settings.port = "/dev/ttyUSB0"
	if f, err = h.openSerial(settings); err != nil {
		t.Fatalf("after close: %v", err)
	}
	closeSerial(f)
}

func TestSerialErrors(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EACCES: "error: open /dev/x: permission denied: add the user that runs pipit to the group dialout",
		syscall.EIO:    "missing: there is no hardware behind /dev/x (input/output error)",
		syscall.ENXIO:  "missing: there is no hardware behind /dev/x (no such device or address)",
		syscall.EINVAL: "error: open /dev/x: invalid argument",
	} {
		err := serialError("/dev/x", &os.PathError{Op: "open", Path: "/tmp/dev/x", Err: errno})
		if got := strings.Join(lines(nil, err), ""); got != want {
			t.Errorf("%v: %q, want %q", errno, got, want)
		}
	}
	if got := serialError("/dev/x", errBaud).Error(); got != "open /dev/x: the port cannot do this baud rate" {
		t.Error(got)
	}
}

func TestRawTermios(t *testing.T) {
	const base = unix.CREAD | unix.CLOCAL | unix.B9600
	for mode, want := range map[string]uint32{
		"8N1": base | unix.CS8,
		"7E1": base | unix.CS7 | unix.PARENB,
		"7O2": base | unix.CS7 | unix.PARENB | unix.PARODD | unix.CSTOPB,
		"8E1": base | unix.CS8 | unix.PARENB,
		"8N2": base | unix.CS8 | unix.CSTOPB,
	} {
		got := rawTermios(unix.Termios{Lflag: unix.ECHO | unix.ICANON, Cflag: unix.HUPCL | unix.CRTSCTS}, serialSettings{"", 9600, mode})
		if got.Cflag != want || got.Lflag != 0 || got.Cc[unix.VMIN] != 1 || (got.Iflag&unix.INPCK != 0) != (mode[1] != 'N') {
			t.Errorf("%s: %+v, want cflag %o", mode, got, want)
		}
	}
	for baud, rate := range baudRates {
		if got := rawTermios(unix.Termios{}, serialSettings{"", baud, "8N1"}); got.Cflag&unix.CBAUD != rate || got.Ospeed != rate {
			t.Errorf("%d: %+v", baud, got)
		}
	}
}

func TestLinePatternWithAlternatives(t *testing.T) {
	b := build(t, serialKind(), NewHost("/"), "port = \"/dev/x\"\npattern = \"T (?P<t>[0-9.]+)|temp=(?P<t>[0-9.]+) (?P<h>[a-z]+)\"")
	if diff := cmp.Diff([]string{"t", "h"}, b.Fields); diff != "" {
		t.Error(diff)
	}
	p := b.Sensor.(*serial).parser
	for line, want := range map[string][]string{"T 5": {"t: 5"}, "temp=6 wet": {"t: 6", "h: wet"}, "x": nil} {
		if diff := cmp.Diff(want, lines(p.parse([]byte(line)), nil)); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

func TestSplitter(t *testing.T) {
	start := time.Now()
	for _, tt := range []struct {
		skip  bool
		after time.Duration // of the first byte
		feed  []string
		want  []string
	}{
		{false, 0, []string{"a\nb\r\nc\rd"}, []string{"a", "b", "c"}},
		{false, 0, []string{"a", "b", "\r", "\nc\n"}, []string{"ab", "c"}},
		{true, 0, []string{"alf\nwhole\n"}, []string{"whole"}},
		{true, serialIdle - 1, []string{"alf", "\n"}, nil},
		{true, serialIdle, []string{"who", "le\n"}, []string{"whole"}},
		{true, 0, []string{"", "al", "f\nwhole\n"}, []string{"whole"}},
		{false, 0, []string{strings.Repeat("x", maxSerialLine) + "\n"}, []string{strings.Repeat("x", maxSerialLine)}},
		{false, 0, []string{strings.Repeat("x", maxSerialLine+1) + "\na\n"}, []string{"a"}},
		{false, 0, []string{strings.Repeat("x", maxSerialLine), strings.Repeat("x", 5*maxSerialLine), "y\na\n"}, []string{"a"}},
	} {
		var got []string
		s := &splitter{skip: tt.skip, opened: start}
		for i, text := range tt.feed {
			s.feed([]byte(text), start.Add(tt.after+time.Duration(i)*time.Millisecond), func(b []byte, _ time.Time) { got = append(got, string(b)) })
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%.40q: %s", tt.feed, diff)
		}
	}
}

// Lines are the same however the bytes come.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("W=1\r\n\r\nW=2\n"), 3, false)
	f.Add([]byte(strings.Repeat("x", 1030)+"\na\n"), 100, true)
	f.Fuzz(func(t *testing.T, b []byte, step int, skip bool) {
		split := func(step int) (lines []string) {
			s := &splitter{skip: skip, opened: time.Unix(0, 0)}
			for rest := b; len(rest) > 0; rest = rest[step:] {
				step = min(step, len(rest))
				s.feed(rest[:step], time.Unix(0, 0), func(line []byte, _ time.Time) { lines = append(lines, string(line)) })
			}
			return lines
		}
		whole := split(len(b))
		if step > 0 {
			if diff := cmp.Diff(whole, split(step)); diff != "" {
				t.Error(diff)
			}
		}
		for _, line := range whole {
			if line == "" || len(line) > maxSerialLine || strings.ContainsAny(line, "\r\n") {
				t.Errorf("line %q", line)
			}
		}
	})
}
