package sensors

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

// inputOf builds a gpio sensor on line 17 of a simulated chip.
func inputOf(t *testing.T, keys string) (*gpioIn, *simGPIO) {
	h := NewHost(t.TempDir())
	g := plugGPIO(h)
	s := build(t, gpioKind(), h, "line = 17\n"+keys).Sensor.(*gpioIn)
	t.Cleanup(func() {
		if s.Close(); g.open != 0 {
			t.Errorf("%d lines are left open", g.open)
		}
	})
	return s, g
}

// rung tells whether the sensor asked to be read, now or within d.
func rung(s *gpioIn, d time.Duration) bool {
	synctest.Wait()
	limit := time.NewTimer(d + 1)
	defer limit.Stop()
	select {
	case <-s.Wake():
		return true
	case <-limit.C:
		return false
	}
}

func readOne(t *testing.T, s agent.Sensor) agent.Reading {
	t.Helper()
	readings, err := s.Read(t.Context())
	if err != nil || len(readings) != 1 {
		t.Fatalf("read %v, %v", readings, err)
	}
	return readings[0]
}

func TestGPIOStateIsToldAtOnceWithTheTimeOfTheEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, `pull = "up"`)
		if r := readOne(t, s); r.Value != agent.Bool(false) || !r.Time.Equal(time.Now()) {
			t.Errorf("at first %+v", r)
		}
		req := g.requests[0]
		if req.Pull != "up" || !req.Rising || !req.Falling || req.Debounce != 10*time.Millisecond || req.Chip != "gpiochip0" || req.Offset != 17 {
			t.Errorf("requested %+v", req)
		}
		edge := time.Now()
		g.drive(17, true, 0)
		if !rung(s, 0) {
			t.Error("an edge does not wake the poller")
		}
		time.Sleep(3 * time.Second)
		if r := readOne(t, s); r.Value != agent.Bool(true) || !r.Time.Equal(edge) {
			t.Errorf("after the edge %+v, want true at %s", r, edge)
		}
		if r := readOne(t, s); r.Value != agent.Bool(true) || !r.Time.Equal(time.Now()) {
			t.Errorf("read again %+v, want true now", r)
		}
		g.tell(17, true, edge.Add(time.Millisecond)) // an edge that a Read has seen the effect of
		if r := readOne(t, s); r.Value != agent.Bool(true) || !r.Time.Equal(time.Now()) {
			t.Errorf("told twice: %+v, want true now", r)
		}
		if len(g.requests) != 1 {
			t.Errorf("%d requests", len(g.requests))
		}
	})
}

// The kernel may leave the debouncing to a chip that does not do it.
func TestGPIOStateSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, `debounce = "50ms"`)
		readOne(t, s)
		for _, high := range []bool{true, false, true, false} {
			g.drive(17, high, 0)
			time.Sleep(5 * time.Millisecond)
		}
		if !rung(s, 0) {
			t.Error("the first edge does not wake")
		}
		if r := readOne(t, s); r.Value != agent.Bool(true) {
			t.Errorf("while it bounces: %+v, want what the first edge said", r)
		}
		if !rung(s, 50*time.Millisecond) {
			t.Error("it is not read again when it is quiet")
		}
		if r := readOne(t, s); r.Value != agent.Bool(false) {
			t.Errorf("when it is quiet: %+v, want the level", r)
		}
		if rung(s, time.Minute) {
			t.Error("it wakes without an edge")
		}
	})
}

// What came and went between two Reads is told, and then what it is now.
func TestGPIOStateTellsAPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, `debounce = "0s"`)
		readOne(t, s)
		time.Sleep(time.Second)
		var edges []time.Time
		for _, high := range []bool{true, false, true, false} {
			edges = append(edges, time.Now())
			g.drive(17, high, 0)
			time.Sleep(3 * time.Millisecond)
		}
		for _, want := range []agent.Reading{
			{Value: agent.Bool(true), Time: edges[0]},
			{Value: agent.Bool(false), Time: edges[3]},
		} {
			if !rung(s, 0) {
				t.Error("it does not wake the poller")
			}
			if r := readOne(t, s); r.Value != want.Value || !r.Time.Equal(want.Time) {
				t.Errorf("%v at %v, want %v at %v", r.Value, r.Time, want.Value, want.Time)
			}
		}
		if rung(s, time.Minute) {
			t.Error("it wakes without anything new")
		}
	})
}

