package sensors

import (
	"math"
	"slices"
	"strings"

	"pipit/agent"
)

// A quantity is a row of the IIO interface (Documentation/ABI/testing/sysfs-bus-iio).
type quantity struct {
	name     string  // of the type in the channel's file, or of the type and its modifier
	field    string  // in a reading's name; "" takes the modifier: co2, pm2p5
	unit     string  // "" where the table of units has none
	factor   float64 // the interface's unit, to get unit
	min, max float64 // in unit; a value outside makes no sense
}

var quantities = []quantity{
	{"temp", "temperature", "°C", 1e-3, lowestCelsius, highestCelsius},
	{"humidityrelative", "humidity", "%", 1e-3, -6, 119},
	{"pressure", "pressure", "hPa", 10, 0, anything},
	{"illuminance", "illuminance", "lx", 1, 0, anything},
	{"concentration_o2", "o2", "%", 1, 0, 100},
	{"concentration", "", "ppm", 1e4, 0, 1e6},
	{"massconcentration", "", "µg/m³", 1, 0, anything},
	{"uvindex", "uvindex", "UV index", 1, 0, anything},
	{"voltage", "voltage", "V", 1e-3, -anything, anything},
	{"current", "current", "A", 1e-3, -anything, anything},
	{"power", "power", "W", 1e-3, -anything, anything},
	{"energy", "energy", "J", 1, -anything, anything},
	{"resistance", "resistance", "Ω", 1, 0, anything},
	{"ph", "ph", "pH", 1, -2, 16},
	{"electricalconductivity", "conductivity", "µS/cm", 1e4, 0, anything},
	{"distance", "distance", "m", 1, 0, anything},
	{"velocity", "velocity", "m/s", 1, -anything, anything},
	{"accel", "accel", "m/s²", 1, -anything, anything},
	{"gravity", "gravity", "m/s²", 1, -anything, anything},
	{"magn", "magn", "T", 1e-4, -anything, anything},
	{"incli", "incli", "°", 1, -anything, anything},
	{"rot", "rot", "°", 1, -anything, anything},
	{"angl", "angl", "°", 180 / math.Pi, -anything, anything},
	{"anglvel", "anglvel", "", 1, -anything, anything}, // rad/s
	{"count", "count", "count", 1, -anything, anything},
	{"index", "index", "count", 1, -anything, anything},
	{"steps", "steps", "count", 1, 0, anything},
	{"activity", "activity", "%", 1, 0, 100},
	{"intensity", "intensity", "", 1, -anything, anything},
	{"proximity", "proximity", "", 1, -anything, anything},
}

// An iioChannel is one number of a device and the files that make it.
type iioChannel struct {
	id            string // "in_voltage0"
	file          string // "in_voltage0_raw"
	offset, scale string // files, "" where there is none; often shared: "in_voltage_scale"
	unscaled      bool   // a raw number that the driver tells no scale for
	field         string
	rank          int // of the quantity in the table
	quantity
}

// iioChannels finds what can be read among the files of a device, in the order
// of quantities.
func iioChannels(files []string) []iioChannel {
	var list []iioChannel
	for _, f := range files {
		if ch, ok := iioChannelOf(f, files); ok {
			list = append(list, ch)
		}
	}
	slices.SortStableFunc(list, func(a, b iioChannel) int { return a.rank - b.rank })
	return list
}

// iioChannelOf reads the name of a file as in_TYPE, a number, a modifier and
// _input or _raw: "in_concentration_co2_raw", "in_voltage0-voltage1_raw". A
// channel that has its value in both forms is read as the driver has scaled it.
func iioChannelOf(file string, files []string) (ch iioChannel, ok bool) {
	id, scaled := strings.CutSuffix(file, "_input")
	id, raw := strings.CutSuffix(id, "_raw")
	rest, in := strings.CutPrefix(id, "in_")
	if !in || scaled == raw || raw && slices.Contains(files, id+"_input") {
		return ch, false
	}
	for _, other := range []string{"_peak", "_trough", "_mean", "_quadrature_correction", "_quaternion"} {
		if strings.HasSuffix(id, other) {
			return ch, false
		}
	}
	kind := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
	behind := strings.TrimPrefix(rest, kind)
	modifier := strings.TrimLeft(behind, "0123456789")
	rank := slices.IndexFunc(quantities, func(q quantity) bool { return q.name == kind+modifier || q.name == kind })
	if rank < 0 {
		return ch, false
	}
	ch = iioChannel{id: id, file: file, rank: rank, quantity: quantities[rank]}
	ch.field = ch.quantity.fieldOf(behind)
	if raw {
		ch.offset, ch.scale = companion(id, kind, modifier, "offset", files), companion(id, kind, modifier, "scale", files)
	}
	if raw && ch.scale == "" && ch.unit != "" && ch.unit != "count" {
		ch.unscaled, ch.unit, ch.factor, ch.min, ch.max = true, "", 1, -anything, anything
	}
	return ch, true
}

// fieldOf names a channel by what is behind its type: "0" gives voltage0,
// "_x" accel_x, "_co2" of a concentration just co2.
func (q quantity) fieldOf(behind string) string {
	switch {
	case strings.Contains(q.name, "_"):
		return q.field // the modifier is in it
	case q.field != "":
		return agent.CleanName(q.field + behind)
	case behind != "":
		return agent.CleanName(behind)
	}
	return q.name
}

// companion finds the file with the scale or the offset of a channel: its own,
// or one that all channels of the modifier, the type, the direction or the
// device share; "" when there is none.
func companion(id, kind, modifier, what string, files []string) string {
	noNumber := strings.TrimRight(modifier, "0123456789") // in_voltage-voltage_scale
	for _, shared := range []string{id + "_", "in_" + kind + modifier + "_", "in_" + kind + noNumber + "_", "in_" + kind + "_", "in_", ""} {
		if slices.Contains(files, shared+what) {
			return shared + what
		}
	}
	return ""
}
