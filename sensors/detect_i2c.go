package sensors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// scanTime bounds the look at one bus.
const scanTime = 10 * time.Second

// detectI2C looks at every adapter. What one of them does not say is no reason
// to leave the others out.
func (h *Host) detectI2C(ctx context.Context) ([]Finding, error) {
	const devices = "/sys/bus/i2c/devices"
	entries, err := h.list(devices)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, entry := range entries {
		number, isAdapter := strings.CutPrefix(entry, "i2c-")
		n, err := strconv.Atoi(number)
		if !isAdapter || err != nil || ctx.Err() != nil {
			continue
		}
		name, _ := h.line(devices + "/" + entry + "/name")
		scan := &i2cScan{host: h, number: n, bus: &i2cBus{port: h.i2c(n)}}
		here, err := scan.run(ctx)
		adapter := Finding{Name: name, Where: fmt.Sprintf("i2c bus %d", n)}
		if err != nil {
			adapter.Problem = err.Error()
		} else {
			adapter.Notes = []string{"chips that answer to commands only are not found: if you have one, take its table"}
			adapter.Sensors = []Suggestion{i2cSuggestion("sht4x", n, 0x44), i2cSuggestion("scd4x", n, 0x62)}
		}
		found = append(append(found, adapter), here...)
	}
	if len(entries) == 0 {
		return nil, missing("there is no i2c bus: turn it on with dtparam=i2c_arm=on in config.txt, if the board has one")
	}
	return found, context.Cause(ctx)
}

// An i2cScan looks at the addresses of one bus.
type i2cScan struct {
	host   *Host
	number int
	bus    *i2cBus
}

func (s *i2cScan) run(ctx context.Context) ([]Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	s.bus.begin(ctx)
	var found []Finding
	addresses := i2cAddresses()
	looked, answers, failures := 0, 0, 0
	for address := uint16(0x03); address <= 0x77; address++ {
		where := fmt.Sprintf("i2c bus %d, address 0x%02x", s.number, address)
		if driver := s.host.i2cOwner(s.number, int(address)); driver != "" {
			found = append(found, Finding{Name: driver, Where: where,
				Notes: []string{"the kernel's driver has it, so it was not touched; where it measures, it is above as hwmon or iio"}})
			continue
		}
		if !slices.Contains(addresses, address) {
			continue
		}
		looked++
		chips, told, err := s.look(address)
		switch {
		case err == nil:
			answers++
			found = append(found, s.finding(where, address, chips, told))
		case silent(err):
		case failures > 0 || classify(err) != classTransient:
			return found, s.gaveUp(address, looked, err)
		default:
			failures++ // noise; a second time says that the bus hangs
		}
	}
	if looked == answers && looked > 0 {
		return nil, errors.New("every address answers: SDA is held low, by a wire or by a chip that hangs; take the power off")
	}
	return found, nil
}

// gaveUp says why a bus was not looked at to its end.
func (s *i2cScan) gaveUp(address uint16, looked int, err error) error {
	switch {
	case errors.Is(err, syscall.EOPNOTSUPP):
		return errors.New("this adapter speaks SMBus only: pipit cannot use it")
	case looked == 1:
		return fmt.Errorf("not looked at: %w", err)
	}
	return fmt.Errorf("not looked at from address 0x%02x on: %w", address, err)
}

// silent tells whether nothing is at an address, as adapters say it.
func silent(err error) bool { return unacknowledged(err) || errors.Is(err, errShort) }

// look returns the rows of the table that a chip at address may be; told says
// that its id made it one. The error says that nothing answered, or why.
func (s *i2cScan) look(address uint16) (possible []i2cChipRow, told bool, err error) {
	var first [1]byte
	if err := s.bus.Tx(address, nil, first[:]); err != nil {
		return nil, false, err
	}
	answers := make(map[*i2cProbe][]byte)
	for _, row := range i2cChips {
		if !slices.Contains(row.addresses, address) {
			continue
		}
		if p := row.probe; p != nil {
			if _, asked := answers[p]; !asked {
				answers[p] = s.ask(p, address, first[0])
			}
			if slices.Equal(answers[p], row.answer) {
				return []i2cChipRow{row}, true, nil
			}
		}
		if row.probe == nil || row.probe.weak {
			possible = append(possible, row)
		}
	}
	return possible, false, nil
}

// ask returns what the probe reads, nil when it fails. A chip that took the
// number of a register for its only register, and so answers with it, gets
// back what it had before.
func (s *i2cScan) ask(p *i2cProbe, address uint16, first byte) []byte {
	answer := make([]byte, p.size)
	err := s.bus.Tx(address, p.write, answer)
	if len(p.write) > 0 && answer[0] == p.write[0] && first != answer[0] {
		_ = s.bus.Tx(address, []byte{first}, nil)
	}
	if err != nil {
		return nil
	}
	return answer
}

func i2cSuggestion(kind string, bus int, address uint16) Suggestion {
	return Suggestion{kind, []Key{{"bus", bus}, {"address", int(address)}}}
}

// finding tells what answered; told says that it is known by its id.
func (s *i2cScan) finding(where string, address uint16, chips []i2cChipRow, told bool) Finding {
	f := Finding{Where: where, Sure: told}
	var names []string
	for _, c := range chips {
		names = append(names, c.name)
		known := func(o Suggestion) bool { return o.Kind == c.kind }
		if c.kind != "" && !slices.ContainsFunc(f.Sensors, known) {
			f.Sensors = append(f.Sensors, i2cSuggestion(c.kind, s.number, address))
		}
	}
	f.Name = strings.Join(names, ", or ")
	switch {
	case told:
		f.Notes = []string{"its id says so"}
	case len(chips) == 0:
		f.Name = "unknown chip"
	default:
		f.Notes = []string{"it has no id to be told by"}
	}
	return f
}
