package alarm

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/rule"
)

// stages is a plan with two more people behind the owner.
func stages() Plan {
	return Plan{Escalate: []string{bob, carol}, CriticalAfter: 5 * time.Minute, WarningAfter: time.Hour, ReceiptAfter: time.Minute}
}

// fire lets the boiler get too hot and returns the line that says so.
func (h *house) fire() string {
	h.see("boiler", 70)
	h.see("boiler", 85)
	return "[critical] hot: boiler is 85.0 °C at " + at(0) + " #1"
}

func TestEscalation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(h *house, id string) // after the owner was told
		after time.Duration
		want  []string // who is told meanwhile, beside the owner
	}{
		{"nobody does anything", func(*house, string) {}, 6*time.Minute + time.Second, []string{"bob", "carol"}},
		{"a device has it", func(h *house, id string) { h.p.Delivered(id, anna) }, 5*time.Minute - time.Second, nil},
		{"a device has it, but nobody acknowledges", func(h *house, id string) { h.p.Delivered(id, anna) }, 5*time.Minute + time.Second, []string{"bob"}},
		{"no receipt", func(*house, string) {}, time.Minute, []string{"bob"}},
		{"a receipt from somebody who was not told", func(h *house, id string) { h.p.Delivered(id, carol) }, time.Minute, []string{"bob"}},
		{"a receipt for something else", func(h *house, id string) { h.p.Delivered("alert-2-ab", anna) }, time.Minute, []string{"bob"}},
		{"acknowledged", func(h *house, id string) { h.p.Ack(anna, "", id) }, 2 * time.Hour, nil},
		{"acknowledged and taken back", func(h *house, id string) {
			h.p.Ack(anna, "", id)
			time.Sleep(time.Hour)
			h.p.Unack(anna, "", id)
		}, 5 * time.Minute, []string{"bob"}},
		{"silenced", func(h *house, id string) { h.p.Silence(anna, "hot", "", 3*time.Hour) }, 2 * time.Hour, nil},
		{"silenced for a while", func(h *house, id string) {
			h.p.Silence(anna, "hot", "", time.Hour)
			time.Sleep(time.Hour)
		}, 5 * time.Minute, []string{"bob"}},
		{"over", func(h *house, id string) { h.see("boiler", 60) }, 2 * time.Hour, nil},
		{"unreachable", func(h *house, id string) { h.p.Unreachable(id, anna, "item-not-found") }, time.Second, []string{"bob"}},
		{"two unreachable", func(h *house, id string) {
			h.p.Unreachable(id, anna, "item-not-found")
			time.Sleep(time.Second)
			h.p.Unreachable(h.p.firstID(h.p.desks[0], bob), bob, "service-unavailable")
		}, time.Second, []string{"bob", "carol"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, stages(), hot(agent.Critical))
				defer func() { h.stop() }()
				line := h.fire()
				h.tells("anna " + line)
				tt.do(h, h.p.firstID(h.p.desks[0], anna))
				time.Sleep(tt.after)
				synctest.Wait()
				var got []string
				h.mu.Lock()
				for _, a := range h.told {
					if a.State == agent.Firing && a.Replaces == "" && a.Text == line {
						got = append(got, shortName(a.To))
					}
				}
				h.mu.Unlock()
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// While the server is away nobody can be told, and none is blamed for it.
func TestNoEscalationWhileOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, stages(), hot(agent.Critical))
		defer func() { h.stop() }()
		h.is(time.Now())
		h.fire()
		h.forget()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		h.tells()
		h.is(time.Time{})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		h.mu.Lock()
		if len(h.told) == 0 || h.told[0].To != bob {
			t.Errorf("told %v, want bob", h.told)
		}
		h.mu.Unlock()
	})
}

// When nobody of those named can be reached, every owner is told.
func TestOwnersAreTheLastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Warning)
		r.To, r.Escalate = []string{bob}, false
		h := newHouse(t, Plan{}, r)
		defer func() { h.stop() }()
		h.fire()
		h.forget()
		h.p.Unreachable(h.p.firstID(h.p.desks[0], bob), bob, "remote-server-not-found")
		synctest.Wait()
		h.tells("anna [warning] hot: boiler is 85.0 °C at " + at(0) + " #1")
		h.p.Unreachable(h.p.firstID(h.p.desks[0], anna), anna, "item-not-found")
		h.p.Unreachable(h.p.firstID(h.p.desks[0], bob), bob, "item-not-found")
		synctest.Wait()
		h.tells()
	})
}

