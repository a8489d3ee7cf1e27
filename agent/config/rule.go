package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/rule"
)

const (
	maxRules   = 64
	maxActions = 8    // of do, and of on_clear
	maxAction  = 1024 // bytes of one
	maxTargets = 32
	startGrace = 30 * time.Second // unless the rule says otherwise
)

const ruleLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-"

type ruleKeys struct {
	When     string        `toml:"when"`
	Clear    string        `toml:"clear"`
	For      time.Duration `toml:"for"`
	ClearFor time.Duration `toml:"clear_for"`
	Level    string        `toml:"level"`
	Say      string        `toml:"say"`
	To       []string      `toml:"to"`
	Repeat   time.Duration `toml:"repeat"`
	Grace    time.Duration `toml:"grace"`
	Do       []string      `toml:"do"`
	OnClear  []string      `toml:"on_clear"`
	Escalate bool          `toml:"escalate"`
}

// rules reads every [rule.NAME]. Sources are the names of what gives readings;
// rooms are the names of rooms.
func (l *loader) rules(s section, sources, rooms []string) (list []alarm.Rule) {
	names := s.keys()
	if len(names) > maxRules {
		s.r.fail(s.path, "there are %d rules, at most %d are possible", len(names), maxRules)
		return nil
	}
	for _, name := range names {
		switch r := s.sub(name, "[rule.NAME]"); {
		case r.table == nil: // reported
		case !isName(name, maxCommandName, ruleLetters) || name == "all":
			s.fail(name, "a rule's name is made of a-z, 0-9, _ and -, at most %d of them, begins with a letter, and is not all", maxCommandName)
		default:
			list = append(list, l.rule(r, name, sources, rooms))
		}
	}
	return list
}

// rule reads one [rule.NAME].
func (l *loader) rule(s section, name string, sources, rooms []string) alarm.Rule {
	keys := ruleKeys{Level: agent.Warning.String(), Grace: startGrace, Escalate: true}
	s.decode(&keys)
	r := alarm.Rule{
		Rule: rule.Rule{
			Name: name, When: s.cond("when", keys.When, sources), Clear: s.cond("clear", keys.Clear, sources),
			For: keys.For, ClearFor: keys.ClearFor, Repeat: keys.Repeat, Grace: keys.Grace,
		},
		Say: keys.Say, Do: keys.Do, OnClear: keys.OnClear, Escalate: keys.Escalate,
	}
	var err error
	if r.Level, err = agent.ParseLevel(keys.Level); err != nil {
		s.oneOf("level", keys.Level, agent.Info.String(), agent.Warning.String(), agent.Critical.String())
	}
	if s.has("to") {
		r.To = l.targets(s, "to", keys.To, rooms)
	}
	s.between("for", keys.For, 0, rule.MaxTime)
	s.between("clear_for", keys.ClearFor, 0, rule.MaxTime)
	s.between("grace", keys.Grace, 0, rule.MaxTime)
	if keys.Repeat != 0 {
		s.between("repeat", keys.Repeat, rule.MinRepeat, rule.MaxTime)
	}
	if err := alarm.CheckSay(keys.Say); err != nil {
		s.fail("say", "%s", err)
	}
	s.actions("do", keys.Do)
	s.actions("on_clear", keys.OnClear)
	s.checkConds(&r)
	return r
}

// cond reads a condition. Each name in it must be that of a reading that
// something may give.
func (s section) cond(key, text string, sources []string) *rule.Cond {
	if !s.given(key) {
		return nil
	}
	c, err := rule.Parse(text)
	if err != nil {
		s.fail(key, "%s", err)
		return nil
	}
	for _, name := range c.Names() {
		if problem := globProblem(name, "sensor or output", sources); problem != "" {
			s.fail(key, "%s", problem)
		}
	}
	return c
}

// checkConds checks when and clear against one another.
func (s section) checkConds(r *alarm.Rule) {
	switch {
	case !s.has("when"):
		s.r.fail(s.path, `there is no when: write a condition such as when = "boiler > 80"`)
	case r.When == nil || r.Clear == nil:
	default:
		if err := rule.CheckClear(r.When, r.Clear); err != nil {
			s.fail("clear", "%s", err)
		}
	}
}

// actions checks lines of do or on_clear. Whether the device has these commands
// is checked when it has them all.
func (s section) actions(key string, lines []string) {
	if len(lines) > maxActions {
		s.fail(key, "has %d lines, at most %d are possible", len(lines), maxActions)
	}
	for i, line := range lines {
		if strings.TrimSpace(line) == "" || len(line) > maxAction || strings.ContainsAny(line, "\r\n") {
			s.fail(key, "item %d: wants one line of a chat, such as %q, of at most %d bytes", i+1, "set fan on", maxAction)
		}
	}
}

// targets reads people, roles and rooms.
func (l *loader) targets(s section, key string, words, rooms []string) []string {
	targets := []string{}
	if len(words) > maxTargets {
		s.fail(key, "has %d targets, at most %d are possible", len(words), maxTargets)
		return targets
	}
	if s.given(key) && len(words) == 0 {
		s.fail(key, "is empty: nobody would be told")
	}
	for i, word := range words {
		target, err := l.target(word, rooms)
		switch {
		case err != nil:
			s.fail(key, "item %d: %s", i+1, err)
		case slices.Contains(targets, target):
			s.fail(key, "item %d: %q is there already", i+1, word)
		default:
			targets = append(targets, target)
		}
	}
	return targets
}

