package chart

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pipit/agent"
)

var update = flag.Bool("update", false, "write doc/plot.png anew")

// noon is a time whose hours are round in the zone of most pictures.
var noon = time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// readings makes one every so often until noon, but for those of which value
// says that they are missing by NaN.
func readings(name, unit string, span, every time.Duration, value func(hours float64) float64) (list []agent.Reading) {
	for at := noon.Add(-span); at.Before(noon); at = at.Add(every) {
		if v := value(at.Sub(noon.Add(-span)).Hours()); !math.IsNaN(v) {
			list = append(list, agent.Reading{Name: name, Unit: unit, Value: agent.Number(v), Time: at})
		}
	}
	return list
}

func trace(span time.Duration, held bool, list []agent.Reading) *Trace {
	tr := NewTrace(noon.Add(-span), noon, held, 0)
	for _, r := range list {
		tr.Add(r)
	}
	return tr
}

func switched(name string, span, every time.Duration, on func(hours float64) bool) (list []agent.Reading) {
	for _, r := range readings(name, "", span, every, func(h float64) float64 { return h }) {
		h, _ := r.Value.Float()
		r.Value = agent.Bool(on(h))
		list = append(list, r)
	}
	return list
}

// temperature is that of a day in autumn, with a hole of 70 minutes.
func temperature(h float64) float64 {
	if math.Mod(h, 24) > 13.2 && math.Mod(h, 24) < 14.4 {
		return math.NaN()
	}
	return math.Round((4.5-5*math.Cos((h-8)/24*2*math.Pi)+0.3*math.Sin(h*7)+0.1*math.Sin(h*61))*10) / 10
}

func humidity(h float64) float64 { return 70 + 15*math.Cos((h-7)/24*2*math.Pi) + math.Sin(h*40) }

const hours = time.Hour

// pictures are what is drawn in the tests, and looked at: "go test -artifacts"
// keeps them.
func pictures(t testing.TB) map[string]Plot {
	paris := zone(t, "Europe/Paris")
	plot := func(title string, span time.Duration, series ...Series) Plot {
		return Plot{Title: title, From: noon.Add(-span), To: noon, Location: paris, Series: series}
	}
	number := func(name, unit string, span, every time.Duration, value func(float64) float64) Series {
		return trace(span, false, readings(name, unit, span, every, value)).Series(name)
	}
	two := plot("Garden Pi, last 24 h", 24*hours,
		number("outside.temperature", "°C", 24*hours, time.Minute, temperature),
		number("outside.humidity", "%", 24*hours, time.Minute, humidity))
	two.Thresholds = []Threshold{{"outside.temperature", 0, "frost: 0 °C"}}
	far := plot("Boiler, last 90 min", 90*time.Minute,
		number("boiler", "°C", 90*time.Minute, 30*time.Second, func(h float64) float64 { return 41 + 6*math.Sqrt(h) }))
	far.Thresholds = []Threshold{{"boiler", 95, "too hot: 95 °C"}, {"boiler", 5, "frost: 5 °C"}, {"boiler", 45, ""}}
	door := plot("Door and lamp, last 7 d", 7*24*hours,
		trace(7*24*hours, false, switched("door", 7*24*hours, time.Minute, func(h float64) bool { return math.Mod(h, 24) > 8 && math.Mod(h, 24) < 8.5+math.Mod(h, 5) })).Series("door"),
		trace(7*24*hours, true, readings("lamp", "%", 7*24*hours, 7*hours, func(h float64) float64 { return math.Mod(h*3, 100) })).Series("lamp"))
	var six []Series
	for i, name := range []string{"kitchen.temperature", "bathroom.temperature", "cellar.temperature", "attic.temperature", "a_very_long_name_of_a_sensor_with_a_long.temperature_field_name", "garden.humidity"} {
		s := number(name, "°C", 24*hours, 5*time.Minute, func(h float64) float64 { return 15 + 2*float64(i) + math.Sin(h/3+float64(i)) })
		if i == 5 {
			s.Unit = "%"
		}
		six = append(six, s)
	}
	year := plot("Energy, last 400 d", 400*24*hours, number("meter", "kWh", 400*24*hours, hours, func(h float64) float64 { return 31250 + h*0.4 }))
	big := plot("Wide", 28*24*hours, number("network.received", "B", 28*24*hours, 10*time.Minute, func(h float64) float64 { return 3.2e10 + 4e9*math.Sin(h/30) }),
		number("leak", "A", 28*24*hours, 10*time.Minute, func(h float64) float64 { return 3e-6 * (2 + math.Sin(h/50)) }))
	big.Width, big.Height = 800, 400
	constant := plot("Constant", 24*hours, number("tank", "hPa", 24*hours, 10*time.Minute, func(float64) float64 { return 1013.2 }))
	zero := plot("Zero", time.Minute, number("zero", "count", time.Minute, time.Second, func(float64) float64 { return 0 }))
	one := plot("One reading", 24*hours, number("once", "°C", 24*hours, 23*hours, func(h float64) float64 {
		if h > 0 {
			return math.NaN()
		}
		return 21.5
	}))
	return map[string]Plot{
		"two": two, "far": far, "door": door, "six": plot("Six series of two units and a title that is much too long to stand in one row of a picture for a phone", 24*hours, six...),
		"year": year, "big": big, "constant": constant, "zero": zero, "one": one,
		"none": plot("Nothing", 24*hours, Series{Name: "gone", Unit: "°C"}), "empty": plot("", 24*hours),
		"small": {Title: "Small", From: two.From, To: two.To, Location: paris, Series: two.Series, Width: 240, Height: 160},
		"week":  plot("A week", 7*24*hours, number("outside.temperature", "°C", 7*24*hours, time.Minute, temperature)),
		"extreme": {Title: "Extreme", From: two.From, To: two.To, Location: paris, Series: []Series{{Name: "x", Points: []Point{
			point(two.From, -math.MaxFloat64, -math.MaxFloat64, -math.MaxFloat64), point(two.To, math.MaxFloat64, math.MaxFloat64, math.MaxFloat64)}}}},
	}
}

func render(t testing.TB, p Plot) (*image.Paletted, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := PNG(&b, p); err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*image.Paletted), b.Bytes()
}

func TestPictures(t *testing.T) {
	for name, p := range pictures(t) {
		m, data := render(t, p)
		if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(data) > 20<<10 {
			t.Errorf("%s: %d bytes", name, len(data))
		}
		if w, h := m.Rect.Dx(), m.Rect.Dy(); p.Width > 0 && (w != p.Width || h != p.Height) || p.Width == 0 && (w != 640 || h != 400) {
			t.Errorf("%s: %d x %d", name, w, h)
		}
	}
}

// TestREADMEPicture holds the picture of the README to what is drawn; "-update"
// draws it anew. A few pixels may differ where a processor rounds otherwise.
func TestREADMEPicture(t *testing.T) {
	const file = "../../doc/plot.png"
	m, data := render(t, pictures(t)["two"])
	if *update {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shown, err := png.Decode(f)
	if err != nil || shown.Bounds() != m.Rect {
		t.Fatalf("%v, %v", shown.Bounds(), err)
	}
	differ := 0
	for i, c := range shown.(*image.Paletted).Pix {
		if c != m.Pix[i] {
			differ++
		}
	}
	if differ > len(m.Pix)/500 {
		t.Errorf("%d pixels of %s differ: run go test ./agent/chart -update, and look at it", differ, file)
	}
}
