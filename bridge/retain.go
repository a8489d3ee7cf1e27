package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"pipit/agent"
)

// alert is the payload of an alert's topic.
type alert struct {
	Rule     string `json:"rule"`
	Level    string `json:"level"`
	State    string `json:"state"`
	Number   uint64 `json:"number"`
	Since    string `json:"since"`
	By       string `json:"by,omitempty"`
	Silenced string `json:"silenced,omitempty"`
	Text     string `json:"text"`
}

// shownSpace is where the retained topics are kept that have to be taken back.
const shownSpace = "mqtt"

// showAlerts makes the alert topics what the rules say: those that fire are
// retained, and what was retained before is cleared. Which were is kept, so that
// a rule that is gone leaves nothing behind.
func (s *session) showAlerts(ctx context.Context) error {
	if s.cfg.Alerts == nil {
		return nil
	}
	want := make(map[string][]byte)
	for _, a := range s.cfg.Alerts() {
		p := alert{Rule: a.Rule, Level: a.Level, State: a.State, Number: a.Number, Since: agent.Stamp(a.Since), By: a.By, Text: a.Text}
		if !a.Silenced.IsZero() {
			p.Silenced = agent.Stamp(a.Silenced)
		}
		want[s.base+"/alert/"+a.Rule] = encode(p)
	}
	return s.retain(ctx, "alerts", want)
}

func (s *session) sendAlerts(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.alerts:
		}
		if err := s.showAlerts(ctx); err != nil {
			return err
		}
	}
}

// retain publishes retained messages and clears those that were retained under
// the same key before and are not wanted any more. The list is kept before
// anything is published.
func (s *session) retain(ctx context.Context, key string, want map[string][]byte) error {
	had := s.kept(key)
	topics := sortedKeys(want)
	all := make(map[string]bool)
	for _, t := range append(had, topics...) {
		all[t] = true
	}
	s.keep(key, sortedKeys(all))
	var tokens []mqtt.Token
	for _, t := range topics {
		tokens = append(tokens, s.conn.send(t, want[t], true))
	}
	for _, t := range had {
		if _, ok := want[t]; !ok {
			tokens = append(tokens, s.conn.send(t, nil, true))
		}
	}
	if err := s.conn.waitAll(ctx, tokens); err != nil {
		return err
	}
	s.keep(key, topics)
	return nil
}

func (s *session) kept(key string) (topics []string) {
	if s.cfg.State == nil {
		return nil
	}
	if value, ok := s.cfg.State.Get(shownSpace, key); ok {
		if err := json.Unmarshal(value, &topics); err != nil {
			s.log.Warn("what was announced is forgotten", "what", key, "error", err)
		}
	}
	return topics
}

func (s *session) keep(key string, topics []string) {
	if s.cfg.State == nil {
		return
	}
	if err := s.cfg.State.Set(shownSpace, key, encode(topics)); err != nil {
		s.log.Warn("what was announced is not kept: it may stay with the broker after a change of the config", "what", key, "error", err)
	}
}

const announceEvery = 10 * time.Second // new readings are looked for

// announcement is what Home Assistant is told now.
func (s *session) announcement() map[string][]byte {
	if s.cfg.Announce == nil {
		return nil
	}
	return s.cfg.Announce().Announce(s.cfg.Entities())
}

func (s *session) announce(ctx context.Context) error {
	return s.retain(ctx, "discovery", s.announcement())
}

// keepAnnounced announces again when Home Assistant has come up, and when there
// is something else to announce.
func (s *session) keepAnnounced(ctx context.Context) error {
	if s.cfg.Announce == nil {
		return nil
	}
	last := s.announcement()
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		again := false
		select {
		case <-ctx.Done():
			return nil
		case <-s.born:
			again = true
		case <-tick.C:
		}
		now := s.announcement()
		if !again && maps.EqualFunc(last, now, bytes.Equal) {
			continue
		}
		if err := s.announce(ctx); err != nil {
			return err
		}
		last = now
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