// Escalation goes on after a restart where it was.
func TestEscalationOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := stages()
		plan.ReceiptAfter = 0
		h := newHouse(t, plan, hot(agent.Critical))
		h.fire()
		time.Sleep(4 * time.Minute)
		h.stop()
		h.forget()
		h.start()
		defer func() { h.stop() }()
		h.see("boiler", 85)
		h.tells()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		h.tells("bob [critical] hot: boiler is 85.0 °C at " + at(-5) + " #1")
	})
}

func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Warning)
		r.Repeat = 30 * time.Minute
		h := newHouse(t, Plan{}, r)
		defer func() { h.stop() }()
		h.fire()
		h.forget()
		since := at(0)
		h.see("boiler", 91)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		h.tells("anna [warning] hot: still: boiler is 91.0 °C, since " + since + " #1")
		h.p.Ack(anna, "", "")
		h.forget()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		h.tells()
	})
}

// What fires while it is silenced is told when the silence ends.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Plan{}, hot(agent.Warning))
		defer func() { h.stop() }()
		list, err := h.p.Silence(bob, "all", "", 2*time.Hour)
		if err != nil || len(list) != 1 || list[0].Silenced != time.Now().Add(2*time.Hour) {
			t.Errorf("silence: %+v %v", list, err)
		}
		h.see("boiler", 70)
		h.see("boiler", 85)
		since := at(0)
		h.tells()
		h.shown("false true ", "true true ")
		time.Sleep(2*time.Hour + time.Second)
		synctest.Wait()
		h.tells("anna [warning] hot: boiler is 85.0 °C at " + since + " #1")
		h.p.Silence(bob, "hot", "", time.Hour)
		h.tells("anna [warning] hot: boiler is 85.0 °C at " + since + " #1 – silenced until " + at(60) + " by bob (correction)")
		if _, err := h.p.Unsilence(bob, "1", ""); err != nil {
			t.Error(err)
		}
		h.tells()
	})
}

// In quiet hours only what matters is told; the rest comes when they are over.
func TestQuietHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		midnight := time.Now().Local()
		for sinceMidnight(midnight) != 0 {
			midnight = midnight.Add(time.Second)
		}
		night := Quiet{From: 22 * time.Hour, To: 7 * time.Hour, Except: agent.Critical}
		warn, crit := hot(agent.Warning), hot(agent.Critical)
		crit.Name = "worse"
		h := newHouse(t, Plan{To: []string{anna, bob}, Quiet: map[string]Quiet{anna: night}}, warn, crit)
		defer func() { h.stop() }()
		h.see("boiler", 70)
		time.Sleep(time.Until(midnight) + 26*time.Hour) // two at night
		h.see("boiler", 85)
		line := func(level, name string, n int) string {
			return fmt.Sprintf("[%s] %s: boiler is 85.0 °C at 02:00 #%d", level, name, n)
		}
		h.tells("bob "+line("warning", "hot", 1), "anna "+line("critical", "worse", 2), "bob "+line("critical", "worse", 2))
		time.Sleep(10 * time.Minute)
		h.see("boiler", 60)
		h.forget()
		time.Sleep(10 * time.Minute)
		h.see("boiler", 85)
		h.tells("bob [warning] hot: boiler is 85.0 °C at 02:20 #3", "anna [critical] worse: boiler is 85.0 °C at 02:20 #4", "bob [critical] worse: boiler is 85.0 °C at 02:20 #4")
		time.Sleep(4*time.Hour + 40*time.Minute) // seven
		synctest.Wait()
		h.tells(
			"anna [warning] hot: still: boiler is 85.0 °C, since 02:20 #3",
			"anna In your quiet hours: 02:00 "+line("warning", "hot", 1)+" (over)")
		h.see("boiler", 60)
		h.mu.Lock()
		if len(h.told) != 4 {
			t.Errorf("the end was told %d times, want 4", len(h.told))
		}
		h.mu.Unlock()
	})
}

func TestQuiet(t *testing.T) {
	day := func(h, m int) time.Time { return time.Date(2026, 11, 23, h, m, 0, 0, time.Local) }
	night := Quiet{From: 22 * time.Hour, To: 7 * time.Hour}
	lunch := Quiet{From: 12 * time.Hour, To: 13*time.Hour + 30*time.Minute}
	for _, tt := range []struct {
		q    Quiet
		at   time.Time
		in   bool
		ends time.Time
	}{
		{night, day(21, 59), false, day(21, 59)},
		{night, day(22, 0), true, day(31, 0)},
		{night, day(0, 0), true, day(7, 0)},
		{night, day(6, 59), true, day(7, 0)},
		{night, day(7, 0), false, day(7, 0)},
		{lunch, day(11, 59), false, day(11, 59)},
		{lunch, day(12, 0), true, day(13, 30)},
		{lunch, day(13, 30), false, day(13, 30)},
	} {
		if in, ends := tt.q.in(tt.at), tt.q.end(tt.at); in != tt.in || !ends.Equal(tt.ends) {
			t.Errorf("%v at %v: %v until %v, want %v until %v", tt.q, tt.at, in, ends, tt.in, tt.ends)
		}
	}
}

