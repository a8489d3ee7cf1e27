package sensors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Finding is one thing that Detect saw, or could not look at.
type Finding struct {
	Part    string       `json:"part"`              // of the search: "hwmon", "i2c", "gpio", ...
	Name    string       `json:"name,omitempty"`    // what it calls itself; from outside, as Where and Notes are
	Where   string       `json:"where,omitempty"`   // a path, or a bus and an address
	Notes   []string     `json:"notes,omitempty"`   // what was seen, for people
	Problem string       `json:"problem,omitempty"` // why it could not be looked at, and what to do
	Sensors []Suggestion `json:"sensors,omitempty"` // that read it; more than one: one of them
	Sure    bool         `json:"sure"`              // Sensors is what it is; else somebody who knows the board has to choose
}

// A Suggestion is a [sensor.NAME] table.
type Suggestion struct {
	Kind string `json:"kind"`
	Keys []Key  `json:"keys"`
}

// A Key is a line of a table. Value is a string or an int.
type Key struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// maxFindings bounds what one part of the search may tell.
const maxFindings = 256

// parts are what Detect looks at, in the order in which it tells them.
func (h *Host) parts() []detector {
	return []detector{
		{"w1", h.detectW1},
		{"hwmon", h.detectHwmon},
		{"iio", h.detectIIO},
		{"thermal", h.detectThermal},
		{"power", h.detectPower},
		{"i2c", h.detectI2C},
		{"gpio", h.detectGPIO},
		{"camera", h.detectCameras},
		{"serial", h.detectSerial},
		{"led", h.detectLEDs},
		{"pwm", h.detectPWM},
	}
}

// A detector looks at one kind of hardware. An error says that it could not.
type detector struct {
	part string
	look func(context.Context) ([]Finding, error)
}

// Detect looks at what is attached to the board. It measures nothing, and it
// writes to no device that it does not know: of a chip on an I²C bus it reads
// one byte, and what it writes is in the table i2cChips with why it may. It
// returns when all parts of the search have, or when ctx ends: a part that
// hangs is told as such and left behind, because a hung system call cannot be
// ended.
func (h *Host) Detect(ctx context.Context) []Finding {
	parts := h.parts()
	results := make([]chan []Finding, len(parts))
	for i, p := range parts {
		results[i] = make(chan []Finding, 1)
		go func() { results[i] <- p.run(ctx) }()
	}
	// a part that heeds ctx is given the time to say what it has found
	grace, stop := context.WithCancel(context.Background())
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(detectGrace, stop) })()
	var all []Finding
	for i, p := range parts {
		select {
		case found := <-results[i]:
			all = append(all, found...)
		case <-grace.Done():
			all = append(all, Finding{Part: p.part, Problem: "no answer from the kernel: a driver hangs; start the board anew"})
		}
	}
	return all
}

const detectGrace = 500 * time.Millisecond

func (d detector) run(ctx context.Context) []Finding {
	found, err := d.look(ctx)
	if len(found) > maxFindings {
		found, err = found[:maxFindings], fmt.Errorf("there is more than %d of this: only these are shown", maxFindings)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		found = append(found, Finding{Problem: "the time was up before all was looked at"})
	case err != nil:
		found = append(found, Finding{Problem: err.Error()})
	}
	for i := range found {
		found[i].Part = d.part
	}
	return found
}

// sure is a finding that one sensor reads.
func sure(name, where, kind string, keys []Key, notes ...string) Finding {
	return Finding{Name: name, Where: where, Notes: notes, Sensors: []Suggestion{{kind, keys}}, Sure: true}
}

// detectW1 tells the thermometers on 1-wire. Its finding is one sensor that
// reads them all.
func (h *Host) detectW1(context.Context) ([]Finding, error) {
	ids, err := h.thermometers()
	if err != nil {
		return nil, err
	}
	f := sure("w1", w1Devices, "w1", nil, "thermometers: "+strings.Join(ids, ", "))
	f.Notes = append(f.Notes, "one sensor for all; id = \"...\" takes one, names = { kitchen = \"...\" } names them")
	return []Finding{f}, nil
}

// detectHwmon tells the chips with their channels. Those that the kernel makes
// of a thermal zone or of a 1-wire thermometer are found there.
func (h *Host) detectHwmon(context.Context) ([]Finding, error) {
	chips, err := h.chips()
	var found []Finding
	for _, c := range chips {
		if strings.HasPrefix(c.device, "thermal_zone") || isThermometer(c.device) {
			continue
		}
		files, err := h.list(c.dir)
		var ids []string
		for _, ch := range channels(files) {
			ids = append(ids, ch.id)
		}
		if err == nil && len(ids) > 0 {
			found = append(found, sure(c.name, c.dir, "hwmon", []Key{{"chip", c.String()}}, strings.Join(ids, ", ")))
		}
	}
	return found, err
}

func (h *Host) detectIIO(context.Context) ([]Finding, error) {
	devices, _, err := h.iioDevices()
	var found []Finding
	for _, d := range devices {
		files, err := h.list(d.dir)
		var fields []string
		for _, ch := range iioChannels(files) {
			fields = append(fields, ch.field)
		}
		if err == nil && len(fields) > 0 {
			found = append(found, sure(d.name, d.dir, "iio", []Key{{"device", d.String()}}, strings.Join(fields, ", ")))
		}
	}
	return found, err
}

// detectThermal tells each type of zone once: zones of one type are read together.
func (h *Host) detectThermal(context.Context) ([]Finding, error) {
	zones, err := h.zones()
	var found []Finding
	for _, z := range zones {
		same := func(f Finding) bool { return f.Name == z.name }
		if !slices.ContainsFunc(found, same) {
			found = append(found, sure(z.name, z.dir, "thermal", []Key{{"zone", z.name}}))
		}
	}
	return found, err
}

func (h *Host) detectPower(context.Context) ([]Finding, error) {
	supplies, err := h.list(powerSupplies)
	var found []Finding
	for _, supply := range supplies {
		dir := powerSupplies + "/" + supply
		files, _ := h.list(dir)
		fields := []string{}
		for _, p := range properties {
			if slices.Contains(files, p.file) {
				fields = append(fields, p.field)
			}
		}
		kind, _ := h.line(dir + "/type")
		if len(fields) > 0 {
			found = append(found, sure(supply, dir, "power", []Key{{"supply", supply}}, strings.Join(append([]string{kind}, fields...), ", ")))
		}
	}
	return found, err
}
