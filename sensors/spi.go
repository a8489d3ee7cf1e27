package sensors

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

// An SPIPort is one chip select of an SPI bus. It is used from one goroutine
// at a time; Tx blocks as long as the transfer takes.
type SPIPort interface {
	// Tx sends w and receives r at the same time; both have one length, at
	// most 4096 bytes. Its error has the errno.
	Tx(w, r []byte) error
	Close() error
}

// SPISettings are those of an SPIPort.
type SPISettings struct {
	Bus, Chip int    // /dev/spidevBUS.CHIP
	Hz        uint32 // of the clock
	Mode      uint8  // 0 to 3: CPOL and CPHA
}

// spidev (include/uapi/linux/spi/spidev.h).
const (
	spiMessage  = 0x40206b00 // SPI_IOC_MESSAGE(1)
	spiMode     = 0x40016b01 // SPI_IOC_WR_MODE
	spiBits     = 0x40016b03 // SPI_IOC_WR_BITS_PER_WORD
	spiSpeed    = 0x40046b04 // SPI_IOC_WR_MAX_SPEED_HZ
	spiMaxBytes = 4096       // the driver's default bufsiz
)

// spiTransfer is struct spi_ioc_transfer.
type spiTransfer struct {
	tx, rx         uint64 // pointers
	length, hz     uint32
	delay          uint16
	bits, csChange uint8
	_              uint32
}

// spiFile is an open /dev/spidevB.C.
type spiFile struct {
	fd int
	hz uint32
}

// realSPI opens a port and says what to do when that is not possible.
func (h *Host) realSPI(s SPISettings) (SPIPort, error) {
	name := fmt.Sprintf("/dev/spidev%d.%d", s.Bus, s.Chip)
	fd, err := retry(func() (int, error) { return syscall.Open(h.path(name), syscall.O_RDWR|syscall.O_CLOEXEC, 0) })
	switch {
	case errors.Is(err, syscall.ENOENT):
		return nil, missing("there is no %s: turn the bus on with dtparam=spi=on in config.txt", name)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, misconfigured(err, "open %s: put the user that runs pipit into the group spi", name)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	f := spiFile{fd, s.Hz}
	bits := uint8(8)
	for _, set := range []struct {
		request uintptr
		value   unsafe.Pointer
	}{{spiMode, unsafe.Pointer(&s.Mode)}, {spiBits, unsafe.Pointer(&bits)}, {spiSpeed, unsafe.Pointer(&s.Hz)}} {
		if _, err := ioctl(fd, set.request, set.value); err != nil {
			f.Close()
			return nil, fmt.Errorf("set up %s: %w", name, err)
		}
	}
	return f, nil
}

func (f spiFile) Close() error { return syscall.Close(f.fd) }

// Tx implements SPIPort. The kernel wants the pointers as numbers, which the
// runtime does not follow: the buffers are of our own, on the heap, and pinned.
func (f spiFile) Tx(w, r []byte) error {
	if len(w) != len(r) || len(w) == 0 || len(w) > spiMaxBytes {
		return syscall.EINVAL
	}
	out, in := append([]byte(nil), w...), make([]byte, len(r))
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&out[0])
	pin.Pin(&in[0])
	t := spiTransfer{
		tx: uint64(uintptr(unsafe.Pointer(&out[0]))), rx: uint64(uintptr(unsafe.Pointer(&in[0]))),
		length: uint32(len(w)), hz: f.hz, bits: 8,
	}
	n, err := ioctl(f.fd, spiMessage, unsafe.Pointer(&t))
	if err != nil {
		return err
	}
	if n < len(w) {
		return errShort
	}
	copy(r, in)
	return nil
}
