package agent

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A supply is a fuzz input that never ends.
type supply []byte

func (s *supply) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// float is a small number in half of the cases, else any, NaN included.
func (s *supply) float() float64 {
	if b := s.byte(); b%2 == 0 {
		return float64(int8(b)) / 4
	}
	var bits [8]byte
	for i := range bits {
		bits[i] = s.byte()
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(bits[:]))
}

func (s *supply) field() (f Field) {
	keys := s.byte()
	has := func(bit int) bool { return keys>>bit&1 == 1 }
	if has(0) {
		f.Reject = []float64{s.float()}
	}
	if has(1) {
		f.Valid = &[2]float64{s.float(), s.float()}
	}
	if has(2) {
		f = with(f, scaled(s.float(), s.float()))
	} else if has(3) {
		f.Points = [][2]float64{{-1, s.float()}, {0, s.float()}, {1, s.float()}}
	}
	if has(4) {
		f.MaxStep = math.Abs(s.float())
	}
	if has(5) {
		kind := []string{"median", "mean", "ema"}[s.byte()%3]
		f = with(f, smooth(kind, 2+int(s.byte())%98, float64(s.byte())/255))
	}
	if has(6) {
		f = with(f, decimals(int(s.byte())%10))
	}
	if has(7) {
		f.Stale = time.Duration(s.byte()) * time.Second
	}
	f.Change = &Change{math.Abs(s.float()), s.byte()%2 == 0}
	f.Heartbeat = time.Duration(s.byte()) * time.Second
	return f
}

func (s *supply) reading(at time.Time) Reading {
	r := Reading{Name: "a.b", Time: at, Quality: Quality(s.byte() % 16 % 6)}
	switch s.byte() % 16 {
	case 0:
		r.Value = Bool(s.byte()%2 == 0)
	case 1:
		r.Value = Text("open")
	default:
		r.Value = Number(s.float())
	}
	if r.Quality != Good {
		r.Reason = "because"
	}
	return r
}

// Whatever a sensor says: what comes out is a number or a failure with a
// reason, never newer than it is; and two published numbers in a row differ by
// the dead-band unless the heartbeat is due or the quality differs.
func FuzzFields(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x02\x01\x0a" + "\x00\x02\x04" + "\x00\x02\x06" + "\x03\x02\x08" + "\x00\x02\x10"))
	f.Add([]byte("\xff\x10\x80\x7c\x08\x02\x10\x00\x05\x20\x01\x03\x40\x02\x01\x01\x3c" +
		"\x00\x02\x10\x00\x02\x12\x00\x02\x7e\x00\x02\x7e\x00\x02\x7e\x03\x02\x00\x00\x02\x10\x02\x02\x00"))
	f.Add([]byte("\x20\x02\x00\x80\x02\x01\x00\x01\xff\xff\xff\xff\xff\xff\xef\x7f" +
		"\x00\x03\x01\xff\xff\xff\xff\xff\xff\xef\x7f\x00\x03\x01\xff\xff\xff\xff\xff\xff\xef\xff"))
	f.Fuzz(func(t *testing.T, data []byte) { checkFields(t, data) })
}

// The same with inputs that are long enough for windows and runs.
func TestFieldsAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		data := make([]byte, 1500)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		checkFields(t, data)
	}
}

func checkFields(t *testing.T, data []byte) {
	s := supply(data)
	rule := FieldRule{"*", s.field()}
	now := base
	var before Reading
	var at time.Time
	check := func(r Reading) {
		if has := r.Value.Kind() != None; has == (r.Quality >= Fault) || math.IsNaN(r.Value.num) || math.IsInf(r.Value.num, 0) {
			t.Fatalf("value %v of quality %s", r.Value, r.Quality)
		}
		if r.Quality != Good && r.Reason == "" || r.Time.After(now) || r.Name != "a.b" {
			t.Fatalf("got %+v at %v", r, now)
		}
	}
	stage := &Fields{Rules: []FieldRule{rule}, Refresh: check}
	stage.Next = func(r Reading) {
		check(r)
		heartbeat := rule.Heartbeat
		if heartbeat == 0 {
			heartbeat = DefaultHeartbeat
		}
		due := now.Sub(at) >= heartbeat-heartbeat/50
		if c := rule.Change; !due && r.Quality == before.Quality && r.Quality <= Uncertain && *c != (Change{}) &&
			r.Value.Kind() == IsNumber && before.Value.Kind() == IsNumber {
			by := c.By
			if c.Percent {
				by *= math.Abs(before.Value.num) / 100
			}
			a, b := r.Value.num, before.Value.num
			if a == b || math.Abs(a-b) < by-1e-15*math.Max(math.Abs(a), math.Abs(b)) {
				t.Fatalf("%v after %v in a dead-band of %v", a, b, by)
			}
		}
		before, at = r, now
	}
	tr, _ := stage.find("a.b")
	for len(s) > 0 {
		now = now.Add(time.Duration(s.byte()) * 100 * time.Millisecond)
		tr.take(s.reading(now), now)
		tr.expire(now)
	}
}
