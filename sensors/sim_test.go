package sensors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

// every reads a sensor n times, one step apart, and returns the values.
func every(t *testing.T, s agent.Sensor, step time.Duration, n int) []string {
	t.Helper()
	var out []string
	for i := range n {
		if i > 0 {
			time.Sleep(step)
		}
		out = append(out, read(t, s)...)
	}
	return out
}

func TestSimShapes(t *testing.T) {
	tests := []struct {
		keys string
		want []string
	}{
		{"shape = \"sine\"\nmin = 10\nmax = 20\nperiod = \"40s\"", []string{": 15 °C", ": 20 °C", ": 15 °C", ": 10 °C", ": 15 °C"}},
		{"shape = \"square\"\nmin = 0\nmax = 1\nperiod = \"20s\"\nunit = \"\"", []string{": 0", ": 1", ": 0", ": 1", ": 0"}},
		{"shape = \"constant\"\nmin = 5\nunit = \"V\"", []string{": 5 V", ": 5 V", ": 5 V", ": 5 V", ": 5 V"}},
		{"shape = \"walk\"\nmin = 3\nmax = 3\nunit = \"Cel\"", []string{": 3 °C", ": 3 °C", ": 3 °C", ": 3 °C", ": 3 °C"}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := build(t, simKind(), nil, tt.keys)
			if b.Bus != "" || len(b.Fields) != 1 || b.Fields[0] != "" {
				t.Errorf("bus %q, fields %q, want a bus of its own and one field", b.Bus, b.Fields)
			}
			time.Sleep(time.Hour) // time begins with the first reading
			got := every(t, roundTo{b.Sensor}, 10*time.Second, 5)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: %s", tt.keys, diff)
			}
		})
	}
}

// roundTo takes the rounding errors of a sine away.
type roundTo struct{ agent.Sensor }

func (s roundTo) Read(ctx context.Context) ([]agent.Reading, error) {
	readings, err := s.Sensor.Read(ctx)
	for i, r := range readings {
		readings[i].Value = r.Value.Round(6)
	}
	return readings, err
}

func TestSimWalkIsTheSameForASeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		walk := func(seed int) []string {
			keys := fmt.Sprintf("shape = \"walk\"\nmin = 0\nmax = 10\nstep = 4\nseed = %d", seed)
			return every(t, build(t, simKind(), nil, keys).Sensor, time.Second, 100)
		}
		a, b, c := walk(1), walk(1), walk(2)
		if !slices.Equal(a, b) || slices.Equal(a, c) {
			t.Errorf("seed 1: %q and %q; seed 2: %q", a, b, c)
		}
		last := 5.0
		s := build(t, simKind(), nil, "shape = \"walk\"\nmin = 0\nmax = 10\nstep = 4").Sensor
		for range 1000 {
			r, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			v, _ := r[0].Value.Float()
			if v < 0 || v > 10 || v-last > 4 || last-v > 4 {
				t.Fatalf("a step from %v to %v", last, v)
			}
			last = v
		}
	})
}

func TestSimFaults(t *testing.T) {
	const square = "shape = \"square\"\nmin = 0\nmax = 1\nperiod = \"20s\"\nunit = \"\"\nfault_after = \"20s\"\nfault_for = \"30s\"\n"
	// read every 10 s: 0 1 [0 1 0] 1 0, the fault is on in the brackets
	tests := map[string][]string{
		"none":    {": 0", ": 1", ": 0", ": 1", ": 0", ": 1", ": 0"},
		"fault":   {": 0", ": 1", "error: simulated fault", "error: simulated fault", "error: simulated fault", ": 1", ": 0"},
		"missing": {": 0", ": 1", "missing: simulated: not there", "missing: simulated: not there", "missing: simulated: not there", ": 1", ": 0"},
		"stuck":   {": 0", ": 1", ": 1", ": 1", ": 1", ": 1", ": 0"},
		"nan":     {": 0", ": 1", ":", ":", ":", ": 1", ": 0"},
		"flap":    {": 0", ": 1", "error: simulated fault", ": 1", "error: simulated fault", ": 1", ": 0"},
	}
	for fault, want := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := build(t, simKind(), nil, square+"fault = \""+fault+"\"").Sensor
			got := every(t, s, 10*time.Second, 7)
			for i := range got {
				if got[i] == ": " {
					got[i] = ":"
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", fault, diff)
			}
		})
	}
}

func TestSimFaultForEverFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := build(t, simKind(), nil, `fault = "fault"`).Sensor
		if got := every(t, s, 1000*time.Hour, 2); !slices.Equal(got, []string{"error: simulated fault", "error: simulated fault"}) {
			t.Errorf("%q", got)
		}
		s = build(t, simKind(), nil, "fault = \"stuck\"\nunit = \"\"\nperiod = \"4s\"").Sensor
		if got := every(t, s, time.Second, 2); !slices.Equal(got, []string{": 21", ": 21"}) {
			t.Errorf("stuck from the start: %q", got)
		}
	})
}

func TestSimHangsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := build(t, simKind(), nil, `fault = "hang"`).Sensor
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := s.Read(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("Read = %v after %v", err, time.Since(start))
		}
	})
}