// What a line did before it was requested anew is not told.
func TestGPIOStateForgetsWithTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, "")
		readOne(t, s)
		g.drive(17, true, 0)
		time.Sleep(time.Second)
		g.drive(17, false, 0)
		g.set(func(g *simGPIO) { g.fail = syscall.ENODEV })
		if _, err := s.Read(t.Context()); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("unplugged: %v", err)
		}
		g.set(func(g *simGPIO) { g.fail = nil })
		if r := readOne(t, s); r.Value != agent.Bool(false) || !r.Time.Equal(time.Now()) {
			t.Errorf("plugged in: %+v, want false now", r)
		}
	})
}

// A line of an expander without an interrupt.
func TestGPIOStateWithoutInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, `pull = "up"`)
		g.noIRQ = true
		for _, high := range []bool{false, true, false} {
			g.drive(17, high, 0)
			if r := readOne(t, s); r.Value != agent.Bool(high) || !r.Time.Equal(time.Now()) {
				t.Errorf("%+v, want %v now", r, high)
			}
		}
		if len(g.requests) != 1 || g.requests[0].Rising || g.requests[0].Pull != "up" {
			t.Errorf("requested %+v", g.requests)
		}
		counter, g := inputOf(t, `what = "counter"`)
		g.noIRQ = true
		if _, err := counter.Read(t.Context()); err == nil || classify(err) != classConfiguration {
			t.Errorf("a counter without an interrupt: %v", err)
		}
	})
}

func TestGPIODebounceByWhat(t *testing.T) {
	for keys, want := range map[string]time.Duration{
		"":                                       10 * time.Millisecond,
		"what = \"counter\"":                     0,
		"what = \"frequency\"":                   0,
		"debounce = \"0s\"":                      0,
		"what = \"counter\"\ndebounce = \"3ms\"": 3 * time.Millisecond,
	} {
		if s, _ := inputOf(t, keys); s.cfg.Debounce != want {
			t.Errorf("%s: debounce %v, want %v", keys, s.cfg.Debounce, want)
		}
	}
}

// A pulse shorter than the debounce time of which only the first edge came.
func TestGPIOStateNoticesAnEdgeThatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, "")
		readOne(t, s)
		g.drive(17, true, 0)
		g.set(func(g *simGPIO) { g.levels[17] = false }) // without an edge
		if rung(s, 0); readOne(t, s).Value != agent.Bool(true) {
			t.Error("the edge does not count")
		}
		if !rung(s, time.Second) || readOne(t, s).Value != agent.Bool(false) {
			t.Error("the level is not looked at again")
		}
	})
}

func TestGPIOCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, "what = \"counter\"\nscale = 0.5\nunit = \"mm\"\nrate_per = \"1h\"\nrate_unit = \"mm/h\"\ndebounce = \"10ms\"")
		want := func(step string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, read(t, s)); diff != "" {
				t.Errorf("%s: %s", step, diff)
			}
		}
		pulse := func(lost uint32) {
			time.Sleep(time.Second)
			g.drive(17, true, lost)
			g.drive(17, false, 0)
		}
		want("first", "total: 0 mm", "rate: missing: not known before the second read", "lost: 0 count")
		if r := g.requests[0]; !r.Rising || r.Falling {
			t.Errorf("edges %v %v", r.Rising, r.Falling)
		}
		for range 4 {
			pulse(0)
		}
		time.Sleep(6 * time.Second)
		want("four pulses in 10 s", "total: 2 mm", "rate: 720 mm/h", "lost: 0 count")
		g.drive(17, true, 0)
		g.drive(17, false, 0)
		g.drive(17, true, 0) // within the debounce time
		g.drive(17, false, 0)
		pulse(3)
		time.Sleep(9 * time.Second)
		want("one bounces, three are lost", "total: 4.5 mm", "rate: 900 mm/h", "lost: 3 count")

		// A line that fails is requested anew; what was counted stays.
		g.set(func(g *simGPIO) { g.fail = syscall.ENODEV })
		want("unplugged", "error: gpio line 17: no such device")
		g.set(func(g *simGPIO) { g.fail = nil; g.requests = nil })
		want("plugged in", "total: 4.5 mm", "rate: missing: not known before the second read", "lost: 3 count")
		pulse(0)
		want("counts on", "total: 5 mm", "rate: 1800 mm/h", "lost: 3 count")
		g.set(func(g *simGPIO) { g.fail = syscall.ENODEV })
		want("unplugged again", "error: gpio line 17: no such device")
		g.set(func(g *simGPIO) { g.fail = nil; g.requests = nil })
		want("plugged in again", "total: 5 mm", "rate: missing: not known before the second read", "lost: 3 count")
		pulse(2)
		want("the first two are lost", "total: 6.5 mm", "rate: 5400 mm/h", "lost: 5 count")
	})
}

