package sensors

import (
	"fmt"
	"slices"
	"strings"

	"pipit/agent"
)

// netPrefixes are the fields whose names end in the name of an interface.
var netPrefixes = []string{"net_rx_", "net_tx_", "net_errors_", "wifi_"}

func netFields(iface string) []string {
	name := agent.CleanName(iface)
	return []string{"net_rx_" + name, "net_tx_" + name, "net_errors_" + name}
}

// network gives the kernel's own counters, which start at 0 when an interface
// appears, and the level of wireless interfaces.
func (s *system) network(l *fieldList) {
	b, err := s.bytes("/proc/net/dev")
	var now []netCounters
	if err == nil {
		now, err = parseNetDev(b)
	}
	for _, name := range s.interfaces() {
		if err != nil {
			l.fail(err, netFields(name)...)
		} else {
			s.counters(l, name, now)
		}
		s.wifi(l, name)
	}
	if err == nil {
		s.net = now
	}
}

// interfaces returns the names to report: those of the config, or those with
// a device behind them, which leaves out lo, bridges, veth and docker.
func (s *system) interfaces() []string {
	if len(s.cfg.Interfaces) > 0 {
		return s.cfg.Interfaces
	}
	const class = "/sys/class/net"
	all, _ := s.host.list(class) // a kernel without network has no such directory
	return slices.DeleteFunc(all, func(name string) bool {
		return !s.host.exists(class+"/"+name+"/device") && !s.isWireless(name)
	})
}

func (s *system) counters(l *fieldList, name string, now []netCounters) {
	fields := netFields(name)
	c, ok := findInterface(now, name)
	if !ok {
		l.fail(missing("no interface %s; there are: %s", name, interfaceNames(now)), fields...)
		return
	}
	before, _ := findInterface(s.net, name)
	add := func(field string, value, old uint64, unit string) {
		if value < old {
			l.uncertain(field, float64(value), unit, "the counter went back: the interface was restarted")
			return
		}
		l.number(field, float64(value), unit)
	}
	add(fields[0], c.rx, before.rx, "B")
	add(fields[1], c.tx, before.tx, "B")
	add(fields[2], c.errors, before.errors, "count")
}

func interfaceNames(list []netCounters) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

func (s *system) isWireless(name string) bool {
	dir := "/sys/class/net/" + name
	return s.host.exists(dir+"/wireless") || s.host.exists(dir+"/phy80211")
}

// wifi gives the level of an interface that is wireless, or that the config
// names and that would be wireless if it were there (its name starts with wl).
func (s *system) wifi(l *fieldList, name string) {
	field := "wifi_" + agent.CleanName(name)
	b, err := s.bytes("/proc/net/wireless")
	level, listed, perr := parseWireless(b, name)
	switch present := s.host.exists("/sys/class/net/" + name); {
	case listed && perr != nil:
		l.fail(perr, field)
	case listed:
		s.wifiLevel(l, field, level)
	case !present && strings.HasPrefix(name, "wl"):
		l.fail(missing("no interface %s", name), field)
	case !s.isWireless(name): // not a field of this interface
	case err != nil:
		l.fail(err, field)
	default:
		l.fail(missing("%s is not in /proc/net/wireless", name), field)
	}
}

// wifiLevel checks a level. The kernel shows 0 while there is no connection,
// and other numbers from 0 up where the driver has a scale of its own.
func (s *system) wifiLevel(l *fieldList, field string, level float64) {
	switch {
	case level == 0:
		l.fail(missing("not connected"), field)
	case level > 0:
		l.fail(missing("the driver gives no level in dBm"), field)
	case level < -150:
		l.fail(fmt.Errorf("%g dBm makes no sense", level), field)
	default:
		l.number(field, level, "dBm")
	}
}
