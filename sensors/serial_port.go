package sensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// baudRates are the rates of termios(3) that every USB adapter knows.
var baudRates = map[int]uint32{
	300: unix.B300, 600: unix.B600, 1200: unix.B1200, 2400: unix.B2400, 4800: unix.B4800, 9600: unix.B9600,
	19200: unix.B19200, 38400: unix.B38400, 57600: unix.B57600, 115200: unix.B115200,
	230400: unix.B230400, 460800: unix.B460800, 921600: unix.B921600,
}

// serialModes returns what mode may be: data bits, parity, stop bits.
func serialModes() []string {
	return []string{"8N1", "8N2", "8E1", "8E2", "8O1", "8O2", "7N1", "7N2", "7E1", "7E2", "7O1", "7O2"}
}

type serialSettings struct {
	port string
	baud int    // one of baudRates
	mode string // one of serialModes
}

// openSerial opens a serial port for ourselves alone, raw. The file heeds
// deadlines. A port that is not there is an *agent.MissingError.
func (h *Host) openSerial(s serialSettings) (*os.File, error) {
	// Without O_NONBLOCK open may wait for ever for a carrier.
	f, err := os.OpenFile(h.path(s.port), os.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, serialError(s.port, err)
	}
	if err := control(f, func(fd int) error { return setSerial(fd, s) }); err != nil {
		f.Close()
		return nil, serialError(s.port, err)
	}
	return f, nil
}

// setSerial takes the port for us and sets it. TIOCEXCL keeps others out, but
// not root; the lock is what other programs of root look at.
func setSerial(fd int, s serialSettings) error {
	now, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	want := rawTermios(*now, s)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &want); err != nil {
		return err
	}
	// TCSETS succeeds when it could do a part.
	if now, err = unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return err
	}
	if now.Cflag&unix.CBAUD != want.Cflag&unix.CBAUD {
		return errBaud
	}
	if err := unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH); err != nil {
		return err
	}
	return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0)
}

var errBaud = errors.New("the port cannot do this baud rate")

// rawTermios returns settings without echo, translation, flow control and
// signals. Without HUPCL the modem lines stay as they are when the port is
// closed, and a board that they reset stays in peace when it is opened again.
func rawTermios(t unix.Termios, s serialSettings) unix.Termios {
	t.Cflag, t.Iflag, t.Oflag, t.Lflag = unix.CREAD|unix.CLOCAL|unix.CS8, unix.IGNBRK, 0, 0
	rate := baudRates[s.baud]
	t.Cflag |= rate
	t.Ispeed, t.Ospeed = rate, rate
	if s.mode[0] == '7' {
		t.Cflag = t.Cflag&^unix.CSIZE | unix.CS7
	}
	switch s.mode[1] {
	case 'E':
		t.Cflag |= unix.PARENB
	case 'O':
		t.Cflag |= unix.PARENB | unix.PARODD
	}
	if s.mode[1] != 'N' {
		t.Iflag |= unix.INPCK // a byte of wrong parity becomes NUL
	}
	if s.mode[2] == '2' {
		t.Cflag |= unix.CSTOPB
	}
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0 // no byte is EAGAIN, not the end of the file
	return t
}

// closeSerial gives a port back: it drops what is not sent yet, because close
// would wait for it, and lets others in even where somebody still has it open.
func closeSerial(f *os.File) {
	_ = control(f, func(fd int) error {
		return errors.Join(unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH), unix.IoctlSetInt(fd, unix.TIOCNXCL, 0))
	})
	f.Close()
}

// control calls do with the descriptor of a file that stays non-blocking.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}

// serialError says what a person has to do.
func serialError(port string, err error) error {
	cause := err
	if in, ok := errors.AsType[*fs.PathError](err); ok {
		cause = in.Err
	}
	switch cause {
	case syscall.ENOENT:
		return missing("there is no %s: is the adapter plugged in? \"ls /dev/serial/by-id\" lists them", port)
	case syscall.ENXIO, syscall.ENODEV, syscall.EIO:
		return missing("there is no hardware behind %s (%s)", port, cause)
	case syscall.EACCES, syscall.EPERM:
		return fmt.Errorf("open %s: %w: add the user that runs pipit to the group dialout", port, cause)
	case syscall.EBUSY, syscall.EWOULDBLOCK:
		return fmt.Errorf("open %s: %w: another program holds it, \"fuser -v %s\" tells which", port, syscall.EBUSY, port)
	case syscall.ENOTTY, syscall.EISDIR:
		return fmt.Errorf("%s is not a serial port", port)
	}
	return fmt.Errorf("open %s: %w", port, cause)
}
