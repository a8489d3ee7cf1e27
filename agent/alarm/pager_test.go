package alarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/rule"
)

const (
	anna  = "anna@example.org"
	bob   = "bob@example.org"
	carol = "carol@example.org"
	hall  = "hall@rooms.example.org"
)

// memState is a State in memory.
type memState struct {
	mu     sync.Mutex
	values map[string][]byte
	fails  bool
}

func (s *memState) Set(space, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails {
		return errors.New("no space left on device")
	}
	s.values[space+"/"+key] = slices.Clone(value)
	return nil
}

func (s *memState) Get(space, key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[space+"/"+key]
	return v, ok
}

func (s *memState) Delete(space, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, space+"/"+key)
	return nil
}

func (s *memState) List(space string) (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(s.values)) {
		if rest, ok := strings.CutPrefix(k, space+"/"); ok {
			keys = append(keys, rest)
		}
	}
	return keys
}

// A house is a pager with people, what they were told, and what was done.
type house struct {
	t       *testing.T
	cfg     Config
	p       *Pager
	stop    func()
	mu      sync.Mutex
	told    []agent.Alert
	did     []string
	offline time.Time
	shows   []string
}

func newHouse(t *testing.T, plan Plan, rules ...Rule) *house {
	t.Helper()
	h := &house{t: t}
	h.cfg = Config{
		Rules: rules, Plan: plan,
		Rooms: []Room{{"hall", hall, agent.Critical + 1}},
		State: &memState{values: make(map[string][]byte)},
		Raise: func(a agent.Alert) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told = append(h.told, a)
			return nil
		},
		Offline: func() time.Time {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.offline
		},
		Show: func(fires, silenced bool, text string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.shows = append(h.shows, fmt.Sprint(fires, silenced, " ", text))
		},
		Agent: &agent.Agent{
			People: map[string]agent.Role{anna: agent.Owner, bob: agent.Operator, carol: agent.Viewer},
			Commands: []agent.Command{
				{Name: "set", Needs: agent.Operator, Params: []agent.Param{{Name: "output", Required: true}, {Name: "value", Required: true}},
					Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
						h.mu.Lock()
						defer h.mu.Unlock()
						h.did = append(h.did, r.Rule+": "+r.Args["output"]+"="+r.Args["value"])
						if r.Args["output"] == "broken" {
							return agent.Answer{}, errors.New("it is stuck")
						}
						return agent.Answer{}, nil
					}},
				{Name: "grant", Needs: agent.Owner, Run: func(context.Context, agent.Request) (agent.Answer, error) { panic("never") }},
				{Name: "open", Needs: agent.Operator, Confirm: agent.ConfirmAsk, Run: func(context.Context, agent.Request) (agent.Answer, error) { panic("never") }},
			},
		},
	}
	h.start()
	return h
}

func (h *house) start() {
	h.p = New(h.cfg)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.p.Run(ctx); err != nil {
			h.t.Error(err)
		}
	}()
	h.stop = func() { cancel(); <-done }
	synctest.Wait()
}

// is sets since when nobody can be told.
func (h *house) is(offline time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offline = offline
}

// forget leaves out what was told so far.
func (h *house) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = nil
}

// shown compares what Show was told so far.
func (h *house) shown(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(want, h.shows); diff != "" {
		h.t.Errorf("shown (-want +got):\n%s", diff)
	}
}

func (h *house) see(name string, v float64) {
	r := agent.Reading{Name: name, Value: agent.Number(v), Unit: "°C", Time: time.Now()}
	h.cfg.Agent.Board.Put(r)
	h.p.See(r)
	synctest.Wait()
}

