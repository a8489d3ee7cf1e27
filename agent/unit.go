package agent

import "slices"

// A Unit is a row of the unit table.
type Unit struct {
	Symbol     string   // as people and Home Assistant write it, and as it stands on the wire: "°C"
	Spellings  []string // also accepted in a config: "C", "Cel", "degC"
	SensorData string   // the unit in urn:nf:iot:sd where that differs from Symbol, else ""
	Class      string   // Home Assistant device class of a sensor, "" where there is none
	Precision  int      // decimals shown to people, 0 to 6
}

// Units returns the closed table of units in the order of documentation.
func Units() []Unit { return units }

var units = []Unit{
	{"°C", []string{"C", "Cel", "degC", "celsius"}, "", "temperature", 1},
	{"°F", []string{"F", "degF", "fahrenheit"}, "", "temperature", 1},
	{"K", []string{"kelvin"}, "", "temperature", 2},
	{"%", []string{"percent", "%RH"}, "", "", 1},
	{"hPa", []string{"mbar"}, "", "atmospheric_pressure", 1},
	{"Pa", []string{"pascal"}, "", "pressure", 0},
	{"kPa", nil, "", "pressure", 2},
	{"bar", nil, "", "pressure", 3},
	{"lx", []string{"lux"}, "", "illuminance", 0},
	{"ppm", nil, "", "carbon_dioxide", 0},
	{"ppb", nil, "", "volatile_organic_compounds_parts", 0},
	{"µg/m³", []string{"ug/m3", "\u03bcg/m³"}, "", "pm25", 0},
	{"V", []string{"volt"}, "", "voltage", 3},
	{"mV", nil, "", "voltage", 0},
	{"A", []string{"ampere"}, "", "current", 3},
	{"mA", nil, "", "current", 0},
	{"W", []string{"watt"}, "", "power", 1},
	{"kW", nil, "", "power", 3},
	{"Wh", nil, "", "energy", 1},
	{"kWh", nil, "", "energy", 2},
	{"J", []string{"joule"}, "", "energy", 0},
	{"Ah", nil, "", "", 3},
	{"Hz", []string{"hertz"}, "", "frequency", 1},
	{"MHz", nil, "", "frequency", 0},
	{"rpm", []string{"RPM", "1/min"}, "", "", 0},
	{"dB", nil, "", "sound_pressure", 0},
	{"dBm", nil, "", "signal_strength", 0},
	{"s", []string{"sec", "second"}, "", "duration", 0},
	{"ms", nil, "", "duration", 0},
	{"min", []string{"minute"}, "", "duration", 0},
	{"h", []string{"hour"}, "", "duration", 1},
	{"B", []string{"byte", "bytes"}, "", "data_size", 0},
	{"KiB", nil, "", "data_size", 0},
	{"MiB", nil, "", "data_size", 0},
	{"GiB", nil, "", "data_size", 1},
	{"B/s", nil, "", "data_rate", 0},
	{"kbit/s", nil, "", "data_rate", 0},
	{"mm", nil, "", "distance", 1},
	{"cm", nil, "", "distance", 1},
	{"m", []string{"metre", "meter"}, "", "distance", 2},
	{"km", nil, "", "distance", 2},
	{"m/s", nil, "", "wind_speed", 1},
	{"km/h", nil, "", "wind_speed", 1},
	{"m/s²", []string{"m/s2"}, "", "", 2},
	{"mm/h", nil, "", "precipitation_intensity", 1},
	{"L", []string{"l", "litre", "liter"}, "l", "volume", 1},
	{"m³", []string{"m3"}, "", "volume", 3},
	{"L/min", []string{"l/min"}, "", "volume_flow_rate", 1},
	{"m³/h", []string{"m3/h"}, "", "volume_flow_rate", 2},
	{"g", nil, "", "weight", 0},
	{"kg", nil, "", "weight", 2},
	{"°", []string{"deg"}, "", "", 1},
	{"pH", nil, "", "ph", 2},
	{"µS/cm", []string{"uS/cm", "\u03bcS/cm"}, "", "conductivity", 0},
	{"Ω", []string{"ohm", "Ohm", "\u2126"}, "", "", 0},
	{"T", []string{"tesla"}, "", "", 6},
	{"UV index", []string{"UVI"}, "", "", 1},
	{"count", nil, "", "", 0},
	{"/s", []string{"1/s"}, "", "", 2},
}

// LookupUnit finds a unit by its symbol or an accepted spelling; case counts
// (mW is not MW). ok is false for "" and for what the table does not hold.
func LookupUnit(s string) (u Unit, ok bool) {
	for _, u := range units {
		if u.Symbol == s || slices.Contains(u.Spellings, s) {
			return u, true
		}
	}
	return Unit{}, false
}
