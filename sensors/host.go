package sensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"pipit/agent"
)

// maxFile bounds what is read of one file of the kernel, in bytes.
const maxFile = 256 << 10

// A Host is the only door to the hardware. Use NewHost. Its methods may be
// called from any goroutine.
type Host struct {
	// Root is "/", or a fake tree in tests. Every path is taken below it;
	// ".." does not lead out of it, symbolic links do.
	Root string
	// Statfs tells the size of the file system that holds path, which is
	// already below Root. Tests replace it. It may block as long as a dead
	// network file system does.
	Statfs func(path string) (Space, error)
	// OpenI2C opens /dev/i2c-N, OpenSPI a /dev/spidevB.C. Tests replace them.
	OpenI2C func(bus int) (I2CBus, error)
	OpenSPI func(SPISettings) (SPIPort, error)
	// GPIOChips tells the GPIO chips and who uses their lines, OpenLine requests
	// a line. Tests replace them.
	GPIOChips func() ([]GPIOChip, error)
	OpenLine  func(LineRequest) (Line, error)

	// read replaces buf by the content of the regular file at path, at most
	// limit bytes and one more, which tells that there is more.
	read func(path string, buf []byte, limit int) ([]byte, error)
	// write writes text to the regular file at path, which exists, in one
	// system call, as attributes of the kernel want it.
	write func(path, text string) error

	hostState
}

// Space is the size of a file system in bytes.
type Space struct {
	Total     uint64
	Free      uint64 // with what is kept back for root
	Available uint64 // to everybody
	ReadOnly  bool   // by mount option, or since an error (errors=remount-ro)
}

// NewHost returns the door to the tree below root, "/" for this machine.
func NewHost(root string) *Host {
	h := &Host{Root: root, Statfs: statfs, read: readRegular, write: writeRegular}
	h.OpenI2C, h.OpenSPI = h.realI2C, h.realSPI
	h.GPIOChips, h.OpenLine = h.realGPIOChips, h.realOpenLine
	return h
}

// path returns where a file of the host is.
func (h *Host) path(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	name = filepath.Clean(name)
	if h.Root == "/" {
		return name
	}
	return filepath.Join(h.Root, name)
}

// bytes returns the content of a file and reuses buf for it. A file that does
// not exist is an *agent.MissingError; other errors carry name and errno.
func (h *Host) bytes(name string, buf []byte) ([]byte, error) {
	b, err := h.head(name, buf, maxFile)
	if err == nil && len(b) > maxFile {
		return b[:0], fmt.Errorf("read %s: larger than %d KiB", name, maxFile>>10)
	}
	return b, err
}

// head returns the first limit bytes of a file, and one more if there is more.
func (h *Host) head(name string, buf []byte, limit int) ([]byte, error) {
	b, err := h.read(h.path(name), buf, limit)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, fs.ErrNotExist):
		return buf[:0], missing("there is no %s", name)
	case errors.Is(err, fs.ErrPermission):
		return buf[:0], fmt.Errorf("read %s: %w: give the user that runs pipit the right to read it", name, err)
	}
	return buf[:0], fmt.Errorf("read %s: %w", name, err)
}

// line returns the first line of a small file without the space around it.
func (h *Host) line(name string) (string, error) {
	var small [64]byte
	b, err := h.bytes(name, small[:0])
	return firstLine(b), err
}

// store writes an attribute of the kernel. A file that does not exist is an
// *agent.MissingError; without the right to write it, the error ends with who,
// which says how to get that right; other errors carry name and errno.
func (h *Host) store(name, text, who string) error {
	err := h.write(h.path(name), text)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return missing("there is no %s", name)
	case errors.Is(err, fs.ErrPermission):
		return misconfigured(err, "write %s: %s", name, who)
	}
	return fmt.Errorf("write %s to %s: %w", quote(text), name, err)
}

// list returns the names in a directory in natural order (hwmon2 before
// hwmon10), nothing when the directory does not exist.
func (h *Host) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(h.path(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list %s: %w", dir, errors.Unwrap(err))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.SortFunc(names, natural)
	return names, nil
}

// natural orders names that differ in a number behind the same word.
func natural(a, b string) int {
	x, y := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if x == y && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// target returns the last part of where a symbolic link points to, "" when
// there is no such link.
func (h *Host) target(name string) string {
	to, err := os.Readlink(h.path(name))
	if err != nil {
		return ""
	}
	return filepath.Base(to)
}

// parent returns the name of the directory that holds what a symbolic link
// points to, "" when there is no such link: what a device is attached to.
func (h *Host) parent(name string) string {
	to, err := os.Readlink(h.path(name))
	if err != nil {
		return ""
	}
	return filepath.Base(filepath.Dir(to))
}

func (h *Host) exists(name string) bool {
	_, err := os.Stat(h.path(name))
	return err == nil
}

// openRegular opens without waiting, because opening a FIFO or a device may
// block for ever, and refuses what is not a regular file.
func openRegular(path string, mode int) (int, error) {
	fd, err := retry(func() (int, error) {
		return syscall.Open(path, mode|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	})
	if err != nil {
		return 0, err
	}
	var st syscall.Stat_t
	if err = syscall.Fstat(fd, &st); err == nil && st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		err = errors.New("not a regular file")
	}
	if err != nil {
		syscall.Close(fd)
		return 0, err
	}
	return fd, nil
}

// writeRegular neither makes a file nor cuts one: attributes are always there.
func writeRegular(path, text string) error {
	fd, err := openRegular(path, syscall.O_WRONLY)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	n, err := retry(func() (int, error) { return syscall.Write(fd, []byte(text)) })
	if err == nil && n < len(text) {
		return errShort
	}
	return err
}

func readRegular(path string, buf []byte, limit int) ([]byte, error) {
	fd, err := openRegular(path, syscall.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	for buf = buf[:0]; len(buf) <= limit; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 512)
		}
		n, err := retry(func() (int, error) {
			return syscall.Read(fd, buf[len(buf):min(cap(buf), limit+1)])
		})
		if n <= 0 || err != nil {
			return buf, err
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// retry repeats a system call that a signal has interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func statfs(path string) (Space, error) {
	const readOnly = 1 // ST_RDONLY of statfs(2)
	var st syscall.Statfs_t
	if _, err := retry(func() (int, error) { return 0, syscall.Statfs(path, &st) }); err != nil {
		return Space{}, err
	}
	block := uint64(st.Frsize)
	return Space{
		Total:     st.Blocks * block,
		Free:      st.Bfree * block,
		Available: st.Bavail * block,
		ReadOnly:  int64(st.Flags)&readOnly != 0,
	}, nil
}

// missing returns the error that says that hardware is not there.
func missing(format string, args ...any) error {
	return &agent.MissingError{Reason: fmt.Sprintf(format, args...)}
}

// errUnset is in the error of an output that has no state before it is set.
var errUnset = errors.New("not set yet")

// unset returns such an error; it is missing as well.
func unset(format string, args ...any) error {
	return unsetError{missing(format, args...)}
}

type unsetError struct{ error }

func (e unsetError) Unwrap() []error { return []error{e.error, errUnset} }

// IsUnset tells whether the error of an output's Get says no more than that it
// was not set yet.
func IsUnset(err error) bool { return errors.Is(err, errUnset) }

func isMissing(err error) bool {
	var e *agent.MissingError
	return errors.As(err, &e)
}