func (l *loader) target(word string, rooms []string) (string, error) {
	roles := []string{"owners", "operators", "viewers"}
	room, isRoom := strings.CutPrefix(word, "room.")
	switch {
	case slices.Contains(roles, word), isRoom && slices.Contains(rooms, room):
		return word, nil
	case isRoom:
		return "", fmt.Errorf("there is no [room.%s]%s", room, options(room, rooms))
	case !strings.Contains(word, "@"):
		return "", fmt.Errorf(`unknown target %q: write a JID, owners, operators, viewers or "room.NAME"`, word)
	}
	jid, err := l.person(word)
	if err != nil {
		return "", err
	}
	return jid, nil
}

type alertKeys struct {
	To            []string      `toml:"to"`
	Escalate      []string      `toml:"escalate"`
	CriticalAfter time.Duration `toml:"critical_after"`
	WarningAfter  time.Duration `toml:"warning_after"`
	ReceiptAfter  time.Duration `toml:"receipt_after"`
}

// plan reads [alerts] and every [quiet."JID"].
func (l *loader) plan(s, quiet section, rooms []string) alarm.Plan {
	keys := alertKeys{CriticalAfter: 5 * time.Minute, ReceiptAfter: time.Minute}
	s.decode(&keys)
	p := alarm.Plan{CriticalAfter: keys.CriticalAfter, WarningAfter: keys.WarningAfter, ReceiptAfter: keys.ReceiptAfter}
	if s.has("to") {
		p.To = l.targets(s, "to", keys.To, rooms)
	}
	if s.has("escalate") {
		p.Escalate = l.targets(s, "escalate", keys.Escalate, rooms)
	}
	for key, d := range map[string]time.Duration{"critical_after": keys.CriticalAfter, "warning_after": keys.WarningAfter, "receipt_after": keys.ReceiptAfter} {
		if d != 0 {
			s.between(key, d, 10*time.Second, rule.MaxTime)
		}
	}
	for _, key := range quiet.keys() {
		jid, err := l.person(key)
		if err != nil {
			quiet.fail(key, "%s", err)
			continue
		}
		if p.Quiet == nil {
			p.Quiet = make(map[string]alarm.Quiet)
		}
		if _, twice := p.Quiet[jid]; twice {
			quiet.fail(key, "this person has quiet hours already")
		}
		p.Quiet[jid] = quiet.sub(key, `[quiet."name@example.org"]`).quietHours()
	}
	return p
}

// quietHours reads one [quiet."JID"].
func (s section) quietHours() (q alarm.Quiet) {
	keys := struct {
		From   string `toml:"from"`
		To     string `toml:"to"`
		Except string `toml:"except"`
	}{Except: agent.Critical.String()}
	if s.table == nil {
		return q // not a table: reported
	}
	s.decode(&keys)
	q.From, q.To = s.timeOfDay("from", keys.From), s.timeOfDay("to", keys.To)
	if s.given("from") && s.given("to") && q.From == q.To {
		s.fail("to", "is the same time as from")
	}
	if s.oneOf("except", keys.Except, agent.Warning.String(), agent.Critical.String(), "none"); keys.Except == "none" {
		q.Except = agent.Critical + 1
	} else {
		q.Except, _ = agent.ParseLevel(keys.Except)
	}
	return q
}

func (s section) timeOfDay(key, text string) time.Duration {
	if !s.has(key) {
		s.r.fail(s.path, "there is no %s: write %s = %q", key, key, "22:00")
		return 0
	}
	d, err := parseTimeOfDay(text)
	if err != nil && s.given(key) {
		s.fail(key, "%s", err)
	}
	return d
}

func parseTimeOfDay(text string) (time.Duration, error) {
	t, err := time.Parse("15:04", text)
	if err != nil && text != "24:00" {
		return 0, errors.New(`wants a time of day such as "22:00"`)
	}
	if err != nil {
		return 24 * time.Hour, nil
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// LoadRules reads the rules of a config, who is told of them, and nothing else:
// no file that the config names is needed. The error is Problems when the file
// could be read and is wrong.
func LoadRules(path string, env Env) ([]alarm.Rule, alarm.Plan, error) {
	l := &loader{env: env, open: openFile}
	top, err := l.read(path)
	if err != nil {
		return nil, alarm.Plan{}, err
	}
	rules, plan := l.allRules(top)
	if len(top.r.problems) > 0 {
		return nil, alarm.Plan{}, top.r.problems.sorted()
	}
	return rules, plan, nil
}

// allRules reads [rule.NAME], [alerts] and [quiet."JID"].
func (l *loader) allRules(top section) ([]alarm.Rule, alarm.Plan) {
	sensors := top.sub("sensor", "[sensor.NAME], one for each sensor").keys()
	outputs := top.sub("output", writeOutput).keys()
	rooms := top.sub("room", "[room.NAME], one for each room").keys()
	rules := l.rules(top.sub("rule", "[rule.NAME], one for each rule"), slices.Concat(sensors, outputs, importSources(top)), rooms)
	return rules, l.plan(top.sub("alerts", "[alerts]"), top.sub("quiet", `[quiet."JID"], one for each person`), rooms)
}
