package chart

import (
	"math"
	"time"
)

// bins of intervals: each reaches a quarter further than the one before, from
// 1 ms to more than two years.
const (
	bins   = 116
	growth = 1.25
)

// intervals is the distribution of the times between readings, with what the
// values were in them.
type intervals struct {
	bins    [bins]bin
	n       int
	longest time.Duration
}

type bin struct {
	n         int
	time, sum float64 // seconds, and the values times seconds
}

func binOf(d time.Duration) int {
	ms := float64(d) / float64(time.Millisecond)
	if ms <= 1 {
		return 0
	}
	return min(bins-1, int(math.Log(ms)/math.Log(growth)))
}

// end is the upper end of a bin.
func end(bin int) time.Duration {
	return time.Duration(math.Pow(growth, float64(bin+1)) * float64(time.Millisecond))
}

// add takes the time between two readings and the value in it.
func (v *intervals) add(d time.Duration, value float64) {
	b := &v.bins[binOf(d)]
	b.n++
	b.time += d.Seconds()
	b.sum += value * d.Seconds()
	v.n++
	v.longest = max(v.longest, d)
}

// share returns the bin that a share of the intervals does not exceed.
func (v *intervals) share(part float64) int {
	seen := 0
	for i := range v.bins {
		if seen += v.bins[i].n; float64(seen) >= part*float64(v.n) {
			return i
		}
	}
	return bins - 1
}

// gap: see Trace.Gap.
func (v *intervals) gap(held bool, usual time.Duration) time.Duration {
	if usual = max(usual, v.usual(held)); usual == 0 {
		return 0
	}
	return end(binOf(3 * usual))
}

// usual estimates the usual interval, 0 where there is none. Where intervals
// differ much, the longer ones are usual too; a held value may stay for any time.
func (v *intervals) usual(held bool) time.Duration {
	if v.n == 0 {
		return 0
	}
	bin := v.share(0.75)
	if bin > v.share(0.25)+3 { // more than twice as long
		if held {
			return 0
		}
		bin = v.share(0.95)
	}
	return time.Duration(math.Pow(growth, float64(bin)+0.5) * float64(time.Millisecond))
}

// gaps: see Trace.Gaps. gap is the end of a bin.
func (v *intervals) gaps(gap time.Duration) (n int, longest time.Duration) {
	if gap == 0 || v.longest <= gap {
		return 0, 0
	}
	for i := range v.bins {
		if end(i) > gap {
			n += v.bins[i].n
		}
	}
	return n, v.longest
}

// known returns the time that is not in gaps, in seconds, and the sum of the
// values in it, times seconds.
func (v *intervals) known(gap time.Duration) (sum, seconds float64) {
	for i, b := range v.bins {
		if gap == 0 || end(i) <= gap {
			sum, seconds = sum+b.sum, seconds+b.time
		}
	}
	return sum, seconds
}