// tells compares who was told what since the last call.
func (h *house) tells(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	var got []string
	for _, a := range h.told {
		line := shortName(a.To) + " " + a.Text
		if a.Replaces != "" {
			line += " (correction)"
		}
		got = append(got, line)
	}
	h.told = nil
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func (h *house) does(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(want, h.did); diff != "" {
		h.t.Errorf("done (-want +got):\n%s", diff)
	}
	h.did = nil
}

func hot(level agent.Level) Rule {
	when, err := rule.Parse("boiler > 80")
	if err != nil {
		panic(err)
	}
	clear, err := rule.Parse("boiler < 75")
	if err != nil {
		panic(err)
	}
	return Rule{Rule: rule.Rule{Name: "hot", When: when, Clear: clear, Level: level}, Escalate: true}
}

// at returns the local time in so many minutes, as people read it.
func at(minutes int) string {
	return time.Now().Add(time.Duration(minutes) * time.Minute).Format("15:04")
}

// One line for each transition, to those who were told before, with the words
// of the issue.
func TestALifeOfAnAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Critical)
		r.Do, r.OnClear = []string{"set fan on"}, []string{"set fan off"}
		h := newHouse(t, Plan{}, r)
		defer func() { h.stop() }()
		h.see("boiler", 70)
		h.see("boiler", 85.2)
		h.tells("anna [critical] hot: boiler is 85.2 °C at " + at(0) + " #1")
		h.does("hot: fan=on")
		time.Sleep(5 * time.Minute)
		h.see("boiler", 90)
		h.tells()
		s, err := h.p.Ack(bob, "1", "")
		if err != nil || s.Phase != rule.Acked || s.By != bob {
			t.Errorf("ack: %+v %v", s, err)
		}
		h.tells("anna [critical] hot: boiler is 85.2 °C at " + at(-5) + " #1 – acked by bob " + at(0) + " (correction)")
		time.Sleep(7 * time.Minute)
		h.see("boiler", 78)
		h.tells()
		h.see("boiler", 74)
		h.tells("anna [resolved] hot: boiler is 74.0 °C, after 12 min #1 (correction)")
		h.does("hot: fan=off")
		if _, err := h.p.Ack(bob, "1", ""); err == nil {
			t.Error("what is over was acknowledged")
		}
		h.shown("true false [critical] hot: boiler is 85.2 °C at "+at(-12)+" #1", "false false ")
	})
}

// A restart pages nobody twice, does again what the rule does, and still tells
// the end to those who were told the beginning.
func TestRestartPagesNobodyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Warning)
		r.Do, r.Grace = []string{"set fan on"}, time.Minute
		h := newHouse(t, Plan{}, r)
		defer func() { h.stop() }()
		time.Sleep(2 * time.Minute)
		h.see("boiler", 70)
		h.see("boiler", 85)
		h.tells("anna [warning] hot: boiler is 85.0 °C at " + at(0) + " #1")
		h.does("hot: fan=on")
		first := h.p.firstID(h.p.desks[0], anna)
		for range 3 {
			h.stop()
			time.Sleep(time.Minute)
			h.start()
			h.see("boiler", 85)
			h.see("boiler", 86)
			h.tells()
			h.does("hot: fan=on")
		}
		h.see("boiler", 60)
		h.mu.Lock()
		if len(h.told) != 1 || h.told[0].Replaces != first || h.told[0].State != agent.Resolved || h.told[0].Number != 1 {
			t.Errorf("the end: %+v, want a correction of %s", h.told, first)
		}
		h.mu.Unlock()
		h.tells("anna [resolved] hot: boiler is 60.0 °C, after 3 min #1 (correction)")
		h.stop()
		h.start()
		h.see("boiler", 85)
		h.tells() // the first sample after a start
		h.see("boiler", 85)
		time.Sleep(time.Minute)
		synctest.Wait()
		h.tells("anna [warning] hot: boiler is 85.0 °C at " + at(0) + " #2")
	})
}

// A rule without its state begins anew; numbers never come twice.
func TestNumbersOutliveRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Plan{}, hot(agent.Warning))
		h.see("boiler", 70)
		h.see("boiler", 85)
		h.stop()
		other := hot(agent.Warning)
		other.Name = "other"
		h.cfg.Rules = []Rule{other}
		h.start()
		h.stop()
		if keys := h.cfg.State.List(space); len(keys) != 0 {
			t.Errorf("state of rules that are gone: %q", keys)
		}
		h.start()
		h.forget()
		h.see("boiler", 70)
		h.see("boiler", 85)
		h.tells("anna [warning] other: boiler is 85.0 °C at " + at(0) + " #2")
		h.stop()
	})
}

