package sensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// This file is the kernel's GPIO character device, uAPI v2, by the structures
// and calls of gpiocdev/uapi. The layer above that, gpiocdev itself, is not
// used: its event watcher panics the process on an error of epoll, and spins
// when a chip on USB is unplugged. Here a line's edges are read through the
// runtime's poller, which takes no thread and ends with the line.

const (
	maxChips   = 64
	maxLines   = 1024 // of one chip
	edgeBuffer = 256  // edges that the kernel keeps for us, and that are read at once
	edgeBytes  = 48   // sizeof(struct gpio_v2_line_event)

	// edgeRest comes after each read of edges: a contact that chatters costs
	// 200 reads a second, whatever it does. Up to 51200 edges a second are all
	// seen; of more, the kernel's numbers tell how many were not.
	edgeRest = 5 * time.Millisecond
)

// realGPIOChips lists the chips of this machine with their lines. Raspberry Pi
// OS has a symbolic link from one chip to another: links are left out.
func (h *Host) realGPIOChips() (chips []GPIOChip, failed error) {
	names, err := h.list("/dev")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "gpiochip") || len(chips) == maxChips {
			continue
		}
		if st, err := os.Lstat(h.path("/dev/" + name)); err != nil || st.Mode().Type()&fs.ModeCharDevice == 0 {
			continue
		}
		chip, err := readChipInfo(h.path("/dev/" + name))
		switch {
		case err == nil:
			chips = append(chips, chip)
		case chipGone(err): // since it was listed
		case failed == nil:
			failed = chipError(name, err)
		}
	}
	if len(chips) == 0 && failed == nil {
		return nil, missing("there is no /dev/gpiochip*")
	}
	return chips, failed
}

// chipGone tells whether a chip was unplugged.
func chipGone(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV)
}

// chipError says what to do about a chip that cannot be opened or asked.
func chipError(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return misconfigured(err, "open /dev/%s: put the user that runs pipit into the group gpio", name)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTTY):
		return misconfigured(err, "/dev/%s does not know version 2 of the GPIO interface: Linux 5.10 or newer is needed", name)
	}
	return fmt.Errorf("/dev/%s: %w", name, err)
}

