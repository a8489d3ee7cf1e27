package sensors

import (
	"sync"
	"syscall"
	"testing"
)

// A simChip is a simulated chip on an I²C bus.
type simChip interface {
	// Tx is one transfer to the chip: it gets w and fills r.
	Tx(w, r []byte) error
}

// A simBus is a simulated I²C adapter with chips by address. Faults may be set
// while it is used.
type simBus struct {
	mu    sync.Mutex
	chips map[uint16]simChip
	err   error         // of each transfer, e.g. syscall.ETIMEDOUT: the clock is held low
	stuck bool          // SDA is held high: every chip reads as 0xFF and acknowledges
	nak   int           // so many transfers that nothing acknowledges
	hang  chan struct{} // a transfer waits until it is closed
	txs   int           // transfers so far
	opens int
	close int
}

// plug replaces the I²C door of h by a bus with one chip.
func plug(h *Host, address uint16, c simChip) *simBus {
	b := &simBus{chips: map[uint16]simChip{address: c}}
	h.OpenI2C = func(int) (I2CBus, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.opens++
		return b, nil
	}
	return b
}

// set changes a fault of the bus.
func (b *simBus) set(change func(*simBus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func (b *simBus) Tx(address uint16, w, r []byte) error {
	b.mu.Lock()
	hang := b.hang
	b.mu.Unlock()
	if hang != nil {
		<-hang
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.txs++
	c := b.chips[address]
	switch {
	case b.err != nil:
		return b.err
	case b.stuck:
		for i := range r {
			r[i] = 0xFF
		}
		return nil
	case b.nak > 0:
		b.nak--
		return syscall.EREMOTEIO
	case c == nil:
		return syscall.EREMOTEIO
	}
	return c.Tx(w, r)
}

func (b *simBus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close++
	return nil
}

// A registerMap is a chip of registers of one byte: a transfer writes the
// register's number and then its content, or reads from there on. It wraps at
// the end of the map.
type registerMap [256]byte

func (m *registerMap) Tx(w, r []byte) error {
	if len(w) == 0 {
		return syscall.EINVAL
	}
	at := w[0]
	for i, b := range w[1:] {
		m[at+byte(i)] = b
	}
	for i := range r {
		r[i] = m[at+byte(i)]
	}
	return nil
}

func TestSimBusIsAnI2CBus(t *testing.T) {
	h := NewHost(t.TempDir())
	b := plug(h, 0x40, &registerMap{1: 7})
	bus, err := h.OpenI2C(1)
	if err != nil {
		t.Fatal(err)
	}
	var r [2]byte
	if err := bus.Tx(0x40, []byte{1}, r[:]); err != nil || r != [2]byte{7, 0} {
		t.Errorf("read %v, %v", r, err)
	}
	if err := bus.Tx(0x41, nil, r[:]); err != syscall.EREMOTEIO {
		t.Errorf("an empty address gave %v", err)
	}
	b.set(func(b *simBus) { b.stuck = true })
	if err := bus.Tx(0x41, nil, r[:]); err != nil || r != [2]byte{0xFF, 0xFF} {
		t.Errorf("stuck: read %v, %v", r, err)
	}
}
