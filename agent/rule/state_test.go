package rule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	yes     = Result{When: True, Clear: False}
	between = Result{When: False, Clear: False} // of a hysteresis
	no      = Result{When: False, Clear: True}
	dunno   = Result{}
	start   = time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)
)

// play runs a script of "SECONDS WORD" steps and returns what happened, each
// as "SECONDS kind", in parentheses where quiet.
func play(t *testing.T, m *Machine, script string) (got string) {
	t.Helper()
	var out []string
	for _, line := range strings.Split(script, ",") {
		var at int
		var word string
		if _, err := fmt.Sscan(line, &at, &word); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		now := start.Add(time.Duration(at) * time.Second)
		for _, e := range act(m, word, now) {
			s := fmt.Sprintf("%d %s", at, e.Kind)
			if e.Count > 0 {
				s += fmt.Sprintf(" x%d", e.Count)
			}
			if e.Quiet {
				s = "(" + s + ")"
			}
			out = append(out, s)
		}
		if next := m.Next(); due(next, now) {
			t.Errorf("%s: Next is %v, which has passed", line, next)
		}
	}
	return strings.Join(out, ", ")
}

func act(m *Machine, word string, now time.Time) []Event {
	switch word {
	case "yes":
		return m.Step(now, yes)
	case "no":
		return m.Step(now, no)
	case "between":
		return m.Step(now, between)
	case "dunno":
		return m.Step(now, dunno)
	case "ack":
		return m.Ack("anna", now)
	case "unack":
		return m.Unack("anna", now)
	case "silence":
		return m.Silence("anna", now.Add(time.Hour), now)
	case "unsilence":
		return m.Unsilence("anna", now)
	}
	return m.Tick(now)
}

const flap = "60 yes, 70 no, 80 yes, 90 no, 100 yes, 110 no, 120 yes, 130 no, 140 yes, 150 no, "
const flapped = "60 fired, 70 resolved, 80 fired, 90 resolved, 100 fired, 110 resolved, 120 fired, 130 resolved, 140 fired, 150 resolved, "

