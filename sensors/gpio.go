package sensors

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipit/agent"
)

// A GPIOChip is one GPIO controller (Documentation/userspace-api/gpio).
type GPIOChip struct {
	Name  string // "gpiochip0"; the number means nothing
	Label string // "pinctrl-bcm2835"
	Lines []GPIOLine
}

// A GPIOLine is one line of a chip.
type GPIOLine struct {
	Offset   int
	Name     string // by the device tree; may be ""
	Used     bool   // by the kernel or by a program
	Consumer string // who uses it; may be ""
	Output   bool
}

// A LineRequest asks for one line. Everything is set in one step: an output
// has its level with its direction, so nothing clicks.
type LineRequest struct {
	Chip      string // GPIOChip.Name
	Offset    int
	ActiveLow bool
	Output    bool
	Value     bool          // of an output
	Drive     string        // of an output: push-pull, open-drain or open-source
	Pull      string        // of an input: as-is, up, down or none
	Debounce  time.Duration // of an input, by the kernel; 0: none
	Rising    bool          // edges of an input that are told to Edge
	Falling   bool
	// Edge is called for each edge from one goroutine of the line; it must not
	// block and must not call the line. nil: no edges.
	Edge func(LineEdge)
}

// A LineEdge is a change of a line.
type LineEdge struct {
	Rising bool      // to active
	At     time.Time // by the kernel, with a monotonic part
	Seq    uint32    // of the line's edges, from 1; a gap is edges that were lost
}

// A Line is a line that was requested. Its methods may be called from any goroutine.
type Line interface {
	Value() (active bool, err error)
	SetValue(active bool) error
	// Close gives the line back and waits until Edge is called no more.
	Close() error
}

const gpioConsumer = "pipit"

// A linePlace says which line a config means.
type linePlace struct {
	chip   string // label or name; "": the board's own
	offset int    // -1: by name
	name   string
}

// place checks the keys that say which line is meant.
func (c *checker) place(chip string, line int, name string) linePlace {
	switch {
	case line < 0 && name == "":
		c.fail("line", "a line is needed: its number on the chip (on a Raspberry Pi that of GPIO17 is 17), or line_name")
	case line >= 0 && name != "":
		c.fail("line_name", "line says already which line it is")
	}
	return linePlace{chip, line, name}
}

func (p linePlace) String() string {
	line := strconv.Itoa(p.offset)
	if p.offset < 0 {
		line = p.name
	}
	if p.chip == "" {
		return "gpio line " + line
	}
	return "gpio line " + line + " of " + p.chip
}

// find returns the chip and the line that are meant.
func (p linePlace) find(chips []GPIOChip) (GPIOChip, GPIOLine, error) {
	chip, err := p.findChip(chips)
	if err != nil {
		return chip, GPIOLine{}, err
	}
	if p.offset >= 0 {
		if p.offset >= len(chip.Lines) {
			return chip, GPIOLine{}, misconfigured(nil, "%s has no line %d: its lines are 0 to %d", chip.Label, p.offset, len(chip.Lines)-1)
		}
		return chip, chip.Lines[p.offset], nil
	}
	var found []GPIOLine
	var names []string
	for _, l := range chip.Lines {
		if names = append(names, l.Name); l.Name == p.name {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 0:
		hint := "\"pipit detect\" lists them"
		if near := agent.Nearest(p.name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return chip, GPIOLine{}, misconfigured(nil, "%s has no line with the name %q: %s", chip.Label, p.name, hint)
	case 1:
		return chip, found[0], nil
	}
	return chip, GPIOLine{}, misconfigured(nil, "%s has lines %d and %d with the name %q: use line = N", chip.Label, found[0].Offset, found[1].Offset, p.name)
}

// findChip returns the chip by label or name, else the one whose label begins
// with "pinctrl-", as that of a Raspberry Pi's header does, else the only one.
func (p linePlace) findChip(chips []GPIOChip) (GPIOChip, error) {
	var all, same []string
	found := -1
	for i, c := range chips {
		all = append(all, c.Label+" ("+c.Name+")")
		if p.chip != "" && (p.chip == c.Label || p.chip == c.Name) {
			found, same = i, append(same, c.Name)
		}
	}
	own := slices.IndexFunc(chips, func(c GPIOChip) bool { return strings.HasPrefix(c.Label, "pinctrl-") })
	switch {
	case len(chips) == 0:
		return GPIOChip{}, missing("there is no GPIO chip in /dev")
	case len(same) > 1:
		return GPIOChip{}, misconfigured(nil, "%d GPIO chips have the label %q, write chip = one of: %s", len(same), p.chip, strings.Join(same, ", "))
	case found >= 0:
		return chips[found], nil
	case p.chip != "":
		return GPIOChip{}, missing("there is no GPIO chip %q; there are: %s", p.chip, strings.Join(all, ", "))
	case own < 0 && len(chips) > 1:
		return GPIOChip{}, misconfigured(nil, "there are several GPIO chips, write chip = one of: %s", strings.Join(all, ", "))
	}
	return chips[max(own, 0)], nil
}

// locate finds the line that is meant. A chip that cannot be read may be the
// one, so the line is not looked for on another.
func (h *Host) locate(p linePlace) (GPIOChip, GPIOLine, error) {
	chips, unread := h.GPIOChips()
	if p.chip != "" {
		p.chip = strings.TrimPrefix(p.chip, "/dev/")
		p.chip = cmp.Or(h.target("/dev/"+p.chip), p.chip) // Raspberry Pi OS: gpiochip4 is gpiochip0
	}
	chip, line, err := p.find(chips)
	if unread != nil && (err != nil || p.chip == "") {
		err = unread
	}
	return chip, line, err
}

// request finds a line and asks for it.
func (h *Host) request(p linePlace, req LineRequest) (Line, error) {
	chip, info, err := h.locate(p)
	if err != nil {
		return nil, err
	}
	req.Chip, req.Offset = chip.Name, info.Offset
	line, err := h.OpenLine(req)
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, misconfigured(err, "%s is held by %s", p, holder(info.Consumer))
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, misconfigured(err, "open /dev/%s: put the user that runs pipit into the group gpio", chip.Name)
	case errors.Is(err, syscall.ENXIO) && req.Edge != nil:
		return nil, misconfigured(err, "%s has no interrupt, so its edges cannot be seen: use another line, or wire the INT of its chip", p)
	case errors.Is(err, syscall.ENOTTY), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EINVAL):
		return nil, misconfigured(err, "%s: the kernel or this chip cannot do what pull, drive or debounce ask for (it needs Linux 5.10)", p)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return line, nil
}

// holder says who has a line and what to do about it.
func holder(consumer string) string {
	switch consumer {
	case "":
		return "another program or driver: stop that, or use another line"
	case gpioConsumer:
		return "pipit: is it in the config twice, or does a second pipit run?"
	}
	return strconv.Quote(consumer) + ": stop that, or use another line"
}
