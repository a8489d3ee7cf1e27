package sensors

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMeminfo(t *testing.T) {
	tests := []struct {
		text, err string
		want      memory
	}{
		{"MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\nHugePages_Total: 0\n", "",
			memory{total: 1000, available: 250, hasAvailable: true, swapTotal: 100, swapFree: 40}},
		{"MemTotal: 1000 kB\n", "", memory{total: 1000}},
		{"", "meminfo: no MemTotal", memory{}},
		{"MemTotal: 0 kB\n", "meminfo: no MemTotal", memory{}},
		{"MemTotal: many kB\n", `meminfo: MemTotal: "many" is not a number`, memory{}},
		{"MemTotal: -5 kB\n", `meminfo: MemTotal: "-5" is not a number`, memory{}},
		{"MemTotal:", `meminfo: MemTotal: "" is not a number`, memory{}},
		{"MemTotal: 5 kB\nMemAvailable: 6 kB", "meminfo: more memory available than there is", memory{}},
		{"MemTotal: 5 kB\nSwapFree: 6 kB", "meminfo: more swap free than there is", memory{}},
	}
	for _, tt := range tests {
		got, err := parseMeminfo([]byte(tt.text))
		if got != tt.want || message(err) != tt.err {
			t.Errorf("%q: %+v, %q; want %+v, %q", tt.text, got, message(err), tt.want, tt.err)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParseStat(t *testing.T) {
	tests := []struct {
		text, err string
		want      cpuTimes
	}{
		{"cpu  10 1 20 100 5 3 2 1 7 7\ncpu0 ...\n", "", cpuTimes{total: 142, idle: 105}}, // guest is inside user
		{"cpu 1 2 3 4\n", "", cpuTimes{total: 10, idle: 4}},
		{"", `stat: "" is no line of CPU times`, cpuTimes{}},
		{"cpu 1 2 3\n", `stat: "cpu 1 2 3" is no line of CPU times`, cpuTimes{}},
		{"intr 1 2 3 4 5 6\n", `stat: "intr 1 2 3 4 5 6" is no line of CPU times`, cpuTimes{}},
		{"cpu 1 2 x 4\n", `stat: "x" is not a number`, cpuTimes{}},
	}
	for _, tt := range tests {
		got, err := parseStat([]byte(tt.text))
		if message(err) != tt.err || err == nil && got != tt.want {
			t.Errorf("%q: %+v, %q; want %+v, %q", tt.text, got, message(err), tt.want, tt.err)
		}
	}
}

func TestCPUUse(t *testing.T) {
	tests := []struct {
		before, now cpuTimes
		want        float64
		ok          bool
	}{
		{cpuTimes{100, 50}, cpuTimes{200, 125}, 25, true},
		{cpuTimes{100, 50}, cpuTimes{200, 50}, 100, true},
		{cpuTimes{100, 50}, cpuTimes{200, 150}, 0, true},
		{cpuTimes{100, 50}, cpuTimes{200, 40}, 100, true}, // iowait went back
		{cpuTimes{100, 50}, cpuTimes{110, 90}, 0, true},   // never below 0
		{cpuTimes{100, 50}, cpuTimes{100, 50}, 0, false},
		{cpuTimes{100, 50}, cpuTimes{90, 50}, 0, false},
	}
	for _, tt := range tests {
		if got, ok := tt.now.use(tt.before); got != tt.want || ok != tt.ok {
			t.Errorf("from %v to %v: %v, %v; want %v, %v", tt.before, tt.now, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseLoadUptimePressure(t *testing.T) {
	one := func(f func([]byte) (float64, error)) func(string) (any, error) {
		return func(s string) (any, error) { return f([]byte(s)) }
	}
	load := func(s string) (any, error) { return parseLoad([]byte(s)) }
	tests := []struct {
		parse func(string) (any, error)
		text  string
		want  any
		err   string
	}{
		{load, "0.05 0.14 1.15 1/93 11906\n", [3]float64{0.05, 0.14, 1.15}, ""},
		{load, "0.05 0.14\n", nil, `loadavg: "0.05 0.14" is no load`},
		{load, "0.05 x 1\n", nil, `loadavg: "x" is not a number`},
		{load, "-1 0 0\n", nil, `loadavg: "-1" is below 0`},
		{one(parseUptime), "12345.67 20000.00\n", 12345.67, ""},
		{one(parseUptime), "", nil, "uptime: file is empty"},
		{one(parseUptime), "soon 1", nil, `uptime: "soon" is not a number`},
		{one(parsePressure), "some avg10=1.25 avg60=0.09 avg300=1.38 total=44300578\nfull avg10=9.00 avg60=0\n", 1.25, ""},
		{one(parsePressure), "full avg10=1.25\n", nil, `pressure: "full avg10=1.25" is no pressure`},
		{one(parsePressure), "some\n", nil, `pressure: "some" is no pressure`},
		{one(parsePressure), "some avg10=x\n", nil, `pressure: "x" is not a number`},
		{one(parsePressure), "some avg10=100.5\n", nil, "pressure: avg10=100.5 % makes no sense"},
	}
	for _, tt := range tests {
		got, err := tt.parse(tt.text)
		if message(err) != tt.err || err == nil && got != tt.want {
			t.Errorf("%q: %v, %q; want %v, %q", tt.text, got, message(err), tt.want, tt.err)
		}
	}
}

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0:156074689    4724    3    0    0     0          0         0   303835    3006    4    0    0     0       0          0
`

func TestParseNetDev(t *testing.T) {
	got, err := parseNetDev([]byte(netDev))
	want := []netCounters{{"lo", 3193, 3193, 0}, {"eth0", 156074689, 303835, 7}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(netCounters{})); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for text, want := range map[string]string{
		"  eth0: 1 2 3\n":                    `net/dev: "eth0: 1 2 3" is no line of counters`,
		"  : 1 2 3 4 5 6 7 8 9 10 11\n":      `net/dev: ": 1 2 3 4 5 6 7 8 9 "... is no line of counters`,
		"  eth0: 1 2 3 4 5 6 7 8 9 10 x 0\n": `net/dev: eth0: "x" is not a number`,
		"  eth0: -1 2 3 4 5 6 7 8 9 10 11\n": `net/dev: eth0: "-1" is not a number`,
	} {
		if _, err := parseNetDev([]byte(text)); message(err) != want {
			t.Errorf("%q: %q, want %q", text, message(err), want)
		}
	}
}

const wireless = `Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0
 wlan1: 0000    0     0     0        0      0      0      0      0        0
 wlan2: 0000   70.   40.   0        0      0      0      0      0        0
 wlan3: 0000   70.  -256.   0        0      0      0      0      0        0
 wlan4: 0000   70.   loud   0
 wlan5: 0000
`

func TestParseWireless(t *testing.T) {
	tests := []struct {
		name, err string
		level     float64
		ok        bool
	}{
		{"wlan0", "", -56, true},
		{"wlan1", "", 0, true},
		{"wlan2", "", 40, true},
		{"wlan4", `net/wireless: "loud" is not a number`, 0, true},
		{"wlan5", `net/wireless: "0000" is no level`, 0, true},
		{"wlan", "", 0, false},
	}
	for _, tt := range tests {
		level, ok, err := parseWireless([]byte(wireless), tt.name)
		if level != tt.level || ok != tt.ok || message(err) != tt.err {
			t.Errorf("%s: %v, %v, %q; want %v, %v, %q", tt.name, level, ok, message(err), tt.level, tt.ok, tt.err)
		}
	}
}

func TestIsMounted(t *testing.T) {
	mounts := []byte("/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /mnt/my\\040disk vfat rw 0 0\nbroken\n")
	for path, want := range map[string]bool{"/": true, "/mnt/my disk": true, "/mnt/my": false, "/mnt": false, "": false} {
		if got := isMounted(mounts, path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

func FuzzMeminfo(f *testing.F) {
	f.Add([]byte("MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n"))
	f.Add([]byte("MemTotal: 18446744073709551615 kB"))
	f.Add([]byte(":\n: :\nMemTotal"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeminfo(b)
		if err == nil && (m.total == 0 || m.available > m.total || m.swapFree > m.swapTotal) {
			t.Errorf("%q gives %+v", b, m)
		}
	})
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("cpu  10 1 20 100 5 3 2 1 7 7\n"), []byte("cpu 20 2 30 300 5 3 2 1 7 7"))
	f.Add([]byte("cpu 1 2 3 4"), []byte("cpu 18446744073709551615 0 0 0"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		before, err := parseStat(a)
		now, err2 := parseStat(b)
		if err != nil || err2 != nil {
			return
		}
		if use, ok := now.use(before); ok && !(use >= 0 && use <= 100) {
			t.Errorf("%q and %q give %v %%", a, b, use)
		}
	})
}

func FuzzNetDev(f *testing.F) {
	f.Add([]byte(netDev))
	f.Add([]byte("a:1 2 3 4 5 6 7 8 9 10 11"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseNetDev(b)
		if err != nil && list != nil {
			t.Errorf("%q gives %v and %v", b, list, err)
		}
		for _, c := range list {
			if c.name == "" {
				t.Errorf("%q gives an interface without name", b)
			}
		}
	})
}

func FuzzPressure(f *testing.F) {
	f.Add([]byte("some avg10=0.00 avg60=0.09 avg300=1.38 total=44300578\n"))
	f.Add([]byte("some avg10=nan"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePressure(b); !(p >= 0 && p <= 100) || math.IsNaN(p) {
			t.Errorf("%q gives %v, %v", b, p, err)
		}
		if u, err := parseUptime(b); !(u >= 0) || math.IsInf(u, 0) {
			t.Errorf("%q gives an uptime of %v, %v", b, u, err)
		}
		if load, err := parseLoad(b); err == nil && !(load[0] >= 0 && load[1] >= 0 && load[2] >= 0) {
			t.Errorf("%q gives a load of %v", b, load)
		}
	})
}

func FuzzWireless(f *testing.F) {
	f.Add([]byte(wireless), "wlan0")
	f.Add([]byte("wlan0: 0 0. ."), "wlan0")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		level, ok, err := parseWireless(b, name)
		if (!ok || err != nil) && level != 0 || math.IsNaN(level) || math.IsInf(level, 0) {
			t.Errorf("%q gives %v, %v, %v", b, level, ok, err)
		}
	})
}

func FuzzMounts(f *testing.F) {
	f.Add([]byte("/dev/sdb1 /mnt/my\\040disk vfat rw 0 0\n"), "/mnt/my disk")
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		if isMounted(nil, path) || isMounted(b, "") {
			t.Errorf("%q is mounted in %q", path, b)
		}
	})
}

func FuzzThrottled(f *testing.F) {
	f.Add([]byte("50005\n"))
	f.Add([]byte("0x5"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if bits, err := parseThrottled(b); err != nil && bits != 0 {
			t.Errorf("%q gives %v and %v", b, bits, err)
		}
	})
}