func TestMachine(t *testing.T) {
	const min = time.Minute
	for _, c := range []struct {
		name         string
		rule         Rule
		script, want string
	}{
		{"plain", Rule{}, "0 no, 1 yes, 2 yes, 3 no, 4 no, 5 yes", "1 fired, 3 resolved, 5 fired"},
		{"the first sample cannot page", Rule{}, "0 yes, 0 tick, 5 tick", ""},
		{"the second one can", Rule{}, "0 yes, 1 yes", "1 fired"},
		{"grace", Rule{Grace: min}, "0 no, 5 yes, 30 yes, 64 tick, 65 tick, 70 no, 80 yes", "65 fired, 70 resolved, 80 fired"},
		{"grace and one sample", Rule{Grace: min}, "0 no, 5 yes, 90 tick, 91 yes", "91 fired"},
		{"for is longer than grace", Rule{Grace: min, For: 2 * min}, "0 yes, 60 yes, 119 yes, 120 tick", "120 fired"},
		{"for", Rule{For: min}, "0 no, 1 yes, 60 tick, 61 tick", "61 fired"},
		{"for begins anew", Rule{For: min}, "0 no, 1 yes, 50 no, 51 yes, 61 yes, 110 yes, 111 yes", "111 fired"},
		{"unknown does not fire", Rule{For: min}, "0 no, 1 yes, 50 dunno, 90 tick, 95 yes", "95 fired"},
		{"unknown does not clear", Rule{ClearFor: min}, "0 no, 1 yes, 5 no, 50 dunno, 90 tick, 95 no", "1 fired, 95 resolved"},
		{"unknown alone does nothing", Rule{}, "0 dunno, 1 dunno, 2 yes, 3 yes", "3 fired"},
		{"clear_for", Rule{ClearFor: min}, "0 no, 1 yes, 10 no, 50 yes, 60 no, 119 tick, 120 tick", "1 fired, 120 resolved"},
		{"hysteresis", Rule{}, "0 no, 1 yes, 2 between, 3 yes, 4 between, 5 no, 6 between", "1 fired, 5 resolved"},
		{"hysteresis stops clear_for", Rule{ClearFor: min}, "0 no, 1 yes, 10 no, 20 between, 80 no, 139 tick, 140 no", "1 fired, 140 resolved"},
		{"repeat", Rule{Repeat: min}, "0 no, 1 yes, 60 yes, 61 tick, 70 yes, 121 tick, 122 no, 200 tick", "1 fired, 61 repeated, 121 repeated, 122 resolved"},
		{"repeat of a dead sensor", Rule{Repeat: min}, "0 no, 1 yes, 2 dunno, 61 tick", "1 fired, 61 repeated"},
		{"no repeat while it clears", Rule{Repeat: min, ClearFor: 2 * min}, "0 no, 1 yes, 10 no, 61 tick, 129 tick, 130 tick", "1 fired, 130 resolved"},
		{"acked", Rule{Repeat: min}, "0 no, 0 ack, 1 yes, 2 ack, 3 ack, 90 tick, 95 unack, 96 unack, 154 tick, 155 tick, 156 ack, 200 no, 201 ack, 202 yes",
			"1 fired, 2 acked, 95 unacked, 155 repeated, 156 acked, 200 resolved, 202 fired"},
		{"silenced", Rule{Repeat: min}, "0 no, 1 silence, 2 yes, 100 yes, 3601 tick, 3660 tick, 3661 tick", "1 silenced, (2 fired), 3601 unsilenced, 3601 repeated, 3661 repeated"},
		{"silenced and over", Rule{}, "0 no, 1 silence, 2 yes, 3 no, 3601 tick", "1 silenced, (2 fired), (3 resolved), 3601 unsilenced"},
		{"silenced after it was told", Rule{Repeat: min}, "0 no, 1 yes, 2 silence, 61 tick, 70 no", "1 fired, 2 silenced, 70 resolved"},
		{"unsilenced", Rule{}, "0 unsilence, 0 no, 1 silence, 2 yes, 3 unsilence", "1 silenced, (2 fired), 3 unsilenced, 3 repeated"},
		{"silenced and acked", Rule{}, "0 no, 1 silence, 2 yes, 3 ack, 4 unsilence", "1 silenced, (2 fired), 3 acked, 4 unsilenced"},
		{"five an hour are none too many", Rule{}, "0 no, " + flap + "3660 yes, 3670 no", flapped + "3660 fired, 3670 resolved"},
		{"flapping", Rule{Repeat: min}, "0 no, " + flap + "160 yes, 170 no, 180 yes, 190 no, 3789 tick, 3790 tick, 3800 yes",
			flapped + "160 flapping x6, (160 fired), (170 resolved), (180 fired), (190 resolved), 3790 calmed x7, 3800 fired"},
		{"flapping ends in alarm", Rule{}, "0 no, " + flap + "160 yes, 3700 yes, 3760 tick, 3770 no",
			flapped + "160 flapping x6, (160 fired), 3760 calmed x6, 3760 repeated, 3770 resolved"},
		{"flapping in silence", Rule{}, "0 no, 1 silence, " + flap + "160 yes",
			"1 silenced, (60 fired), (70 resolved), (80 fired), (90 resolved), (100 fired), (110 resolved), (120 fired), (130 resolved), (140 fired), (150 resolved), (160 flapping x6), (160 fired)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := play(t, New(c.rule, Incident{}, start, nil), c.script); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestRestart plays one script, keeps the incident, and plays another.
func TestRestart(t *testing.T) {
	const min = time.Minute
	for _, c := range []struct {
		name         string
		rule         Rule
		before       string
		after        string
		want         string
		wantsRestart int
	}{
		{"still true", Rule{Grace: min}, "0 no, 90 yes", "101 yes, 102 yes, 500 yes", "", 100},
		{"cleared meanwhile", Rule{Grace: min}, "0 no, 90 yes", "101 no, 102 no", "101 resolved", 100},
		{"cleared, slowly", Rule{ClearFor: min}, "0 no, 1 yes, 99 no", "101 no, 160 tick, 161 tick", "161 resolved", 100},
		{"a repeat waits for a sample", Rule{Repeat: min}, "0 no, 1 yes", "200 tick, 201 dunno, 202 yes, 262 tick", "202 repeated, 262 repeated", 200},
		{"a repeat that is too late", Rule{Repeat: min}, "0 no, 1 yes", "200 tick, 201 no", "201 resolved", 200},
		{"not too early", Rule{Repeat: min}, "0 no, 1 yes", "31 yes, 32 yes, 61 tick", "61 repeated", 30},
		{"acked", Rule{Repeat: min}, "0 no, 1 yes, 2 ack", "201 yes, 202 tick, 203 no", "203 resolved", 200},
		{"pending begins anew", Rule{For: min}, "0 no, 1 yes", "201 yes, 202 yes, 260 yes, 261 yes", "261 fired", 200},
		{"silenced", Rule{}, "0 no, 1 silence", "201 yes, 202 yes, 3600 yes, 3601 tick", "(202 fired), 3601 unsilenced, 3601 repeated", 200},
		{"flapping", Rule{}, "0 no, " + flap + "160 yes", "201 no, 202 yes, 3801 tick, 3802 tick", "(201 resolved), (202 fired), 3802 calmed x7, 3802 repeated", 200},
		{"firings of the hour", Rule{}, "0 no, " + flap + "151 no", "201 no, 202 yes", "202 flapping x6, (202 fired)", 200},
		{"a clock that was ahead", Rule{Repeat: min}, "0 no, 9000 yes", "101 yes, 160 tick", "160 repeated", 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(c.rule, Incident{}, start, nil)
			play(t, m, c.before)
			data, err := m.Incident().Marshal()
			if err != nil {
				t.Fatal(err)
			}
			inc, err := Unmarshal(data)
			if err != nil {
				t.Fatal(err)
			}
			m = New(c.rule, inc, start.Add(time.Duration(c.wantsRestart)*time.Second), nil)
			if got := play(t, m, c.after); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	n := uint64(16)
	m := New(Rule{Name: "hot", Level: 2}, Incident{}, start, func() uint64 { n++; return n })
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	m.Step(at(0), no)
	got := m.Step(at(1), yes)
	got = append(got, m.Ack("anna@example.org", at(2))...)
	got = append(got, m.Silence("anna@example.org", at(1e9), at(3))...)
	if m.Incident().By != "anna@example.org" || m.Incident().Phase != Acked {
		t.Errorf("%+v", m.Incident())
	}
	got = append(got, m.Step(at(4), no)...)
	e := Event{Rule: "hot", Level: 2, Number: 17, Since: at(1)}
	with := func(k Happening, s int, by string, until time.Time) Event {
		e := e
		e.Kind, e.Time, e.By, e.Until = k, at(s), by, until
		return e
	}
	want := []Event{with(Fired, 1, "", time.Time{}), with(WasAcked, 2, "anna@example.org", time.Time{}),
		with(Silenced, 3, "anna@example.org", at(3).Add(MaxSilence)), with(Resolved, 4, "", time.Time{})}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantHistory := []Transition{{at(1), Firing, ""}, {at(2), Acked, "anna@example.org"}, {at(4), Idle, ""}}
	if diff := cmp.Diff(wantHistory, m.Incident().History); diff != "" {
		t.Error(diff)
	}
}

func TestRule(t *testing.T) {
	r := Rule{When: parse(t, "a > 80"), Clear: parse(t, "a < 70")}
	for _, c := range []struct {
		r    Rule
		want string
	}{
		{r, ""},
		{Rule{}, "when is missing"},
		{Rule{When: r.When, For: -1}, "for is"},
		{Rule{When: r.When, ClearFor: MaxTime + 1}, "clear_for is"},
		{Rule{When: r.When, Repeat: time.Second}, "repeat is 1s"},
		{Rule{When: r.When, Clear: parse(t, "a < 81")}, "is true together with"},
	} {
		err := c.r.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestRuleEval(t *testing.T) {
	two := Rule{When: parse(t, "a > 80"), Clear: parse(t, "a < 70")}
	one := Rule{When: parse(t, "a > 80")}
	for _, c := range []struct {
		a                float64
		wantTwo, wantOne Result
	}{{85, yes, yes}, {75, between, no}, {65, no, no}} {
		get := sample(c.a)
		if got := two.Eval(get, nil); got != c.wantTwo {
			t.Errorf("%v: %v", c.a, got)
		}
		if got := one.Eval(get, nil); got != c.wantOne {
			t.Errorf("%v: %v", c.a, got)
		}
	}
	wrong := Rule{When: parse(t, "a > 80"), Clear: parse(t, "a > 0")}
	if got := wrong.Eval(sample(85), nil); got.Clear == True {
		t.Errorf("when wins: %v", got)
	}
}
