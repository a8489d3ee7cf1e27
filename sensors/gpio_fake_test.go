package sensors

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A simGPIO is a simulated GPIO chip like that of a Raspberry Pi.
type simGPIO struct {
	mu       sync.Mutex
	levels   [32]bool // physical
	held     [32]string
	err      error // of requests
	fail     error // of values
	lose     bool  // a level that comes before the direction is lost
	noIRQ    bool  // lines have no interrupts
	seq      [32]uint32
	requests []LineRequest
	log      []string // what was done to outputs
	open     int
}

// plugGPIO replaces the GPIO doors of h.
func plugGPIO(h *Host) *simGPIO {
	g := &simGPIO{}
	h.GPIOChips = func() ([]GPIOChip, error) { return []GPIOChip{g.chip()}, nil }
	h.OpenLine = g.request
	return g
}

func (g *simGPIO) chip() GPIOChip {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := GPIOChip{Name: "gpiochip0", Label: "pinctrl-bcm2835"}
	for i := range g.levels {
		name := ""
		if i >= 2 && i <= 27 {
			name = "GPIO" + string(rune('0'+i/10)) + string(rune('0'+i%10))
		}
		c.Lines = append(c.Lines, GPIOLine{Offset: i, Name: name, Used: g.held[i] != "", Consumer: g.held[i]})
	}
	return c
}

func (g *simGPIO) request(req LineRequest) (Line, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return nil, g.err
	}
	if g.held[req.Offset] != "" {
		return nil, syscall.EBUSY
	}
	if g.noIRQ && (req.Edge != nil || req.Debounce > 0) {
		return nil, syscall.ENXIO
	}
	g.requests = append(g.requests, req)
	g.open++
	g.seq[req.Offset] = 0
	if req.Output {
		if !g.lose {
			g.levels[req.Offset] = req.Value != req.ActiveLow
		}
		g.log = append(g.log, "request "+level(g.levels[req.Offset]))
	}
	return &simLine{chip: g, req: req}, nil
}

func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

type simLine struct {
	chip   *simGPIO
	req    LineRequest
	closed bool
}

func (l *simLine) Value() (bool, error) {
	l.chip.mu.Lock()
	defer l.chip.mu.Unlock()
	if l.closed {
		return false, syscall.EBADF
	}
	return l.chip.levels[l.req.Offset] != l.req.ActiveLow, l.chip.fail
}

func (l *simLine) SetValue(active bool) error {
	l.chip.mu.Lock()
	defer l.chip.mu.Unlock()
	if l.chip.fail != nil {
		return l.chip.fail
	}
	l.chip.levels[l.req.Offset] = active != l.req.ActiveLow
	l.chip.log = append(l.chip.log, level(l.chip.levels[l.req.Offset]))
	return nil
}

func (l *simLine) Close() error {
	l.chip.mu.Lock()
	defer l.chip.mu.Unlock()
	l.closed = true
	l.chip.open--
	return nil
}