// Who means what: a number, a name, an answered alert, or the only one.
func TestWhichAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := hot(agent.Warning)
		second.Name = "hotter"
		h := newHouse(t, Plan{}, hot(agent.Critical), second)
		defer func() { h.stop() }()
		refused := func(which, re, want string) {
			t.Helper()
			if _, err := h.p.Ack(anna, which, re); !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("ack %q %q: %v, want %s", which, re, err, want)
			}
		}
		refused("", "", "no alert waits")
		h.see("boiler", 70)
		h.see("boiler", 85)
		refused("", "", "more than one")
		refused("", "some-message", "that message is no alert")
		refused("hott", "", `did you mean "hot`)
		refused("9", "", "#9 is over")
		refused("", "alert-9-00", "#9 is over")
		if s, err := h.p.Ack(anna, "", h.p.firstID(h.p.desks[1], anna)); err != nil || s.Rule != "hotter" {
			t.Errorf("ack by reaction: %+v %v", s, err)
		}
		refused("hotter", "", "acknowledged by anna already")
		if s, err := h.p.Ack(anna, "", ""); err != nil || s.Rule != "hot" {
			t.Errorf("ack of the only one: %+v %v", s, err)
		}
		if _, err := h.p.Unack(bob, "hot", ""); err != nil {
			t.Error(err)
		}
		if _, err := h.p.Unack(bob, "1", ""); !strings.Contains(fmt.Sprint(err), "nobody has acknowledged") {
			t.Error(err)
		}
		list := h.p.Standings()
		if len(list) != 2 || list[0].Rule != "hot" || list[0].Phase != rule.Firing || list[1].By != anna {
			t.Errorf("standings: %+v", list)
		}
	})
}

// A dead-band holds readings back from everybody but the board: a rule that waits
// for its second sample finds it there.
func TestPendingLooksAtTheBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Plan{}, hot(agent.Warning))
		defer func() { h.stop() }()
		h.see("boiler", 85)
		h.tells()
		time.Sleep(30 * time.Second)
		h.tells()
		h.cfg.Agent.Board.Refresh(agent.Reading{Name: "boiler", Value: agent.Number(85.5), Unit: "°C", Time: time.Now()})
		time.Sleep(recheck)
		synctest.Wait()
		h.tells("anna [warning] hot: boiler is 85.5 °C at " + at(0) + " #1")
	})
}

// A flood of readings and receipts grows nothing, and the newest of each name counts.
func TestInboxIsBounded(t *testing.T) {
	var in inbox
	in.init(map[string]bool{"a": true, "b": true})
	in.see(agent.Reading{Name: "b"})
	for i := range 3 * maxInbox {
		in.see(agent.Reading{Name: "a", Value: agent.Number(float64(i))})
		in.see(agent.Reading{Name: "unknown"})
		in.note(receipt{})
	}
	readings, receipts := in.take()
	last := readings[len(readings)-1]
	if f, _ := last.Value.Float(); len(readings) != maxInbox || len(receipts) != maxReceipts || f != 3*maxInbox-1 || readings[0].Name != "b" {
		t.Errorf("%d readings from %q to %v, %d receipts", len(readings), readings[0].Name, last, len(receipts))
	}
}

func TestLineIsBounded(t *testing.T) {
	got := line("info", "x", strings.Repeat("ä\n", 4000), 17)
	if len(got) > agent.MaxText || !strings.HasSuffix(got, "… #17") || strings.Contains(got, "\n") {
		t.Errorf("%d bytes: %q…%q", len(got), got[:20], got[len(got)-20:])
	}
}

func TestTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Plan{To: []string{anna, "room.hall"}, Quiet: map[string]Quiet{anna: {To: 24 * time.Hour, Except: agent.Critical}}}, hot(agent.Warning))
		defer func() { h.stop() }()
		to, err := h.p.Test(bob, "")
		if diff := cmp.Diff([]string{anna, hall}, to); diff != "" || err != nil {
			t.Errorf("%v: %s", err, diff)
		}
		text := " [info] test: an alert would look like this; bob asked for it at " + at(0)
		h.tells("anna"+text, "hall"+text)
		if _, err := h.p.Test(bob, "nothing"); err == nil {
			t.Error("a test of a rule that is not there")
		}
	})
}