func TestGPIOFrequency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, "what = \"frequency\"\ndebounce = \"0s\"\nedge = \"falling\"")
		if got := read(t, s); got[0] != ": missing: not known before the second read" {
			t.Error(got)
		}
		for range 500 {
			time.Sleep(4 * time.Millisecond)
			g.drive(17, true, 0)
			g.drive(17, false, 0)
		}
		if got := read(t, s); got[0] != ": 250 Hz" {
			t.Error(got)
		}
		if rung(s, 0) {
			t.Error("a frequency is no state: it must not wake the poller")
		}
		time.Sleep(2 * time.Second)
		if got := read(t, s); got[0] != ": 0 Hz" {
			t.Error(got)
		}
	})
}

func TestGPIORetriesAnExpander(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := inputOf(t, "")
		readOne(t, s)
		g.set(func(g *simGPIO) { g.fail = syscall.EREMOTEIO })
		time.AfterFunc(30*time.Millisecond, func() { g.set(func(g *simGPIO) { g.fail = nil }) })
		if r := readOne(t, s); r.Value != agent.Bool(false) || s.Trouble().Retried != 2 {
			t.Errorf("%+v after %d retries", r, s.Trouble().Retried)
		}
	})
}

func gpioOutput(t *testing.T, keys string) (agent.Output, *simGPIO) {
	h := NewHost(t.TempDir())
	g := plugGPIO(h)
	b, err := gpioOutputKind().New(h, table("line = 22\n"+keys))
	if err != nil {
		t.Fatal(err)
	}
	return b.Output, g
}

func TestGPIOOutputDoesNotGlitch(t *testing.T) {
	for _, tt := range []struct {
		name, keys string
		lose       bool
		first      bool
		want       []string
	}{
		{"off", "", false, false, []string{"request low"}},
		{"on", "", false, true, []string{"request high"}},
		{"active low, off", "active_low = true", false, false, []string{"request high"}},
		{"active low, on", "active_low = true", false, true, []string{"request low"}},
		{"a chip that loses the level", "", true, true, []string{"request low", "high"}},
	} {
		out, g := gpioOutput(t, tt.keys)
		g.lose = tt.lose
		if _, err := out.Get(t.Context()); !isMissing(err) {
			t.Errorf("%s: Get before Set: %v", tt.name, err)
		}
		if err := out.Set(t.Context(), agent.Bool(tt.first)); err != nil {
			t.Fatal(err)
		}
		if v, err := out.Get(t.Context()); err != nil || v != agent.Bool(tt.first) {
			t.Errorf("%s: reads back %v, %v", tt.name, v, err)
		}
		if diff := cmp.Diff(tt.want, g.log); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if err := out.Close(); err != nil || g.open != 0 {
			t.Errorf("%s: Close: %v, %d lines open", tt.name, err, g.open)
		}
	}
}

func TestGPIOOutputReadsBackAndRecovers(t *testing.T) {
	out, g := gpioOutput(t, `drive = "open-drain"`)
	if err := out.Set(t.Context(), agent.Bool(true)); err != nil || g.requests[0].Drive != "open-drain" {
		t.Fatal(err, g.requests)
	}
	g.set(func(g *simGPIO) { g.levels[22] = false }) // held low from outside
	if v, err := out.Get(t.Context()); err != nil || v != agent.Bool(false) {
		t.Errorf("reads back %v, %v, want the level it has", v, err)
	}
	g.set(func(g *simGPIO) { g.fail = syscall.EIO })
	if _, err := out.Get(t.Context()); err == nil || err.Error() != "gpio line 22: input/output error" || g.open != 1 {
		t.Errorf("a Get that fails: %v, %d lines open, want the line kept", err, g.open)
	}
	if err := out.Set(t.Context(), agent.Bool(true)); err == nil || err.Error() != "gpio line 22: input/output error" || g.open != 0 {
		t.Errorf("%v, %d lines open", err, g.open)
	}
	g.set(func(g *simGPIO) { g.fail = nil })
	if err := out.Set(t.Context(), agent.Bool(true)); err != nil || len(g.requests) != 2 {
		t.Errorf("%v after %d requests", err, len(g.requests))
	}
	out.Close()
}

