package sensors

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The parsers of /proc, as Documentation/filesystems/proc.rst describes it.
// They take whatever a file holds and never guess: what they do not
// understand is an error.

// memory is what /proc/meminfo tells, in KiB.
type memory struct {
	total, swapTotal, swapFree uint64
	available                  uint64
	hasAvailable               bool // Linux 3.14 and later
}

func parseMeminfo(b []byte) (m memory, err error) {
	var hasTotal bool
	for line := range bytes.Lines(b) {
		key, rest, ok := bytes.Cut(line, []byte(":"))
		var to *uint64
		switch string(key) {
		case "MemTotal":
			to, hasTotal = &m.total, true
		case "MemAvailable":
			to, m.hasAvailable = &m.available, true
		case "SwapTotal":
			to = &m.swapTotal
		case "SwapFree":
			to = &m.swapFree
		}
		if !ok || to == nil {
			continue
		}
		number := strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB")
		if *to, err = strconv.ParseUint(number, 10, 54); err != nil {
			return memory{}, fmt.Errorf("meminfo: %s: %s is not a number", key, quote(number))
		}
	}
	switch {
	case !hasTotal || m.total == 0:
		return memory{}, errors.New("meminfo: no MemTotal")
	case m.available > m.total:
		return memory{}, errors.New("meminfo: more memory available than there is")
	case m.swapFree > m.swapTotal:
		return memory{}, errors.New("meminfo: more swap free than there is")
	}
	return m, nil
}

// cpuTimes are ticks since boot, summed over all processors.
type cpuTimes struct{ total, idle uint64 }

func parseStat(b []byte) (cpuTimes, error) {
	line := firstLine(b)
	words := strings.Fields(line)
	if len(words) < 5 || words[0] != "cpu" {
		return cpuTimes{}, fmt.Errorf("stat: %s is no line of CPU times", quote(line))
	}
	var t cpuTimes
	// user nice system idle iowait irq softirq steal; user holds guest already
	for i, w := range words[1:min(len(words), 9)] {
		n, err := strconv.ParseUint(w, 10, 60)
		if err != nil {
			return cpuTimes{}, fmt.Errorf("stat: %s is not a number", quote(w))
		}
		t.total += n
		if i == 3 || i == 4 {
			t.idle += n
		}
	}
	return t, nil
}

// use returns the share of time spent working between two looks in percent.
// ok is false when no time went by or the kernel's total went back.
func (t cpuTimes) use(before cpuTimes) (percent float64, ok bool) {
	if t.total <= before.total {
		return 0, false
	}
	total, idle := t.total-before.total, uint64(0)
	if t.idle > before.idle { // iowait may go back
		idle = min(t.idle-before.idle, total)
	}
	return 100 * float64(total-idle) / float64(total), true
}

// parseLoad reads the three load averages.
func parseLoad(b []byte) (load [3]float64, err error) {
	words := strings.Fields(firstLine(b))
	if len(words) < 3 {
		return load, fmt.Errorf("loadavg: %s is no load", quote(firstLine(b)))
	}
	for i := range load {
		if load[i], err = parsePositive(words[i]); err != nil {
			return load, fmt.Errorf("loadavg: %w", err)
		}
	}
	return load, nil
}

// parseUptime reads the seconds since boot.
func parseUptime(b []byte) (float64, error) {
	first, _, _ := strings.Cut(firstLine(b), " ")
	s, err := parsePositive(first)
	if err != nil {
		return 0, fmt.Errorf("uptime: %w", err)
	}
	return s, nil
}

func parsePositive(s string) (float64, error) {
	f, err := parseNumber(s)
	if err == nil && f < 0 {
		err = fmt.Errorf("%s is below 0", quote(s))
	}
	return f, err
}

// parsePressure reads the 10 s average of the "some" line in percent.
func parsePressure(b []byte) (float64, error) {
	words := strings.Fields(firstLine(b))
	if len(words) < 2 || words[0] != "some" || !strings.HasPrefix(words[1], "avg10=") {
		return 0, fmt.Errorf("pressure: %s is no pressure", quote(firstLine(b)))
	}
	p, err := parsePositive(words[1][len("avg10="):])
	if err == nil && p > 100 {
		err = fmt.Errorf("%s %% makes no sense", words[1])
	}
	if err != nil {
		return 0, fmt.Errorf("pressure: %w", err)
	}
	return p, nil
}

// netCounters are bytes and errors since the interface came up.
type netCounters struct {
	name           string
	rx, tx, errors uint64
}

func parseNetDev(b []byte) ([]netCounters, error) {
	var list []netCounters
	for line := range bytes.Lines(b) {
		name, rest, ok := strings.Cut(string(line), ":")
		if !ok { // the two lines of headings have no colon
			continue
		}
		c := netCounters{name: strings.TrimSpace(name)}
		words := strings.Fields(rest)
		if len(words) < 11 || c.name == "" {
			return nil, fmt.Errorf("net/dev: %s is no line of counters", quote(strings.TrimSpace(string(line))))
		}
		var n [11]uint64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseUint(words[i], 10, 64); err != nil {
				return nil, fmt.Errorf("net/dev: %s: %s is not a number", c.name, quote(words[i]))
			}
		}
		c.rx, c.tx, c.errors = n[0], n[8], n[2]+n[10]
		list = append(list, c)
	}
	return list, nil
}

// parseWireless returns the level that /proc/net/wireless shows for an
// interface: dBm where the driver gives dBm, which are below 0. ok is false
// when the interface is not listed.
func parseWireless(b []byte, name string) (level float64, ok bool, err error) {
	for line := range bytes.Lines(b) {
		iface, rest, found := strings.Cut(string(line), ":")
		if !found || strings.TrimSpace(iface) != name {
			continue
		}
		words := strings.Fields(rest)
		if len(words) < 3 {
			return 0, true, fmt.Errorf("net/wireless: %s is no level", quote(strings.TrimSpace(rest)))
		}
		// status, quality, level; a dot behind a number says that it is new
		level, err := parseNumber(strings.TrimSuffix(words[2], "."))
		if err != nil {
			return 0, true, fmt.Errorf("net/wireless: %w", err)
		}
		return level, true, nil
	}
	return 0, false, nil
}

// isMounted tells whether /proc/self/mounts lists a mount at path.
func isMounted(b []byte, path string) bool {
	// fstab(5): space, tab, line feed and backslash are written in octal
	escaped := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(path)
	for line := range bytes.Lines(b) {
		if words := strings.Fields(string(line)); len(words) >= 2 && words[1] == escaped {
			return true
		}
	}
	return false
}

// parseThrottled reads the bits that the Raspberry Pi firmware shows: hex without 0x.
func parseThrottled(b []byte) (uint64, error) {
	s := firstLine(b)
	bits, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("get_throttled: %s is not a hex number", quote(s))
	}
	return bits, nil
}

// findInterface returns the counters of one interface.
func findInterface(list []netCounters, name string) (netCounters, bool) {
	i := slices.IndexFunc(list, func(c netCounters) bool { return c.name == name })
	if i < 0 {
		return netCounters{}, false
	}
	return list[i], true
}
