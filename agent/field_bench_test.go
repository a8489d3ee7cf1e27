package agent

import (
	"fmt"
	"testing"
	"time"
)

var fullChain = with(valid(-40e3, 125e3), scaled(0.001, -0.7), smooth("median", 5, 0), decimals(2), dead(0.5),
	Field{Unit: "°C", Reject: []float64{85000, -127000}, MaxStep: 5, Stale: 2 * time.Minute, Heartbeat: time.Hour})

// A sample costs no allocation, whether it is published or not.
func TestFieldAllocations(t *testing.T) {
	for name, rules := range map[string][]FieldRule{
		"no rule":        nil,
		"no match":       {{"x.*", fullChain}},
		"full chain":     {{"a.*", fullChain}},
		"each published": {{"a.*", fullChain}, {"a.b", dead(0)}},
	} {
		f := &Fields{Rules: rules, Next: func(Reading) {}, Refresh: func(Reading) {}, Crosses: func(string, Value, Value) bool { return false }}
		i := 0
		one := func() {
			f.Put(Reading{Name: "a.b", Value: Number(20e3 + float64(i%100)), Time: base})
			i++
		}
		one()
		if n := testing.AllocsPerRun(1000, one); n != 0 {
			t.Errorf("%s: %v allocations for each sample", name, n)
		}
	}
}

func BenchmarkFields(b *testing.B) {
	for _, test := range []struct {
		name  string
		rules []FieldRule
	}{
		{"no rule", nil},
		{"no match", []FieldRule{{"x.*", fullChain}}},
		{"full chain", []FieldRule{{"a.*", fullChain}}},
	} {
		b.Run(test.name, func(b *testing.B) {
			f := &Fields{Rules: test.rules, Next: func(Reading) {}, Refresh: func(Reading) {}}
			names := make([]string, 100)
			for i := range names {
				names[i] = fmt.Sprint("a.n", i)
				f.Put(Reading{Name: names[i], Value: Number(20e3)})
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				f.Put(Reading{Name: names[i%100], Value: Number(20e3 + float64(i%100)), Time: base})
				i++
			}
		})
	}
}