// drive sets the level of a line from outside and tells its edge, as the
// kernel does; lost edges before it were not told.
func (g *simGPIO) drive(line int, high bool, lost uint32) {
	g.mu.Lock()
	if g.levels[line] == high {
		g.mu.Unlock()
		return
	}
	g.levels[line] = high
	var tell []func()
	for _, req := range g.requests {
		rising := high != req.ActiveLow
		if req.Offset != line || req.Edge == nil || rising && !req.Rising || !rising && !req.Falling {
			continue
		}
		g.seq[line] += 1 + lost
		e := LineEdge{Rising: rising, At: time.Now(), Seq: g.seq[line]}
		tell = append(tell, func() { req.Edge(e) })
	}
	g.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// tell tells an edge that changes no level.
func (g *simGPIO) tell(line int, rising bool, at time.Time) {
	g.mu.Lock()
	g.seq[line]++
	e := LineEdge{Rising: rising, At: at, Seq: g.seq[line]}
	edge := g.requests[len(g.requests)-1].Edge
	g.mu.Unlock()
	edge(e)
}

// set changes a fault.
func (g *simGPIO) set(change func(*simGPIO)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

func TestFindLine(t *testing.T) {
	two := []GPIOChip{
		{Name: "gpiochip0", Label: "pca9555", Lines: []GPIOLine{{Name: "A"}, {Offset: 1, Name: "B"}, {Offset: 2, Name: "B"}}},
		{Name: "gpiochip1", Label: "pinctrl-rp1", Lines: []GPIOLine{{Name: "ID_SDA"}, {Offset: 1, Name: "GPIO1"}}},
	}
	strange := []GPIOChip{two[0], {Name: "gpiochip2", Label: "mcp23017"}}
	one := []GPIOLine{{}}
	same := []GPIOChip{{"gpiochip0", "pinctrl-bcm2835", one}, {"gpiochip1", "pcf8574", one}, {"gpiochip2", "pcf8574", one}}
	for _, tt := range []struct {
		chips []GPIOChip
		place linePlace
		want  string
	}{
		{two, linePlace{"", 1, ""}, "gpiochip1 1"},
		{two, linePlace{"", -1, "GPIO1"}, "gpiochip1 1"},
		{two, linePlace{"pca9555", 2, ""}, "gpiochip0 2"},
		{two, linePlace{"gpiochip0", 0, ""}, "gpiochip0 0"},
		{strange[:1], linePlace{"", 0, ""}, "gpiochip0 0"},
		{strange, linePlace{"", 0, ""}, "there are several GPIO chips, write chip = one of: pca9555 (gpiochip0), mcp23017 (gpiochip2)"},
		{two, linePlace{"pca", 0, ""}, `there is no GPIO chip "pca"; there are: pca9555 (gpiochip0), pinctrl-rp1 (gpiochip1)`},
		{same, linePlace{"pcf8574", 0, ""}, `2 GPIO chips have the label "pcf8574", write chip = one of: gpiochip1, gpiochip2`},
		{same, linePlace{"gpiochip2", 0, ""}, "gpiochip2 0"},
		{same, linePlace{"", 0, ""}, "gpiochip0 0"},
		{nil, linePlace{"", 0, ""}, "there is no GPIO chip in /dev"},
		{two, linePlace{"", 2, ""}, "pinctrl-rp1 has no line 2: its lines are 0 to 1"},
		{two, linePlace{"", -1, "GPIO2"}, `pinctrl-rp1 has no line with the name "GPIO2": did you mean "GPIO1"?`},
		{two, linePlace{"", -1, "RELAY"}, `pinctrl-rp1 has no line with the name "RELAY": "pipit detect" lists them`},
		{two, linePlace{"pca9555", -1, "B"}, `pca9555 has lines 1 and 2 with the name "B": use line = N`},
	} {
		chip, line, err := tt.place.find(tt.chips)
		got := chip.Name + " " + string(rune('0'+line.Offset))
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.place, got, tt.want)
		}
	}
}

func TestLocateLine(t *testing.T) {
	h := tree(t, map[string]string{"/dev/gpiochip0": "", "/dev/gpiochip4": "-> gpiochip0"})
	g := plugGPIO(h)
	unread := errors.New("open /dev/gpiochip1")
	for _, tt := range []struct {
		chip   string
		unread error
		want   string
	}{
		{"/dev/gpiochip0", nil, "gpiochip0 3"},
		{"gpiochip4", nil, "gpiochip0 3"},
		{"/dev/gpiochip4", nil, "gpiochip0 3"},
		{"gpiochip1", nil, `there is no GPIO chip "gpiochip1"; there are: pinctrl-bcm2835 (gpiochip0)`},
		{"gpiochip1", unread, "open /dev/gpiochip1"},
		{"", unread, "open /dev/gpiochip1"}, // it may be the board's own
		{"pinctrl-bcm2835", unread, "gpiochip0 3"},
	} {
		h.GPIOChips = func() ([]GPIOChip, error) { return []GPIOChip{g.chip()}, tt.unread }
		chip, line, err := h.locate(linePlace{tt.chip, 3, ""})
		got := fmt.Sprint(chip.Name, " ", line.Offset)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: %s, want %s", tt.chip, got, tt.want)
		}
	}
}

func TestRequestSaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, "put the user that runs pipit into the group gpio"},
		{syscall.EBUSY, "gpio line 4 is held by another program or driver: stop that, or use another line"},
		{syscall.ENOTTY, "it needs Linux 5.10"},
		{syscall.EINVAL, "cannot do what pull, drive or debounce ask for"},
		{syscall.ENXIO, "gpio line 4 has no interrupt, so its edges cannot be seen"},
		{syscall.EIO, "gpio line 4: input/output error"},
	} {
		h := NewHost(t.TempDir())
		plugGPIO(h).err = tt.err
		_, err := h.request(linePlace{"", 4, ""}, LineRequest{Edge: func(LineEdge) {}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("%v: %v, want %q", tt.err, err, tt.want)
		}
	}
	away := NewHost(t.TempDir())
	plugGPIO(away).err = syscall.ENXIO
	if _, err := away.request(linePlace{"", 4, ""}, LineRequest{Output: true}); err == nil || err.Error() != "gpio line 4: no such device or address" {
		t.Errorf("an output of a chip that went away: %v", err)
	}
	for consumer, want := range map[string]string{
		"w1":    `gpio line GPIO04 is held by "w1": stop that, or use another line (device or resource busy)`,
		"pipit": `gpio line GPIO04 is held by pipit: is it in the config twice, or does a second pipit run? (device or resource busy)`,
	} {
		h := NewHost(t.TempDir())
		plugGPIO(h).held[4] = consumer
		_, err := h.request(linePlace{"", -1, "GPIO04"}, LineRequest{})
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