// openGPIO opens a chip and passes its descriptor on.
func openGPIO(path string, use func(fd uintptr) error) error {
	fd, err := retry(func() (int, error) { return syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return use(uintptr(fd))
}

func readChipInfo(path string) (chip GPIOChip, err error) {
	err = openGPIO(path, func(fd uintptr) error {
		info, err := uapi.GetChipInfo(fd)
		if err != nil {
			return err
		}
		chip.Name, chip.Label = uapi.BytesToString(info.Name[:]), uapi.BytesToString(info.Label[:])
		for i := range min(int(info.Lines), maxLines) {
			li, err := uapi.GetLineInfoV2(fd, i)
			if err != nil {
				return err
			}
			chip.Lines = append(chip.Lines, GPIOLine{
				Offset: i, Name: uapi.BytesToString(li.Name[:]), Consumer: uapi.BytesToString(li.Consumer[:]),
				Used: li.Flags.IsUsed(), Output: li.Flags.IsOutput(),
			})
		}
		return nil
	})
	return chip, err
}

// lineConfig translates a request.
func lineConfig(req LineRequest) (c uapi.LineConfig) {
	only := func(a uapi.LineAttribute) {
		c.AddAttribute(uapi.LineConfigAttribute{Attr: a, Mask: 1})
	}
	set := func(on bool, flag uapi.LineFlagV2) {
		if on {
			c.Flags |= flag
		}
	}
	set(req.ActiveLow, uapi.LineFlagV2ActiveLow)
	if req.Output {
		set(true, uapi.LineFlagV2Output)
		set(req.Drive == "open-drain", uapi.LineFlagV2OpenDrain)
		set(req.Drive == "open-source", uapi.LineFlagV2OpenSource)
		only(uapi.OutputValues(lineBit(req.Value)).Encode())
		return c
	}
	set(true, uapi.LineFlagV2Input)
	set(req.Pull == "up", uapi.LineFlagV2BiasPullUp)
	set(req.Pull == "down", uapi.LineFlagV2BiasPullDown)
	set(req.Pull == "none", uapi.LineFlagV2BiasDisabled)
	set(req.Rising, uapi.LineFlagV2EdgeRising)
	set(req.Falling, uapi.LineFlagV2EdgeFalling)
	if req.Debounce > 0 {
		only(uapi.DebouncePeriod(req.Debounce).Encode())
	}
	return c
}

func lineBit(active bool) uapi.LineBitmap {
	if active {
		return 1
	}
	return 0
}

// cdevLine is a requested line.
type cdevLine struct {
	file *os.File
	stop chan struct{} // closed by Close
	done chan struct{} // closed when Edge is called no more
	deaf error         // why, when done is closed; nil: no edges were asked for
}

// realOpenLine requests a line of this machine.
func (h *Host) realOpenLine(req LineRequest) (Line, error) {
	r := uapi.LineRequest{Lines: 1, Config: lineConfig(req)}
	r.Offsets[0] = uint32(req.Offset)
	copy(r.Consumer[:], gpioConsumer)
	if req.Edge != nil {
		r.EventBufferSize = edgeBuffer
	}
	if err := openGPIO(h.path("/dev/"+req.Chip), func(fd uintptr) error { return uapi.GetLine(fd, &r) }); err != nil {
		return nil, err
	}
	syscall.CloseOnExec(int(r.Fd))
	if err := syscall.SetNonblock(int(r.Fd), true); err != nil {
		syscall.Close(int(r.Fd))
		return nil, err
	}
	return newCdevLine(os.NewFile(uintptr(r.Fd), req.Chip), req.Edge), nil
}

// newCdevLine returns the line of a descriptor that does not block; edge may be nil.
func newCdevLine(file *os.File, edge func(LineEdge)) *cdevLine {
	l := &cdevLine{file: file, stop: make(chan struct{}), done: make(chan struct{})}
	if edge == nil {
		close(l.done)
	} else {
		go l.listen(edge)
	}
	return l
}

// listen passes edges on until the line is closed or its chip is gone, which
// Value tells.
func (l *cdevLine) listen(edge func(LineEdge)) {
	defer close(l.done)
	buf := make([]byte, edgeBytes*edgeBuffer)
	for {
		n, err := l.file.Read(buf)
		if err != nil {
			l.deaf = err
			return
		}
		now, mono := time.Now(), monotonicNow()
		for at := 0; at+edgeBytes <= n; at += edgeBytes {
			edge(parseEdge(buf[at:at+edgeBytes], now, mono))
		}
		select {
		case <-l.stop:
			l.deaf = os.ErrClosed
			return
		case <-time.After(edgeRest):
		}
	}
}

// parseEdge reads a struct gpio_v2_line_event; now and mono are one moment, of
// which mono is by the clock of the event, CLOCK_MONOTONIC.
func parseEdge(b []byte, now time.Time, mono time.Duration) LineEdge {
	order := binary.NativeEndian
	ago := mono - time.Duration(order.Uint64(b))
	return LineEdge{
		Rising: uapi.LineEventID(order.Uint32(b[8:])) == uapi.LineEventRisingEdge,
		At:     now.Add(-max(ago, 0)),
		Seq:    order.Uint32(b[20:]),
	}
}

func monotonicNow() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // which cannot be: then an edge is dated when it is read
	}
	return time.Duration(ts.Nano())
}

// ioctl runs a call on the line's descriptor, which stays open meanwhile.
func (l *cdevLine) ioctl(call func(fd uintptr) error) error {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = call(fd) }); err != nil {
		return err
	}
	return failed
}

// Value implements Line. A line whose edges come no more has no value either:
// else a counter would stand still and look well.
func (l *cdevLine) Value() (bool, error) {
	select {
	case <-l.done:
		if l.deaf != nil {
			return false, fmt.Errorf("edges come no more: %w", l.deaf)
		}
	default:
	}
	v := uapi.LineValues{Mask: 1}
	err := l.ioctl(func(fd uintptr) error { return uapi.GetLineValuesV2(fd, &v) })
	return v.Get(0) == 1, err
}

// SetValue implements Line.
func (l *cdevLine) SetValue(active bool) error {
	return l.ioctl(func(fd uintptr) error {
		return uapi.SetLineValuesV2(fd, uapi.LineValues{Mask: 1, Bits: lineBit(active)})
	})
}

// Close implements Line. It is called once.
func (l *cdevLine) Close() error {
	close(l.stop)
	err := l.file.Close()
	<-l.done
	return err
}
