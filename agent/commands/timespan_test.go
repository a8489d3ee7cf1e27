package commands

import (
	"testing"
	"time"
)

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "24h": 24 * time.Hour, "7d": week, "4w": 4 * week, "1m": time.Minute, "400d": maxPast, "57w": 57 * week,
		" 24 H ": 24 * time.Hour, "007d": week,
	} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "24", "h", "0m", "30s", "401d", "58w", "1.5h", "-1h", "+1h", "1h30m", "24hh", "1e3m", "99999999999999999999d", "0x10m", "1_0m", "२d", "1y"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	_, err := parseSpan("1 year")
	if want := `span: "1 year" is no span: write how far back: 90m, 24h, 7d or 4w, from 1m to 400d`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"90m", "24h", "7d", "4w", "400d", "0m", "1h30m", "99999999999d", " 1\u00a0d", "m", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseSpan(s)
		switch {
		case err != nil && d != 0, err == nil && (d < minPast || d > maxPast || d%time.Minute != 0):
			t.Fatalf("%q: %v, %v", s, d, err)
		case err == nil && spanWords(d) == "":
			t.Errorf("%q has no words", s)
		}
	})
}

func TestSpanWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		90 * time.Minute: "90 min", time.Hour: "1 h", 24 * time.Hour: "24 h", 36 * time.Hour: "36 h", week: "7 days", 4 * week: "4 weeks", maxPast: "400 days",
	} {
		if got := spanWords(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
