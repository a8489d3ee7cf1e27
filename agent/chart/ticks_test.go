package chart

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestTimeTicks(t *testing.T) {
	for _, tt := range []struct {
		name, zone, from string // from in that zone
		span             time.Duration
		want             string // label @ hours after from
	}{
		{"seconds", "Europe/Paris", "2026-11-23 12:00:03", time.Minute, "12:00:10 12:00:20 12:00:30 12:00:40 12:00:50 12:01:00"},
		{"minutes", "Europe/Paris", "2026-11-23 12:03:00", 90 * time.Minute, "12:10 12:20 12:30 12:40 12:50 13:00 13:10 13:20 13:30"},
		{"a zone of 5:45", "Asia/Kathmandu", "2026-11-23 12:03:00", 3 * time.Hour, "12:30 13:00 13:30 14:00 14:30 15:00"},
		{"a day", "Europe/Paris", "2026-11-23 14:20:00", 24 * time.Hour, "15:00 18:00 21:00 24 Nov 03:00 06:00 09:00 12:00"},
		{"spring forward", "Europe/Paris", "2026-03-28 20:00:00", 24 * time.Hour, "21:00@1 29 Mar@4 03:00@6 06:00@9 09:00@12 12:00@15 15:00@18 18:00@21 21:00@24"},
		{"the hour that is not", "Europe/Paris", "2026-03-29 00:00:00", 12 * time.Hour, "29 Mar@0 04:00@3 06:00@5 08:00@7 10:00@9 12:00@11"},
		{"fall back", "Europe/Paris", "2026-10-24 20:00:00", 24 * time.Hour, "21:00@1 25 Oct@4 03:00@8 06:00@11 09:00@14 12:00@17 15:00@20 18:00@23"},
		{"the hour that is twice", "Europe/Paris", "2026-10-25 01:00:00", 4 * time.Hour, "01:00@0 01:30@0.5 02:00@1 02:30@1.5 02:00@2 02:30@2.5 03:00@3 03:30@3.5 04:00@4"},
		{"days over a change", "Europe/Paris", "2026-03-26 12:00:00", 7 * 24 * time.Hour, "27 Mar@12 28 Mar@36 29 Mar@60 30 Mar@83 31 Mar@107 1 Apr@131 2 Apr@155"},
		{"a midnight that is not", "America/Sao_Paulo", "2018-11-01 12:00:00", 6 * 24 * time.Hour, "2 Nov@12 3 Nov@36 4 Nov@60 5 Nov@83 6 Nov@107 7 Nov@131"},
		{"Mondays", "Europe/Paris", "2026-10-26 12:00:00", 28 * 24 * time.Hour, "2 Nov 9 Nov 16 Nov 23 Nov"},
		{"months", "America/New_York", "2025-10-20 12:00:00", 400 * 24 * time.Hour, "Nov 2026 Mar May Jul Sep Nov"},
		{"years", "UTC", "2009-02-03 00:00:00", 20 * 365 * 24 * time.Hour, "2010 2015 2020 2025"},
	} {
		from, err := time.ParseInLocation(time.DateTime, tt.from, zone(t, tt.zone))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range timeTicks(from, from.Add(tt.span), 9) {
			if strings.Contains(tt.want, "@") {
				k.label += "@" + number(k.at/3600, 0.5, 1)
			}
			got = append(got, strings.Replace(k.label, ".0", "", 1))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, s, tt.want)
		}
	}
}

func TestScale(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lo, hi float64
		want   string
	}{
		{"temperatures", -3.2, 7.9, "-4 -2 0 2 4 6 8"},
		{"ends are ticks", 0, 100, "0 20 40 60 80 100"},
		{"a narrow range", 21.42, 21.58, "21.40 21.45 21.50 21.55 21.60"},
		{"constant", 20, 20, "19.0 19.5 20.0 20.5 21.0"},
		{"constantly zero", 0, 0, "-1.0 -0.5 0 0.5 1.0"},
		{"constant below zero", -20, -20, "-21.0 -20.5 -20.0 -19.5 -19.0"},
		{"thousands", 950, 1043, "940 960 980 1000 1020 1040 1060"},
		{"many", 28e9, 36e9, "28G 30G 32G 34G 36G"},
		{"some", 0, 150000, "0 50k 100k 150k"},
		{"narrow and far", 1000000, 1000004, "1000000 1000001 1000002 1000003 1000004"},
		{"small", 1e-6, 5e-6, "1e-6 2e-6 3e-6 4e-6 5e-6"},
		{"huge", 0, 1e200, "0 2e199 4e199 6e199 8e199 1e200"},
	} {
		s := newScale(tt.lo, tt.hi, 5)
		var got []string
		for _, k := range s.ticks {
			got = append(got, k.label)
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, g, tt.want)
		}
	}
}

func FuzzScale(f *testing.F) {
	for _, v := range [][2]float64{{0, 0}, {-3.2, 7.9}, {1e15, 1e15 + 1}, {-maxValue, maxValue}, {5e-324, 1e-323}, {1e-300, 2}, {1 << 53, 1<<53 + 2}} {
		f.Add(v[0], v[1], 5)
	}
	f.Fuzz(func(t *testing.T, a, b float64, n int) {
		if math.IsNaN(a) || math.IsNaN(b) || n > 100 {
			return
		}
		lo, hi := min(bounded(a), bounded(b)), max(bounded(a), bounded(b))
		s := newScale(lo, hi, n)
		if slack := (s.hi - s.lo) * 1e-3; !(s.lo < s.hi) || s.lo > lo+slack || s.hi < hi-slack || len(s.ticks) < 2 || len(s.ticks) > 2*max(n, 1)+3 {
			t.Errorf("%g to %g in %d: %g to %g with %d ticks", lo, hi, n, s.lo, s.hi, len(s.ticks))
		}
		for _, k := range s.ticks {
			if len(k.label) > 24 {
				t.Errorf("%g to %g: tick %q", lo, hi, k.label)
			}
		}
	})
}

func FuzzTimeTicks(f *testing.F) {
	f.Add(int64(1_700_000_000), int64(86400), "Europe/Paris")
	f.Add(int64(-1e10), int64(1e10), "America/Sao_Paulo")
	f.Add(int64(1_774_700_000), int64(1), "Australia/Lord_Howe")
	f.Fuzz(func(t *testing.T, from, seconds int64, name string) {
		loc, err := time.LoadLocation(name)
		if err != nil || from < -1e10 || from > 1e11 || seconds < 1 || seconds > 9e9 {
			return
		}
		start, last := time.Unix(from, 0).In(loc), -1.0
		ticks := timeTicks(start, start.Add(time.Duration(seconds)*time.Second), 9)
		if len(ticks) > 14 {
			t.Errorf("%d ticks", len(ticks))
		}
		for _, k := range ticks {
			if k.at <= last || k.at > float64(seconds) {
				t.Errorf("%s: %d s from %s: tick %q at %g after %g", name, seconds, start, k.label, k.at, last)
			}
			last = k.at
		}
	})
}