func TestLineConfig(t *testing.T) {
	for _, tt := range []struct {
		req   LineRequest
		flags uapi.LineFlagV2
		attrs []uapi.LineConfigAttribute
	}{
		{LineRequest{Output: true, Value: true}, uapi.LineFlagV2Output, []uapi.LineConfigAttribute{{Attr: uapi.OutputValues(1).Encode(), Mask: 1}}},
		{LineRequest{Output: true, ActiveLow: true, Drive: "open-drain", Pull: "up"},
			uapi.LineFlagV2Output | uapi.LineFlagV2ActiveLow | uapi.LineFlagV2OpenDrain, []uapi.LineConfigAttribute{{Attr: uapi.OutputValues(0).Encode(), Mask: 1}}},
		{LineRequest{Output: true, Drive: "open-source"}, uapi.LineFlagV2Output | uapi.LineFlagV2OpenSource,
			[]uapi.LineConfigAttribute{{Attr: uapi.OutputValues(0).Encode(), Mask: 1}}},
		{LineRequest{Pull: "as-is"}, uapi.LineFlagV2Input, nil},
		{LineRequest{Pull: "up", Rising: true}, uapi.LineFlagV2Input | uapi.LineFlagV2BiasPullUp | uapi.LineFlagV2EdgeRising, nil},
		{LineRequest{Pull: "down", Falling: true}, uapi.LineFlagV2Input | uapi.LineFlagV2BiasPullDown | uapi.LineFlagV2EdgeFalling, nil},
		{LineRequest{Pull: "none", Debounce: 20 * time.Millisecond, Value: true}, uapi.LineFlagV2Input | uapi.LineFlagV2BiasDisabled,
			[]uapi.LineConfigAttribute{{Attr: uapi.DebouncePeriod(20 * time.Millisecond).Encode(), Mask: 1}}},
	} {
		c := lineConfig(tt.req)
		if diff := cmp.Diff(tt.attrs, append([]uapi.LineConfigAttribute(nil), c.Attrs[:c.NumAttrs]...)); c.Flags != tt.flags || diff != "" {
			t.Errorf("%+v: flags %#x, want %#x; %s", tt.req, c.Flags, tt.flags, diff)
		}
	}
}

