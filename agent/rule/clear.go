package rule

import (
	"fmt"
	"math"
	"slices"

	"pipit/agent"
)

// CheckClear tells whether clear is on the wrong side of when: whether both are
// true of one value, as "boiler > 80" and "boiler < 90" are at 85. It tries all
// values that matter, and says nothing where there is more than one name.
func CheckClear(when, clear *Cond) error {
	both := &Cond{terms: append(slices.Clone(when.terms), clear.terms...)}
	names := both.Names()
	if len(names) != 1 {
		return nil
	}
	for _, r := range samples(both, names[0]) {
		get := func(string) (agent.Reading, bool) { return r, true }
		if when.Eval(get, nil) == True && clear.Eval(get, nil) == True {
			return fmt.Errorf("clear %q is true together with when %q (%s): write a clear that is false wherever when is true",
				clear, when, shown(r))
		}
	}
	return nil
}

func shown(r agent.Reading) string {
	if !r.OK() {
		return r.Name + " is " + r.Quality.String()
	}
	return withUnit(r.Name+" = "+literal(r.Value), r.Unit)
}

// samples returns a reading for each answer that a condition on one name can have.
func samples(c *Cond, name string) (list []agent.Reading) {
	for _, q := range []agent.Quality{agent.Stale, agent.Fault, agent.Missing} {
		list = append(list, agent.Reading{Name: name, Quality: q})
	}
	values := []agent.Value{agent.Bool(false), agent.Bool(true), agent.Text("")}
	other := "" // a text that is longer than, so none of, those named
	for _, t := range c.terms {
		if t.value.Kind() == agent.IsText {
			values = append(values, t.value)
			other += t.value.String() + "x"
		}
	}
	values = append(values, agent.Text(other))
	// The plain numbers come last in around's list, and read best in an error.
	for _, f := range slices.Backward(around(c.Thresholds(name))) {
		values = append(values, agent.Number(f))
	}
	units := c.Units(name)
	if len(units) == 0 {
		units = []string{""}
	}
	for _, v := range values {
		for _, u := range units {
			list = append(list, agent.Reading{Name: name, Value: v, Unit: u})
		}
	}
	return list
}

// around returns the numbers at, between and outside the given ones.
func around(numbers []float64) []float64 {
	points := []float64{-math.MaxFloat64, math.MaxFloat64}
	for i, n := range numbers {
		points = append(points, n, math.Nextafter(n, -math.MaxFloat64), math.Nextafter(n, math.MaxFloat64))
		if i > 0 {
			points = append(points, n/2+numbers[i-1]/2)
		}
	}
	return points
}
