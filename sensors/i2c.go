package sensors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"periph.io/x/conn/v3/physic"
)

// An I2CBus is an open I²C adapter. Tx is not called from two goroutines at
// once; it may block as long as the kernel's driver does.
type I2CBus interface {
	// Tx writes w to the 7 bit address and then reads r, with a repeated start
	// in between; either may be empty. Its error has the errno: EREMOTEIO or
	// ENXIO when nothing acknowledges, ETIMEDOUT when the clock is held.
	Tx(address uint16, w, r []byte) error
	Close() error
}

// Bounds of what one Read of a sensor may do on its bus.
const (
	maxTransfer  = 2 * time.Second // of one transfer; adapters give up after 1 s
	maxTransfers = 4096            // in one Read: some drivers poll a status bit for ever
)

var (
	errManyTransfers = errors.New("the chip never gets ready")
	errShort         = errors.New("the transfer was cut short")
)

// An i2cPort is one bus of a host, shared by all sensors and outputs on it. It
// is opened by the first transfer, and anew after a failed one of the adapter.
type i2cPort struct {
	number int
	open   func(int) (I2CBus, error)
	free   chan struct{} // holds one while no transfer is under way
	bus    I2CBus        // belongs to who took from free
}

// i2c returns the port of /dev/i2c-N. It touches no hardware.
func (h *Host) i2c(number int) *i2cPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.ports[number]
	if p == nil {
		p = &i2cPort{number: number, open: h.OpenI2C, free: make(chan struct{}, 1)}
		p.free <- struct{}{}
		if h.ports == nil {
			h.ports = make(map[int]*i2cPort)
		}
		h.ports[number] = p
	}
	return p
}

// tx does one transfer and waits for it until deadline. A transfer that hangs
// in the kernel holds the bus: it is the only one that does, it works on
// buffers of its own, and the bus is free when it returns.
func (p *i2cPort) tx(deadline time.Time, address uint16, w, r []byte) error {
	limit := time.NewTimer(time.Until(deadline))
	defer limit.Stop()
	select {
	case <-p.free:
	case <-limit.C:
		return fmt.Errorf("bus %d is held by a transfer that does not end: %w", p.number, os.ErrDeadlineExceeded)
	}
	in, done := make([]byte, len(r)), make(chan error, 1)
	out := append([]byte(nil), w...)
	go func() {
		err := p.transfer(address, out, in)
		p.free <- struct{}{}
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			copy(r, in)
		}
		return err
	case <-limit.C:
		return fmt.Errorf("no answer from the adapter of bus %d: %w", p.number, os.ErrDeadlineExceeded)
	}
}

func (p *i2cPort) transfer(address uint16, w, r []byte) (err error) {
	if p.bus == nil {
		if p.bus, err = p.open(p.number); err != nil {
			p.bus = nil
			return err
		}
	}
	if err = p.bus.Tx(address, w, r); errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EBADF) {
		p.bus.Close() // an adapter on USB was unplugged
		p.bus = nil
	}
	return err
}

// An i2cBus is what a driver gets: periph's i2c.Bus with a deadline and a
// bound, both set by begin. It belongs to one sensor and is not safe for use
// from several goroutines; the port below it is.
type i2cBus struct {
	port     *i2cPort
	deadline time.Time
	left     int
	err      error // the first failed transfer since begin: some drivers lose it
}

// begin starts the work of one Read.
func (b *i2cBus) begin(ctx context.Context) {
	b.deadline, b.left, b.err = time.Now().Add(time.Minute), maxTransfers, nil
	if d, ok := ctx.Deadline(); ok {
		b.deadline = d
	}
}

// Tx implements i2c.Bus. After a failed transfer that no retry can heal, and
// after the deadline, it fails at once: this ends the loops of drivers.
func (b *i2cBus) Tx(address uint16, w, r []byte) error {
	err := errManyTransfers
	now := time.Now()
	if b.left--; !now.Before(b.deadline) {
		err = fmt.Errorf("i2c bus %d: %w", b.port.number, os.ErrDeadlineExceeded)
	} else if b.left >= 0 {
		end := now.Add(maxTransfer)
		if b.deadline.Before(end) {
			end = b.deadline
		}
		err = b.port.tx(end, address, w, r)
	}
	if err != nil && b.err == nil {
		b.err = err
	}
	return err
}

// String implements i2c.Bus.
func (b *i2cBus) String() string { return fmt.Sprintf("i2c-%d", b.port.number) }

// SetSpeed implements i2c.Bus. The kernel's adapter drivers fix the clock.
func (b *i2cBus) SetSpeed(physic.Frequency) error {
	return errors.New("the clock of an i2c bus is set by the kernel: dtparam=i2c_arm_baudrate")
}

// i2c-dev (Documentation/i2c/dev-interface.rst).
const (
	i2cRdwr     = 0x0707 // I2C_RDWR
	i2cMsgRead  = 0x0001 // I2C_M_RD
	i2cMaxBytes = 8192   // of one message
)

type i2cMsg struct {
	address, flags, length uint16
	buf                    unsafe.Pointer
}

type i2cRdwrData struct {
	msgs  unsafe.Pointer
	count uint32
}

// i2cFile is an open /dev/i2c-N.
type i2cFile struct{ fd int }

// openI2C opens a bus of this machine.
func openI2C(path string) (I2CBus, error) {
	fd, err := retry(func() (int, error) { return syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, err
	}
	return i2cFile{fd}, nil
}

func (f i2cFile) Close() error { return syscall.Close(f.fd) }

// Tx implements I2CBus. The pointers stay unsafe.Pointers, which the runtime
// follows, until the system call: periph's host keeps them as numbers, and a
// stack that moves leaves those behind.
func (f i2cFile) Tx(address uint16, w, r []byte) error {
	if len(w) > i2cMaxBytes || len(r) > i2cMaxBytes {
		return syscall.EINVAL
	}
	var msgs [2]i2cMsg
	n := 0
	if len(w) > 0 || len(r) == 0 {
		msgs[n] = i2cMsg{address, 0, uint16(len(w)), unsafe.Pointer(unsafe.SliceData(w))}
		n++
	}
	if len(r) > 0 {
		msgs[n] = i2cMsg{address, i2cMsgRead, uint16(len(r)), unsafe.Pointer(unsafe.SliceData(r))}
		n++
	}
	data := i2cRdwrData{unsafe.Pointer(&msgs), uint32(n)}
	done, err := ioctl(f.fd, i2cRdwr, unsafe.Pointer(&data))
	runtime.KeepAlive(w)
	runtime.KeepAlive(r)
	if err == nil && done < n {
		return errShort // virtio-i2c tells a missing chip so
	}
	return err
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// realI2C opens /dev/i2c-N and says what to do when that is not possible.
func (h *Host) realI2C(number int) (I2CBus, error) {
	name := fmt.Sprintf("/dev/i2c-%d", number)
	bus, err := openI2C(h.path(name))
	switch {
	case errors.Is(err, syscall.ENOENT):
		return nil, missing("there is no %s: turn the bus on with dtparam=i2c_arm=on in config.txt, and load the module i2c-dev", name)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, misconfigured(err, "open %s: put the user that runs pipit into the group i2c", name)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return bus, nil
}

// hostState is what a Host keeps between reads.
type hostState struct {
	mu    sync.Mutex
	ports map[int]*i2cPort
	pwms  map[pca9685At]*pca9685Chip
}
