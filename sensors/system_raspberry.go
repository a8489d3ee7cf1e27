package sensors

import "strings"

// raspberryFields exist on a Raspberry Pi, and wherever else the kernel shows them.
var raspberryFields = []string{"under_voltage", "frequency_capped", "throttled"}

// throttledFile is made by the kernel of Raspberry Pi OS. Its bits 0, 1 and 2
// are raspberryFields as they are now (bits 16 and up: since boot).
const throttledFile = "/sys/devices/platform/soc/soc:firmware/get_throttled"

// firmwareDriver lists the same device where the SoC has another name (Pi 5).
const firmwareDriver = "/sys/bus/platform/drivers/raspberrypi-firmware"

// throttled returns the content of get_throttled.
func (s *system) throttled() ([]byte, error) {
	b, err := s.bytes(throttledFile)
	if !isMissing(err) {
		return b, err
	}
	devices, lerr := s.host.list(firmwareDriver)
	if lerr != nil {
		return nil, lerr
	}
	for _, device := range devices {
		if !strings.HasSuffix(device, "firmware") {
			continue // bind, unbind and the like
		}
		if b, err := s.bytes(firmwareDriver + "/" + device + "/get_throttled"); !isMissing(err) {
			return b, err
		}
	}
	return nil, err
}

func (s *system) raspberry(l *fieldList) {
	b, err := s.throttled()
	if isMissing(err) {
		s.raspberryMainline(l)
		return
	}
	var bits uint64
	if err == nil {
		bits, err = parseThrottled(b)
	}
	for i, name := range raspberryFields {
		if err != nil {
			l.fail(err, name)
			continue
		}
		l.bool(name, bits>>i&1 == 1)
	}
}

// raspberryMainline gives what other kernels show: the chip rpi_volt has an
// alarm for under-voltage, and nothing tells of throttling.
func (s *system) raspberryMainline(l *fieldList) {
	if low, found, err := s.host.lowVoltage(); err != nil {
		l.fail(err, "under_voltage")
	} else if found {
		l.bool("under_voltage", low)
	}
	model, _ := s.host.line("/sys/firmware/devicetree/base/model")
	if strings.Contains(model, "Raspberry Pi") {
		l.fail(missing("this kernel does not show it"), raspberryFields...)
	}
}

func (h *Host) lowVoltage() (low, found bool, err error) {
	chips, err := h.chips()
	if err != nil {
		return false, false, err
	}
	for _, c := range chips {
		if c.name == "rpi_volt" {
			line, err := h.line(c.dir + "/in0_lcrit_alarm")
			if err != nil {
				return false, true, err
			}
			low, err = parseBool(line)
			return low, true, err
		}
	}
	return false, false, nil
}