// State that cannot be read, or not be written, hides no alarm.
func TestBadState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Plan{}, hot(agent.Warning))
		h.stop()
		for _, v := range []string{"", "{", `{"incident":{"phase":"odd"}}`, `{"incident":{"phase":"idle"},"page":{"stage":-1}}`} {
			state := &memState{values: map[string][]byte{"rule/hot": []byte(v), "alarm/number": []byte("x")}, fails: true}
			h.cfg.State = state
			h.start()
			h.see("boiler", 70)
			h.see("boiler", 85)
			h.tells("anna [warning] hot: boiler is 85.0 °C at " + at(0) + " #1")
			h.stop()
		}
	})
}

// Flapping is one digest, and one line when it is over.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Plan{Escalate: []string{"operators"}, WarningAfter: 5 * time.Minute}, hot(agent.Warning))
		defer func() { h.stop() }()
		h.see("boiler", 70)
		for range 5 {
			h.see("boiler", 85)
			time.Sleep(time.Minute)
			h.see("boiler", 70)
		}
		h.forget()
		h.see("boiler", 85)
		h.tells("anna [warning] hot: comes and goes, 6 times within an hour; I say no more until it has been quiet for an hour #6")
		for range 20 {
			h.see("boiler", 70)
			time.Sleep(time.Minute)
			h.see("boiler", 85)
			time.Sleep(time.Minute)
		}
		h.see("boiler", 70)
		h.tells()
		time.Sleep(61 * time.Minute)
		h.tells("anna [info] hot: nothing for an hour, after it had fired 26 times")
	})
}

// What a rule does goes through the authoriser as a rule: no command of owners, no
// confirmation, and a failure is told.
func TestActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Warning)
		r.Do = []string{"set fan on", "grant", "open", "set broken on", "nonsense"}
		h := newHouse(t, Plan{}, r)
		defer func() { h.stop() }()
		err := h.p.CheckActions()
		for _, want := range []string{`rule.hot.do: "grant": unknown command`, `"open": it asks for confirmation`, `"nonsense": unknown`} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("check: %v, want %s", err, want)
			}
		}
		if strings.Contains(err.Error(), "set") {
			t.Errorf("check: %v", err)
		}
		h.see("boiler", 70)
		h.see("boiler", 85)
		h.does("hot: fan=on", "hot: broken=on")
	})
}

// To names people, roles and rooms; who has no role is not told.
func TestTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Warning)
		r.To = []string{"operators", "viewers", bob, "room.hall", "mallory@example.org", "room.none"}
		h := newHouse(t, Plan{To: []string{"owners"}}, r)
		defer func() { h.stop() }()
		h.see("boiler", 70)
		h.see("boiler", 85)
		h.mu.Lock()
		var to []string
		for _, a := range h.told {
			to = append(to, a.To)
			if a.Room != (a.To == hall) {
				t.Errorf("%s: room is %v", a.To, a.Room)
			}
		}
		h.mu.Unlock()
		if diff := cmp.Diff([]string{bob, carol, hall}, to); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// A room gets all alerts of its level; where nobody is left, every owner is told.
func TestRoomsByLevelAndNobodyLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hot(agent.Warning)
		r.To = []string{"mallory@example.org"}
		h := newHouse(t, Plan{}, r)
		h.stop()
		h.cfg.Rooms[0].Level = agent.Warning
		h.start()
		defer func() { h.stop() }()
		h.see("boiler", 70)
		h.see("boiler", 85)
		line := " [warning] hot: boiler is 85.0 °C at " + at(0) + " #1"
		h.tells("anna"+line, "hall"+line)
	})
}
