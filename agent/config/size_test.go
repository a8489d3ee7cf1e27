package config

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for in, want := range map[string]int64{
		"64MB": 64e6, "1 GiB": 1 << 30, "512KiB": 512 << 10, "7B": 7, "3kB": 3000, "0MB": 0,
		"": -1, "64": -1, "MB": -1, "1.5MB": -1, "-1MB": -1, "64mb": -1, "99999999999GB": -1, "2TB": -1,
	} {
		z := size(-1)
		if err := z.UnmarshalText([]byte(in)); int64(z) != want || (err == nil) != (want >= 0) {
			t.Errorf("%q: %d, %v, want %d", in, z, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "0d": 0,
		"": -1, "d": -1, "-1d": -1, "1d-1h": -1, "1dd": -1, "99999999d": -1, "1.5d": -1, "1d 2h": -1,
	} {
		got, err := parseDuration(in)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
}