func TestParseEdge(t *testing.T) {
	event := func(at time.Duration, id, seq uint32) []byte {
		b := make([]byte, edgeBytes)
		binary.NativeEndian.PutUint64(b, uint64(at))
		binary.NativeEndian.PutUint32(b[8:], id)
		binary.NativeEndian.PutUint32(b[12:], 17)
		binary.NativeEndian.PutUint32(b[16:], 99)
		binary.NativeEndian.PutUint32(b[20:], seq)
		return b
	}
	now := time.Now()
	for _, tt := range []struct {
		event []byte
		want  LineEdge
	}{
		{event(7*time.Second, 1, 5), LineEdge{true, now.Add(-3 * time.Second), 5}},
		{event(10*time.Second, 2, 6), LineEdge{false, now, 6}},
		{event(11*time.Second, 2, 7), LineEdge{false, now, 7}}, // never ahead
	} {
		if got := parseEdge(tt.event, now, 10*time.Second); got != tt.want {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
	}
	if d := monotonicNow(); d <= 0 {
		t.Errorf("the monotonic clock shows %s", d)
	}
}

// The edges of a line come through the runtime's poller, here from a pipe.
func TestLineListens(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	edges := make(chan LineEdge, 10)
	l := newCdevLine(r, func(e LineEdge) { edges <- e })
	b := make([]byte, 2*edgeBytes)
	binary.NativeEndian.PutUint32(b[20:], 1)
	binary.NativeEndian.PutUint32(b[edgeBytes+20:], 2)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if a, b := <-edges, <-edges; a.Seq != 1 || b.Seq != 2 {
		t.Errorf("edges %d and %d", a.Seq, b.Seq)
	}
	if _, err := l.Value(); err != syscall.ENOTTY {
		t.Errorf("a pipe has a value: %v", err)
	}
	if err := l.SetValue(true); err != syscall.ENOTTY {
		t.Errorf("a pipe can be set: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	w.Close()
}

// A line whose edges have ended says so, whatever its level.
func TestLineThatIsDeaf(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := newCdevLine(r, func(LineEdge) {})
	w.Close() // as an unplugged chip ends reads, with ENODEV
	<-l.done
	if _, err := l.Value(); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "edges come no more") {
		t.Errorf("Value: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Chatter is read in lots, and a line is closed without waiting for its end.
func TestLineThatChatters(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var last atomic.Uint32
	l := newCdevLine(r, func(e LineEdge) {
		if e.Seq != last.Load()+1 {
			t.Errorf("edge %d comes after %d", e.Seq, last.Load())
		}
		last.Store(e.Seq)
	})
	sent, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		b := make([]byte, edgeBytes)
		for seq := uint32(1); ; seq++ {
			select {
			case <-stop:
				return
			default:
			}
			binary.NativeEndian.PutUint32(b[20:], seq)
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}()
	for last.Load() < 10*edgeBuffer {
		time.Sleep(time.Millisecond)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	n := last.Load()
	close(stop)
	<-sent
	w.Close()
	if last.Load() != n {
		t.Error("edges come after Close")
	}
}

func TestChipErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, "open /dev/gpiochip0: put the user that runs pipit into the group gpio (permission denied)"},
		{syscall.EINVAL, "/dev/gpiochip0 does not know version 2 of the GPIO interface: Linux 5.10 or newer is needed (invalid argument)"},
		{syscall.EIO, "/dev/gpiochip0: input/output error"},
	} {
		if err := chipError("gpiochip0", tt.err); err.Error() != tt.want || !errors.Is(err, tt.err) || chipGone(tt.err) {
			t.Errorf("%v: %v, want %s", tt.err, err, tt.want)
		}
	}
	for _, err := range []error{syscall.ENOENT, syscall.ENODEV, syscall.ENXIO} {
		if !chipGone(err) {
			t.Errorf("%v is a chip that was unplugged", err)
		}
	}
}

// The doors of this machine, on a tree without chips and on what is no chip.
func TestRealGPIO(t *testing.T) {
	h := tree(t, map[string]string{"/dev/gpiochip0": "", "/dev/gpiochip4": "-> gpiochip0"})
	if _, err := h.GPIOChips(); !isMissing(err) || err.Error() != "there is no /dev/gpiochip*" {
		t.Errorf("files and links: %v", err)
	}
	if _, err := h.OpenLine(LineRequest{Chip: "gpiochip0"}); err != syscall.ENOTTY {
		t.Errorf("a plain file as a chip: %v", err)
	}
	if _, err := h.OpenLine(LineRequest{Chip: "gpiochip9"}); err != syscall.ENOENT {
		t.Errorf("no chip: %v", err)
	}
}

func TestCrashNote(t *testing.T) {
	const file = "/sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs"
	const file5 = "/sys/module/pinctrl_rp1/parameters/persist_gpio_outputs"
	pi4 := map[string]string{"/proc/device-tree/compatible": "raspberrypi,4-model-b\x00brcm,bcm2711\x00"}
	pi5 := map[string]string{"/proc/device-tree/compatible": "raspberrypi,5-model-b\x00brcm,bcm2712\x00"}
	for _, tt := range []struct {
		name         string
		board        map[string]string
		bcm2835, rp1 string // contents of the two parameters
		want, not    string
	}{
		{"kept", pi4, "Y\n", "", "dtparam=strict_gpiod into config.txt or pinctrl_bcm2835.persist", "inputs again"},
		{"released", pi4, "N\n", "Y\n", "inputs again", "strict_gpiod"},
		{"unreadable", pi4, "-", "Y\n", "is not known", "strict_gpiod"},
		{"another board", nil, "", "", "most stay at their last level", "strict_gpiod"},
		{"kept on a Pi 5", pi5, "N\n", "Y\n", "or pinctrl_rp1.persist_gpio_outputs=n", "inputs again"},
		{"released on a Pi 5", pi5, "Y\n", "N\n", "inputs again", "strict_gpiod"},
		{"a Pi 5 that does not say", pi5, "Y\n", "", "most stay at their last level", "strict_gpiod"},
	} {
		h := tree(t, tt.board)
		for name, content := range map[string]string{file: tt.bcm2835, file5: tt.rp1} {
			if content != "" {
				put(t, h, name, content)
			}
		}
		if got := h.CrashNote(); !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}
